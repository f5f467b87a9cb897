"""One of several processes of a training run: ``python -m tests.models.trie_process FOLDER``, under torchrun."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.models.test_trie_trainer import build, logged

GLOBAL_BATCH = 4


def curve(stage: str, folder: Path, processes: int) -> list[dict[str, Any]]:
    """The log of five steps over shuffled prompts, ``GLOBAL_BATCH`` rows a step in all; goes into a second epoch."""
    trainer = build(
        stage,
        folder / f"{stage}-{processes}",
        packed=True,
        sequential=False,
        cache=folder / "cache",
        per_device_train_batch_size=GLOBAL_BATCH // processes,
        gradient_accumulation_steps=1,
        max_steps=3 if stage == "sft" else 7,
        learning_rate=1e-2,
    )
    assert trainer.accelerator.num_processes == processes
    trainer.train()
    return logged(trainer)


if __name__ == "__main__":
    where, count = Path(sys.argv[1]), int(os.environ["WORLD_SIZE"])
    found = {stage: curve(stage, where, count) for stage in ("sft", "dpo")}
    if os.environ["RANK"] == "0":
        (where / "curves.json").write_text(json.dumps(found))
