"""Stage 2: preference optimisation of an SFT run's adapter on verified pairs.

    accelerate launch launch/dpo.py                                    # from the newest SFT run, pairs made on the spot
    accelerate launch launch/dpo.py --sft runs/sft-20260131-120000-1a2b3c --pairs pairs.jsonl
    accelerate launch launch/dpo.py --loss_type apo_zero --beta 0.05 --faults delta_off_by_one delta_sum
    accelerate launch launch/dpo.py --resume runs/dpo-20260131-130000-4d5e6f
    python launch/dpo.py --dry_run                                     # make or read the pairs and count; train nothing

The reference is the SFT policy itself; that loss and margins start at ln 2 and 0 is checked. The base model and the
adapter's shape come from the SFT run. A recipe is a YAML file of the options below; options on the command line go over
it. Exit codes: 0 finished, 2 something to mend (the message says what), 130 interrupted.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import sys

from dpo.train import TYPES, Settings, dry_run, run_dpo
from models.processes import take_cores
from models.recipe import RecipeParser, with_resumed_recipe
from models.script import run_script


def main() -> int:
    settings = Settings(*RecipeParser(TYPES, __doc__ or "").parse(with_resumed_recipe(sys.argv[1:])))
    take_cores(settings.run.threads)
    if settings.run.dry_run:
        dry_run(settings)
    else:
        run_dpo(settings)
    return 0


if __name__ == "__main__":
    sys.exit(run_script("dpo", main))
