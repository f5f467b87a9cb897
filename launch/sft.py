"""Stage 1: fine-tune LoRA adapters on written notices.

    accelerate launch launch/sft.py                                    # the embedded model, the 302 examples
    accelerate launch launch/sft.py --config launch/recipes/gemma-3-270m/sft.yaml --learning_rate 5e-4
    accelerate launch launch/sft.py --train_file my_chats.jsonl --on_invalid drop
    accelerate launch launch/sft.py --resume runs/sft-20260131-120000-1a2b3c
    python launch/sft.py --dry_run                                     # read, judge and count; train nothing

A recipe is a YAML file of the options below; options on the command line go over it. The result is a run directory with
the adapter and a manifest. Exit codes: 0 finished, 2 something to mend (the message says what), 130 interrupted.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import sys

from models.processes import take_cores
from models.recipe import RecipeParser, with_resumed_recipe
from models.script import run_script
from sft.train import TYPES, Settings, dry_run, run_sft


def main() -> int:
    settings = Settings(*RecipeParser(TYPES, __doc__ or "").parse(with_resumed_recipe(sys.argv[1:])))
    take_cores(settings.run.threads)
    if settings.run.dry_run:
        dry_run(settings)
    else:
        run_sft(settings)
    return 0


if __name__ == "__main__":
    sys.exit(run_script("sft", main))
