"""Measure how fast notices are written: ``transformers.generate`` one by one, as first written, at its best, and ondo.

Usage::

    python bench/generation.py [--readings 200] [--pairs 3] [--run RUN] [--json FILE]

Readings are those of ``test-mini``; the run only times them. Before anything is timed the notices of ondo are compared
with those of ``transformers.generate`` in float32, one by one: they must be equal. Without ``--run`` the base model
gets an adapter of small random weights and writes until it is cut off (``--max-new-tokens``); a trained run stops by
itself. The two slow systems write fewer readings, ``--slow`` of them, since their time is proportional; each keeps its
batch full. About a quarter of an hour on 2 cores, and 16 GB of memory.
"""

if __name__ == "__main__":  # the processes of bench/worker.py read this file too, with the path already set
    import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.compare import DisagreementError, peak_of_machine
from bench.worker import Worker
from bench.writers import WRITERS, Subject, Written, write
from data.files import write_atomic
from data.reading import Reading
from data.splits import cells
from models.decode import timings
from models.embedded import EMBEDDED_NAME
from models.runs import hardware, package_versions
from models.script import run_script

_NAMES = {
    "one_by_one": "transformers, one by one, float32, merged",
    "first": "transformers, as first written: bfloat16, unmerged, batch 32",
    "best_32": "transformers, best: float32, merged, batch 32",
    "best_100": "transformers, best: float32, merged, batch 100",
    "ondo": "ondo",
}
_CHECKED = 16
"""Readings whose notices are compared before anything is timed."""
_SLOW = ("one_by_one", "first")

Runs = dict[str, list[Written]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure generation against transformers.generate.")
    parser.add_argument("--readings", type=int, default=200, help="how many, of test-mini (1 to 200)")
    parser.add_argument("--slow", type=int, default=32, help="how many of them the two slow systems write")
    parser.add_argument("--pairs", type=int, default=3, help="rounds in which every system runs once")
    parser.add_argument("--systems", default=",".join(WRITERS), help="comma-separated; ondo always runs")
    parser.add_argument("--run", type=Path, help="trained run to write with")
    parser.add_argument("--model", default=EMBEDDED_NAME, help="base model, without --run")
    parser.add_argument("--max-new-tokens", type=int, default=48, help="where a notice is cut off")
    parser.add_argument("--batch-size", type=int, default=128, help="answers at once for ondo")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    return measure(parser.parse_args())


def measure(arguments: argparse.Namespace) -> int:
    """Check, time, print; raises ValueError on bad arguments and DisagreementError when notices differ."""
    import torch

    if not 1 <= arguments.readings <= 200 or min(arguments.slow, arguments.pairs) < 1:
        raise ValueError("--readings must be in 1..200, --slow and --pairs at least 1")
    names = {name.strip() for name in arguments.systems.split(",")} | {"ondo"}
    if names - set(WRITERS):
        raise ValueError(
            f"--systems: unknown {', '.join(sorted(names - set(WRITERS)))}; there are {', '.join(WRITERS)}"
        )
    if arguments.json is not None and not arguments.json.absolute().parent.is_dir():
        raise ValueError(f"{arguments.json.absolute().parent}: no such folder")
    readings = cells("test-mini")[: arguments.readings]
    subject = Subject(arguments.model, arguments.run, arguments.max_new_tokens, arguments.batch_size)
    check(subject, readings[:_CHECKED])
    print(f"the first {min(_CHECKED, len(readings))} notices equal those of transformers.generate, one by one")
    runs, head = time_all([name for name in WRITERS if name in names], subject, readings, arguments)
    found = {
        "machine": {
            **hardware(),
            "bfloat16_gflops": peak_of_machine(torch.bfloat16) / 1e9,
            "float32_gflops": peak_of_machine(torch.float32) / 1e9,
            "packages": package_versions(),
            "date": datetime.now(UTC).date().isoformat(),
        },
        "model": str(arguments.run or arguments.model),
        "head": head,
        **summarize(runs),
    }
    print_table(found)
    if arguments.json is not None:
        write_atomic(arguments.json, json.dumps(found, indent=2) + "\n")
    return 0


def check(subject: Subject, readings: Sequence[Reading]) -> None:
    """Compare ondo with ``transformers.generate``.

    Raises:
        DisagreementError: names the reading and both notices.
    """
    with Worker() as one, Worker() as other:
        expected: Written = one(write, "one_by_one", subject, readings)
        written: Written = other(write, "ondo", subject, readings)
    for reading, mine, theirs in zip(readings, written.notices, expected.notices, strict=True):
        if mine != theirs:
            raise DisagreementError(f"{reading.yesterday} -> {reading.today}: ondo {mine}, transformers {theirs}")


def time_all(
    names: Sequence[str], subject: Subject, readings: Sequence[Reading], arguments: argparse.Namespace
) -> tuple[Runs, dict[str, Any]]:
    """Every system once a round, the order turning, each in a process of its own; and how ondo chose its head."""
    runs: Runs = {name: [] for name in names}
    workers = {name: Worker() for name in names}
    try:
        for name, worker in workers.items():
            worker(write, name, subject, readings[:2])  # warm
        for turn in range(arguments.pairs):
            shift = turn % len(names)
            for name in [*names[shift:], *names[:shift]]:
                some = readings[: arguments.slow] if name in _SLOW else readings
                runs[name].append(workers[name](write, name, subject, some))
            rates = ", ".join(f"{name} {speed(found[-1]):.2f}" for name, found in runs.items())
            print(f"round {turn + 1} of {arguments.pairs}: {rates} notices/s", flush=True)
        head = {name: vars(timing) for name, timing in workers["ondo"](timings).items()}
    finally:
        for worker in workers.values():
            worker.__exit__(None, None, None)
    return runs, head


def speed(written: Written) -> float:
    """Notices a second."""
    return len(written.notices) / written.seconds


def summarize(runs: Runs) -> dict[str, Any]:
    """Medians, ratios with their spread over the rounds, and what was decoded."""
    ours = runs["ondo"]
    systems = {
        name: {
            "readings": len(found[0].notices),
            "notices_per_s": median(map(speed, found)),
            "tokens_per_s": median(written.tokens / written.seconds for written in found),
            "peak_memory_mb": max(written.peak_memory_mb for written in found),
            "equal_to_ondo": mean(a == b for a, b in zip(found[0].notices, ours[0].notices, strict=False)),
        }
        for name, found in runs.items()
    }
    # by tokens, so that systems that write fewer or other notices are compared by the same work
    ratios = {
        name: [
            (mine.tokens / mine.seconds) / (theirs.tokens / theirs.seconds)
            for mine, theirs in zip(ours, found, strict=True)
        ]
        for name, found in runs.items()
        if name != "ondo"
    }
    best = max((name for name in ratios if name.startswith("best")), key=lambda n: -median(ratios[n]), default=None)
    return {
        "decoded": {
            "readings": len(ours[0].notices),
            "tokens_each": ours[0].tokens / len(ours[0].notices),
            "finished": mean(finished for _, _, finished in ours[0].notices),
        },
        "systems": systems,
        "speedup": {name: median(found) for name, found in ratios.items()},
        "spread": {name: [min(found), max(found)] for name, found in ratios.items()},
        "speedup_vs_first": median(ratios["first"]) if "first" in ratios else None,
        "speedup_vs_best": median(ratios[best]) if best is not None else None,
    }


def print_table(found: dict[str, Any]) -> None:
    """One line a system."""
    from rich.console import Console
    from rich.table import Table

    machine, decoded = found["machine"], found["decoded"]
    table = Table(
        title=f"{machine['processor']}, {machine['threads']} threads, products at {machine['bfloat16_gflops']:.0f} "
        f"(bfloat16) and {machine['float32_gflops']:.0f} (float32) GFLOP/s",
        title_justify="left",
    )
    for heading in ("system", "readings", "notices/s", "tokens/s", "memory MB", "same notices", "ondo is", "spread"):
        table.add_column(heading, justify="left" if heading == "system" else "right")
    for name, values in found["systems"].items():
        low, high = found["spread"].get(name, (None, None))
        table.add_row(
            _NAMES[name],
            str(values["readings"]),
            f"{values['notices_per_s']:.2f}",
            f"{values['tokens_per_s']:.0f}",
            f"{values['peak_memory_mb']:.0f}",
            f"{values['equal_to_ondo']:.0%}",
            "" if low is None else f"{found['speedup'][name]:.1f}x",
            "" if low is None else f"{low:.1f}-{high:.1f}",
        )
    Console(width=150).print(table)
    print(
        f"{found['model']}: {decoded['tokens_each']:.1f} tokens a notice, {decoded['finished']:.0%} ended by "
        "themselves; ratios are of tokens/s"
    )
    for name, timing in found["head"].items():
        print(f"head {name}: exact {timing['exact_s']:.3f} s, screened {timing['screened_s']:.3f} s for 64 rows")


if __name__ == "__main__":
    raise SystemExit(run_script("generation", main))
