"""From the written examples to one report: check, base, SFT, pairs, DPO, each evaluated on the same held-out readings.

    python launch/quickstart.py            # the embedded model; what `make quickstart` calls
    python launch/quickstart.py --smoke    # every step on a tiny random model, in about a minute
    python launch/quickstart.py --dry_run  # say what would be done

Everything lies in `runs/quickstart-<time>/` (report.html, pairs, state) and in the run directories it names. Stopped
half-way, the same command goes on where it was: finished steps are kept, an interrupted training goes on from its last
checkpoint. `--new` begins anew instead. Exit codes: 0 done, 2 something to mend, 130 interrupted.
"""

import _root

import argparse
import os
import sys
from pathlib import Path

from launch._pipeline import Pipeline, Plan, open_pipeline
from models.script import run_script

RECIPES = Path("launch") / "recipes"
FULL = Plan(
    recipes=RECIPES / "gemma-3-270m",
    limit=None,
    remarks=(),
)
SMOKE = Plan(
    recipes=RECIPES / "tiny-random",
    limit=16,
    remarks=(
        "A smoke run: a tiny random model, a few steps, 16 readings. Its notices are garbage; it shows that every step "
        "works, and nothing about quality.",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="every step on a tiny random model")
    parser.add_argument("--new", action="store_true", help="begin anew, also when an interrupted quickstart is there")
    parser.add_argument("--dry_run", action="store_true", help="say what would be done and stop")
    parser.add_argument(
        "--runs_dir", type=Path, default=Path(os.environ.get("ONDO_RUNS") or "runs"), help="folder of all runs"
    )
    options = parser.parse_args()
    plan = SMOKE if options.smoke else FULL
    pipeline: Pipeline = open_pipeline(plan, options.runs_dir, new=options.new, root=_root.ROOT)
    if options.dry_run:
        pipeline.describe()
        return 0
    pipeline.run()
    return 0


if __name__ == "__main__":
    sys.exit(run_script("quickstart", main))
