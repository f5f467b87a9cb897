"""Set runs side by side: rates, paired tests against the first, changed cells, curves, settings, cost.

    python launch/compare.py runs/sft-20260131-120000-1a2b3c runs/dpo-20260131-130000-4d5e6f
    python launch/compare.py base-20260131-110000-0f1e2d sft-20260131-120000-1a2b3c --split test --markdown compare.md
    python launch/compare.py dpo-... dpo-... dpo-... dpo-... --json compare.json     # seeds of one recipe are pooled

A run is a directory or a name in the folder of runs; where the directory is gone, W&B's offline files are read.
Each run needs an evaluation of one split (launch/evaluate.py). Runs that differ in more than the model are refused with
the reason. What the figures mean: docs/comparison.md. Exit codes: 0 done, 2 something to mend, 130 interrupted.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.files import write_atomic
from eval.arms import pooled
from eval.compare import Comparison, compare, shared_split
from eval.compare_page import write_comparison
from eval.compare_text import (
    arm_rows,
    cost_rows,
    how_tested,
    markdown,
    overall_rows,
    rate_table,
    settings_rows,
    to_dict,
)
from eval.evaluate import EVALUATED
from eval.gather import gather
from models.runs import RunError
from models.script import run_script


def main() -> int:
    options = _parser().parse_args()
    names = [Path(name).name for name in options.runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RunError(f"{twice} is named twice")
    runs = [gather(name, options.runs_dir, options.wandb_dir) for name in options.runs]
    found = compare(pooled(runs), shared_split(runs, options.split), anyway=options.anyway)
    page = options.html or options.runs_dir / f"compare-{datetime.now(UTC):%Y%m%d-%H%M%S}.html"
    write_comparison(page, found)
    if options.markdown:
        write_atomic(options.markdown, markdown(found))
    if options.json:
        write_atomic(options.json, json.dumps(to_dict(found), ensure_ascii=False, indent=1) + "\n")
    show(found)
    for path in (options.markdown, options.json, page):
        if path:
            print(path)
    return 0


def show(found: Comparison, console: Console | None = None) -> None:
    """Print the tables of a comparison."""
    console = console or Console()
    console.print(f"{len(found.readings)} readings of {found.split}", highlight=False)
    parts = [("Runs", *arm_rows(found)), ("Rule by rule", *rate_table(found, "\n"))]
    if len(found.arms) > 1:
        parts.append(("Overall", *overall_rows(found)))
    if found.settings:
        parts.append(("What differs", ["", *(arm.name for arm in found.arms)], settings_rows(found)))
    parts.append(("Cost", *cost_rows(found)))
    for title, headings, rows in parts:
        table = Table(title=title, title_justify="left", title_style="bold")
        for column, heading in enumerate(headings):
            right = column > 0 and title not in ("Runs", "What differs")
            table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=column == 0)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(how_tested(found), style="dim", highlight=False)
    for remark in found.remarks:
        console.print(f"- {remark}", highlight=False, markup=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="directory or id; the first is compared against")
    parser.add_argument("--split", choices=EVALUATED, help="default: the largest that every run was evaluated on")
    parser.add_argument(
        "--anyway", action="store_true", help="compare the readings that all hold although rubric or prompt differ"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure for programs")
    parser.add_argument("--html", type=Path, metavar="FILE", help="default: compare-<time>.html in the folder of runs")
    parser.add_argument(
        "--runs_dir", type=Path, default=Path(os.environ.get("ONDO_RUNS") or "runs"), help="folder of all runs"
    )
    parser.add_argument(
        "--wandb_dir",
        type=Path,
        default=Path(os.environ.get("WANDB_DIR") or ".") / "wandb",
        help="where W&B's offline files lie",
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_script("compare", main))
