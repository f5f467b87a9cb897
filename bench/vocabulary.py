"""Measure what a head cut down to the task's words saves, in training and decoding, in turn with the whole one.

Usage::

    python bench/vocabulary.py [--pairs 3] [--items 48] [--readings 100] [--json FILE] [--model NAME]

Training is one step over ``--items`` examples (batches of 4) or pairs, four rejected notices a prompt (batches of
24), as the recipes have them; decoding writes ``--readings`` notices of the base model. A cut head is another model, a
little, so the losses on the same rows are printed beside the speeds: they are not meant to be equal. About six minutes
on 2 cores.
"""

if __name__ == "__main__":  # the processes of bench/worker.py read this file too, with the path already set
    import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.cases import Case, make_cases
from bench.systems import Settings, check, run
from bench.worker import Worker
from data.files import write_atomic
from data.splits import cells
from models.embedded import EMBEDDED_NAME
from models.generate import generate_notices
from models.load import ModelSpec, load_base
from models.runs import hardware
from models.script import run_script
from models.vocabulary import Vocabulary, choose_vocabulary

_KINDS: tuple[Vocabulary, ...] = ("full", "task")
_BATCHES = {"sft": 4, "dpo-4": 24}
_CHECKED = 8
_MAX_NEW_TOKENS = 42


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure what a cut vocabulary saves.")
    parser.add_argument("--pairs", type=int, default=3, help="rounds in which each runs once")
    parser.add_argument("--items", type=int, default=48, help="examples or pairs in the training step")
    parser.add_argument("--readings", type=int, default=100, help="notices to write")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    parser.add_argument("--model", default=EMBEDDED_NAME, help="base model")
    return measure(parser.parse_args())


def measure(arguments: argparse.Namespace) -> int:
    """Measure, print, write what was asked for."""
    if min(arguments.pairs, arguments.items, arguments.readings) < 1:
        raise ValueError("--pairs, --items and --readings must be at least 1")
    if arguments.json is not None and not arguments.json.absolute().parent.is_dir():
        raise ValueError(f"{arguments.json.absolute().parent}: no such folder")
    found: dict[str, Any] = {"machine": hardware(), "date": datetime.now(UTC).date().isoformat(), "cases": []}
    for case in make_cases(",".join(_BATCHES)):
        found["cases"].append(_training(case, arguments))
    found["cases"].append(_decoding(arguments))
    for line in found["cases"]:
        rates = ", ".join(f"{kind} {line[kind]:.2f} items/s" for kind in _KINDS)
        low, high = line["spread"]
        print(f"{line['name']}: {rates}: {line['ratio']:.2f}x ({low:.2f}-{high:.2f})", *line["notes"], flush=True)
    if arguments.json is not None:
        write_atomic(arguments.json, json.dumps(found, indent=2) + "\n")
    return 0


def _training(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    settings = {kind: Settings("ondo", _BATCHES[case.name], vocabulary=kind) for kind in _KINDS}
    workers = {kind: Worker() for kind in _KINDS}
    rates: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    notes = []
    try:
        for kind, worker in workers.items():
            worker(run, settings[kind], case, arguments.model, 0, 2)  # warm
        for turn in range(arguments.pairs):
            for kind in _KINDS if turn % 2 else _KINDS[::-1]:
                measured = workers[kind](
                    run, settings[kind], case, arguments.model, turn * arguments.items, arguments.items
                )
                rates[kind].append(measured.items / measured.seconds)
        for kind, worker in workers.items():
            loss = worker(check, settings[kind], case, arguments.model, 0, _CHECKED)["loss"]
            notes.append(f"loss {loss:.4f} ({kind})")
    finally:
        for worker in workers.values():
            worker.__exit__(None, None, None)
    return _line(case.name, rates, notes)


def _decoding(arguments: argparse.Namespace) -> dict[str, Any]:
    rates: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    workers = {kind: Worker() for kind in _KINDS}
    try:
        for kind, worker in workers.items():
            worker(write_rate, kind, arguments.model, 2)  # warm
        for turn in range(arguments.pairs):
            for kind in _KINDS if turn % 2 else _KINDS[::-1]:
                rates[kind].append(workers[kind](write_rate, kind, arguments.model, arguments.readings))
    finally:
        for worker in workers.values():
            worker.__exit__(None, None, None)
    return _line("decoding", rates, [])


def write_rate(kind: Vocabulary, model_name: str, readings: int) -> float:
    """Notices a second for so many readings of ``test-mini``; the model is loaded before the clock starts."""
    loaded = load_base(ModelSpec(model_name))
    choose_vocabulary(loaded.model, loaded.tokenizer, kind, [], packed=True)
    chosen = cells("test-mini")[:readings]
    started = time.perf_counter()
    generate_notices(loaded.model, loaded.tokenizer, chosen, max_new_tokens=_MAX_NEW_TOKENS)
    return len(chosen) / (time.perf_counter() - started)


def _line(name: str, rates: dict[str, list[float]], notes: list[str]) -> dict[str, Any]:
    ratios = [task / full for task, full in zip(rates["task"], rates["full"], strict=True)]
    middle = {kind: median(values) for kind, values in rates.items()}
    return {"name": name, **middle, "ratio": median(ratios), "spread": [min(ratios), max(ratios)], "notes": notes}


if __name__ == "__main__":
    raise SystemExit(run_script("vocabulary", main))
