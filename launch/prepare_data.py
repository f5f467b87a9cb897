"""Build the chat files from their source, or prove that they are what the source gives.

    python launch/prepare_data.py          # write both files and the figures of the dataset card
    python launch/prepare_data.py --check  # compare byte for byte, write nothing

Source: data/notices.tsv. Files: data/train_chat_large.jsonl, data/validation_chat_large.jsonl, data/README.md.
Both forms print the figures. Exit codes: 0 all well, 1 a file differs or a notice breaks a rule, 2 the source
cannot be read.
"""

import _root

import argparse
import sys
from pathlib import Path

from data.build import broken_notices, built_files, by_split, different_files
from data.card import figures
from data.files import write_atomic
from data.source import SOURCE, read_source


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files that stand there; write nothing")
    check: bool = parser.parse_args().check
    try:
        notices = read_source(SOURCE)
    except (OSError, ValueError) as error:
        print(f"prepare_data: {error}", file=sys.stderr)
        return 2
    failures = [f"{_name(SOURCE)}:{failure}" for failure in broken_notices(notices)]
    for failure in failures:
        print(f"prepare_data: {failure}", file=sys.stderr)
    print(figures(by_split(notices)))
    outputs = built_files(notices)
    different = different_files(outputs)
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


def _name(path: Path) -> str:
    return str(path.relative_to(_root.ROOT))


if __name__ == "__main__":
    sys.exit(main())
