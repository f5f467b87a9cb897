"""Judge messages: JSONL in, the same JSONL out with a verdict on every line.

    python launch/judge.py --input messages.jsonl > judged.jsonl
    echo '{"yesterday": 10, "today": 17, "message": "출력: 어제보다 9도 올랐어요."}' | python launch/judge.py

A line is an object with `yesterday` and `today` (whole degrees) and `message`; other fields are kept. Added is
`verdict`: `passed`, `groups`, `rules` (each with `passed`, `measured`, `reason`) and `soft`. The rules stand in
docs/rubric.md. A bad line stops with file, line and cause and exit code 2, before anything is written.
"""

import _root  # noqa: F401

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rewards.judge import judge_batch
from rewards.rubric import DEFAULT_RUBRIC, Rubric


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, metavar="FILE", help="JSONL to judge; standard input without it")
    for name in ("min_chars", "max_chars", "max_sentences"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=getattr(DEFAULT_RUBRIC, name), help="default: %(default)s")
    options = parser.parse_args()
    source = str(options.input or "<stdin>")
    try:
        rubric = Rubric(options.min_chars, options.max_chars, options.max_sentences)
        content = options.input.read_bytes() if options.input else sys.stdin.buffer.read()
        rows = _rows(content, source)
    except (OSError, ValueError) as error:
        print(f"judge: {error}", file=sys.stderr)
        return 2
    verdicts = judge_batch([(row["message"], row["yesterday"], row["today"]) for row in rows], rubric)
    for row, verdict in zip(rows, verdicts, strict=True):
        line = json.dumps({**row, "verdict": verdict.to_dict()}, ensure_ascii=False)
        # A lone surrogate is a valid JSON string but no valid UTF-8: it is written escaped.
        sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _rows(content: bytes, source: str) -> list[dict[str, Any]]:
    """The objects of a JSONL text; ValueError names source and line of the first bad one."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            _check(row)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{source}:{number}: {error}") from error
        rows.append(row)
    return rows


def _check(row: object) -> None:
    if not isinstance(row, dict):
        raise ValueError("expected an object")
    for key, kind, words in (
        ("yesterday", int, "a whole number"),
        ("today", int, "a whole number"),
        ("message", str, "a text"),
    ):
        if key not in row:
            raise ValueError(f"{key!r} is missing")
        if not isinstance(row[key], kind) or isinstance(row[key], bool):
            raise ValueError(f"{key!r} must be {words}, got {row[key]!r}")


if __name__ == "__main__":
    sys.exit(main())
