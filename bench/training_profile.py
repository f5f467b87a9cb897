"""Where the time of a packed training step goes.

Usage::

    python bench/training_profile.py [--case dpo-8] [--items 64] [--model NAME]

Prints CPU seconds of forward, backward and optimiser, the share of the machine's matrix-product rate in the same CPU
seconds, and torch's profile by operation. On a busy machine run it with ``OMP_NUM_THREADS=1``: CPU seconds of one
thread are not spent waiting for others.
"""

if __name__ == "__main__":
    import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import tempfile
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from bench.cases import make_cases
from bench.machine import matrix_peak
from bench.systems import Settings, build_trainer
from bench.work import plan_rows, training_flops
from models.embedded import EMBEDDED_NAME
from models.load import ModelSpec, load_base
from models.script import run_script


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Profile a packed training step.")
    parser.add_argument("--case", default="dpo-8", help="sft or dpo-K")
    parser.add_argument("--items", type=int, default=64, help="examples or pairs in the step")
    parser.add_argument("--model", default=EMBEDDED_NAME)
    arguments = parser.parse_args()
    (case,) = make_cases(arguments.case)
    rows = case.rows(load_base(ModelSpec(arguments.model)).tokenizer, 0, arguments.items)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(Settings("ondo", arguments.items), case, arguments.model, rows, folder)
        batch = next(iter(trainer.get_train_dataloader()))
    plan = plan_rows(rows)
    work = training_flops(trainer.model.get_base_model(), plan)
    print(
        f"{len(plan.trie)} nodes, {len(plan.labels)} labels, {work / 1e9:.0f} GFLOP; {torch.get_num_threads()} threads"
    )
    optimizer = torch.optim.AdamW([value for value in trainer.model.parameters() if value.requires_grad], fused=True)
    trainer.model.train()
    step(trainer, batch, optimizer)
    for _ in range(3):
        seconds, rate = step(trainer, batch, optimizer), matrix_peak(clock=time.process_time)
        total = sum(seconds.values())
        parts = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
        print(f"{total:.2f} CPU seconds ({parts}), {work / total / rate:.0%} of {rate / 1e9:.0f} GFLOP a CPU second")
    with profile(activities=[ProfilerActivity.CPU]) as found:
        step(trainer, batch, optimizer)
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=45))
    return 0


def step(trainer: Any, batch: Any, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """CPU seconds of the parts of one step."""
    times = [time.process_time()]
    loss = trainer.compute_loss(trainer.model, dict(batch))
    times.append(time.process_time())
    loss.backward()
    times.append(time.process_time())
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.process_time())
    names = ("forward", "backward", "optimiser")
    return {name: end - start for name, start, end in zip(names, times, times[1:], strict=False)}


if __name__ == "__main__":
    raise SystemExit(run_script("training_profile", main))
