"""Train every combination of some settings with some seeds, evaluate each run, and compare them in one table.

    python launch/ablate.py launch/grids/gemma-3-270m.yaml --dry_run    # list the runs; train nothing
    python launch/ablate.py launch/grids/gemma-3-270m.yaml
    python launch/ablate.py launch/grids/tiny-random.yaml               # needs a tiny-random SFT run; a minute or two

The file names the stage, a recipe, options for every run, factors (option: [value, value]) and seeds. The first value
of each factor makes the cell that the others are compared against. Stopped half-way, the same command goes on where it
was; `--new` begins anew. Runs are evaluated on the split `selection`, which no training reads; `split: test-mini` in
the file reports on cells that nothing may be chosen by. Exit codes: 0 done, 2 something to mend, 130 interrupted.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.files import write_atomic
from eval.compare_page import write_comparison
from eval.compare_text import grid_table, how_tested, markdown, to_dict
from launch._grid import Folder, open_folder, read_grid
from models.script import run_script

HELD_OUT = ("test", "test-mini", "guide")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="YAML file of the grid")
    parser.add_argument("--dry_run", action="store_true", help="list the runs and what is there of them, and stop")
    parser.add_argument("--new", action="store_true", help="begin anew, also when runs of this grid are there")
    parser.add_argument(
        "--runs_dir", type=Path, default=Path(os.environ.get("ONDO_RUNS") or "runs"), help="folder of all runs"
    )
    options = parser.parse_args()
    grid = read_grid(options.grid)
    folder = open_folder(grid, options.runs_dir, new=options.new)
    if grid.split in HELD_OUT:
        print(f"ablate: {grid.split} is for reporting; do not choose a cell of the grid by it", file=sys.stderr)
    if options.dry_run:
        describe(folder)
        return 0
    try:
        found = folder.do()
    except (Exception, KeyboardInterrupt) as error:
        error.add_note(f"the same command goes on with the grid in {folder.path}")
        raise
    write_atomic(folder.path / "comparison.json", json.dumps(to_dict(found), ensure_ascii=False, indent=1) + "\n")
    write_atomic(folder.path / "comparison.md", markdown(found))
    write_comparison(folder.path / "comparison.html", found)
    table = Table(title=f"{len(found.readings)} readings of {found.split}", title_justify="left")
    headings, rows = grid_table(found, "\n")
    for column, heading in enumerate(headings):
        table.add_column(heading, justify="left" if column == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(how_tested(found), style="dim", highlight=False)
    for remark in found.remarks:
        console.print(f"- {remark}", highlight=False, markup=False)
    print(folder.path / "comparison.html")
    return 0


def describe(folder: Folder) -> None:
    """Print every run of the grid and what is there of it."""
    grid = folder.grid
    print(f"folder:     {folder.path}{' (goes on)' if folder.path.is_dir() else ''}")
    print(f"recipe:     {grid.recipe}{'' if folder.parent is None else f', from {folder.parent}'}")
    print(f"evaluation: {'all' if grid.limit is None else f'the first {grid.limit}'} readings of {grid.split}")
    for cell, seed, run in folder.plan():
        state = "to do" if run is None else "resume" if not run.finished else "done"
        print(f"  {state:6}  {cell.name}, seed {seed}{'' if run is None else f' -> {run.id}'}")


if __name__ == "__main__":
    sys.exit(run_script("ablate", main))
