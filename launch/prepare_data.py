"""Build the chat files from their source, or prove that they are what the source gives.

    python launch/prepare_data.py          # write both files and the figures of the dataset card
    python launch/prepare_data.py --check  # compare byte for byte, write nothing

Source: data/notices.tsv. Files: data/train_chat_large.jsonl, data/validation_chat_large.jsonl, data/README.md.
Both forms print the figures. Exit codes: 0 all well, 1 a file differs or a notice breaks a rule, 2 the source
cannot be read.
"""

import _root

import argparse
import json
import sys
from pathlib import Path

from data.card import CARD, figures, with_figures
from data.examples import TRAIN_FILE, VALIDATION_FILE
from data.files import write_atomic
from data.prompts import chat_messages
from data.source import SOURCE, Notice, WrittenSplit, read_source
from rewards.judge import judge_batch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files that stand there; write nothing")
    check: bool = parser.parse_args().check
    try:
        notices = read_source(SOURCE)
    except (OSError, ValueError) as error:
        print(f"prepare_data: {error}", file=sys.stderr)
        return 2
    failures = _failures(notices)
    for failure in failures:
        print(f"prepare_data: {failure}", file=sys.stderr)
    splits: dict[WrittenSplit, tuple[Notice, ...]] = {
        "train": tuple(notice for notice in notices if notice.split == "train"),
        "validation": tuple(notice for notice in notices if notice.split == "validation"),
    }
    table = figures(splits)
    print(table)
    outputs = {
        TRAIN_FILE: _chat_file(splits["train"]),
        VALIDATION_FILE: _chat_file(splits["validation"]),
        CARD: with_figures(CARD.read_text(encoding="utf-8"), table),
    }
    different = [path for path, text in outputs.items() if not _holds(path, text)]
    if check:
        for path in different:
            print(f"prepare_data: {_name(path)} is not what the source gives; run without --check", file=sys.stderr)
        if not different:
            print(f"\n{', '.join(map(_name, outputs))} are what {_name(SOURCE)} gives.")
        return 1 if different or failures else 0
    for path in different:
        write_atomic(path, outputs[path])
        print(f"wrote {_name(path)}")
    return 1 if failures else 0


def _failures(notices: tuple[Notice, ...]) -> list[str]:
    verdicts = judge_batch([(n.text, n.reading.yesterday, n.reading.today) for n in notices])
    return [
        f"{_name(SOURCE)}:{notice.line}: {result.name}: {result.reason}"
        for notice, verdict in zip(notices, verdicts, strict=True)
        for result in verdict.rules
        if not result.passed
    ]


def _chat_file(notices: tuple[Notice, ...]) -> str:
    rows = [{"messages": chat_messages(notice.reading, notice.text)} for notice in notices]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _name(path: Path) -> str:
    return str(path.relative_to(_root.ROOT))


if __name__ == "__main__":
    sys.exit(main())
