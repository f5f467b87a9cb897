"""Send what lies offline to W&B, make sure that it has arrived, and declare what each run was made from.

    python launch/sync.py                          # everything in ./wandb (or $WANDB_DIR/wandb) that was not sent yet
    python launch/sync.py wandb/offline-run-20260131_120000-sft-20260131-120000-1a2b3c
    python launch/sync.py --dry_run                # what would be sent, and whether its files are still there

It needs a W&B key (wandb login, or WANDB_API_KEY) and a host that answers. Runs whose artifact files are gone or have
changed are named and left out; --incomplete sends them without. What it does beyond `wandb sync`: docs/tracking.md.
Exit codes: 0 all has arrived, 1 something is lost (each thing is named), 2 something to mend, 130 interrupted.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import os
import sys
from pathlib import Path

from models.script import run_script
from models.tracking.mode import why_not_online
from models.tracking.send import SendError, missing_files, send, unsent


def main() -> int:
    options = _parser().parse_args()
    folders = unsent(options.paths or [Path(os.environ.get("WANDB_DIR") or ".") / "wandb"], again=options.again)
    if not folders:
        print("nothing to send")
        return 0
    if options.dry_run:
        problems = [problem for folder in folders for problem in missing_files(folder)]
        print("\n".join([*map(str, folders), *problems]))
        return 1 if problems else 0
    missing = why_not_online(os.environ)
    if missing:
        raise SendError(f"{missing}: `wandb login`, or set WANDB_API_KEY (and WANDB_BASE_URL for a host of your own)")
    print(f"{len(folders)} offline parts to send")
    # The mode of the runs to come is no matter here, and W&B's command would stay offline with them.
    environment = {key: value for key, value in os.environ.items() if key not in ("WANDB_MODE", "WANDB_SERVICE")}
    sent = send(folders, environment, seconds=options.timeout, arrival=options.arrival, incomplete=options.incomplete)
    print(f"arrived: {len(sent.runs)} runs, {len(sent.used)} inputs declared")
    for line in sent.lost:
        print(f"lost: {line}", file=sys.stderr)
    return 1 if sent.lost else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="FOLDER", help="a run's W&B folder, or one that holds them"
    )
    parser.add_argument(
        "--timeout", type=float, default=600, metavar="SECONDS", help="for all of the sending (default: 600)"
    )
    parser.add_argument(
        "--arrival", type=float, default=60, metavar="SECONDS", help="for a run's things to show up (default: 60)"
    )
    parser.add_argument("--dry_run", action="store_true", help="look whether everything is there and stop")
    parser.add_argument("--incomplete", action="store_true", help="send runs whose artifact files are gone, too")
    parser.add_argument("--again", action="store_true", help="also what was marked as sent")
    return parser


if __name__ == "__main__":
    sys.exit(run_script("sync", main))
