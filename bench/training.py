"""Measure training speed: stock TRL as first run, TRL at its best, and ondo, in turn on the same rows.

Usage::

    python bench/training.py [--cases sft,dpo-1,dpo-4,dpo-8] [--pairs 5] [--json FILE] [--chart FILE] [--model NAME]

``dpo-K`` has K rejected notices a prompt. Before anything is timed the systems' losses on the same rows are compared,
exactly in float32 and as they are timed. Takes ten to twenty minutes a case on 2 cores; ``--pairs 1 --cases dpo-4`` is
a quick look.
"""

if __name__ == "__main__":  # the processes of bench/worker.py read this file too, with the path already set
    import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import functools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cases import DEFAULT_CASES, make_cases
from bench.compare import Result, compare, peak_of_machine
from bench.systems import Settings
from data.files import write_atomic
from models.embedded import EMBEDDED_NAME
from models.runs import hardware, package_versions
from models.script import run_script

_NAMES = {"trl_stock": "TRL, stock", "trl_best": "TRL, best", "ondo": "ondo"}


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure training speed against TRL.")
    parser.add_argument("--cases", default=DEFAULT_CASES, help="comma-separated: sft, dpo-K")
    parser.add_argument("--pairs", type=int, default=5, help="rounds in which every system runs once")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    parser.add_argument("--chart", type=Path, help="PNG to draw")
    parser.add_argument("--model", default=EMBEDDED_NAME, help="base model")
    return measure(parser.parse_args())


def measure(arguments: argparse.Namespace) -> int:
    """Measure every case asked for; writes what was asked for."""
    import torch

    if arguments.pairs < 1:
        raise ValueError("--pairs must be at least 1")
    for path in (arguments.json, arguments.chart):
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(f"{path.absolute().parent}: no such folder")
    cases = make_cases(arguments.cases)
    machine = {
        **hardware(),
        "bfloat16_gflops": peak_of_machine(torch.bfloat16) / 1e9,
        "float32_gflops": peak_of_machine(torch.float32) / 1e9,
        "packages": package_versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "model": arguments.model,
    }
    known: dict[bool, Settings] = {}
    results: list[Result] = []
    found: dict[str, Any] = {"machine": machine, "cases": []}
    for case in cases:
        results.append(compare(case, arguments.model, arguments.pairs, functools.partial(print, flush=True), known))
        found["cases"].append(results[-1].to_dict())
        if arguments.json is not None:  # after every case: the next one may fail
            write_atomic(arguments.json, json.dumps(found, indent=2) + "\n")
    print_table(found, results)
    if arguments.chart is not None:
        draw(found, arguments.chart)
    return 0


def print_table(found: dict[str, Any], results: list[Result]) -> None:
    """What a reader wants to know, one line a system and case."""
    from rich.console import Console
    from rich.table import Table

    machine = found["machine"]
    table = Table(
        title=f"{machine['processor']}, {machine['threads']} threads, products at {machine['bfloat16_gflops']:.0f} "
        f"(bfloat16) and {machine['float32_gflops']:.0f} (float32) GFLOP/s",
        title_justify="left",
    )
    for heading in ("case", "system", "items/s", "tokens/s", "memory MB", "of peak", "ondo is", "spread", "settings"):
        table.add_column(heading, justify="left" if heading in ("case", "system", "settings") else "right")
    for case, result in zip(found["cases"], results, strict=True):
        for name, values in case["systems"].items():
            ratio, spread = "", ""
            if name != "ondo":
                ratios = result.ratios(name)
                ratio = f"{case['speedup_vs_' + name.removeprefix('trl_')]:.1f}x"
                spread = f"{min(ratios):.1f}-{max(ratios):.1f}"
            share = f"{values['peak_share']:.0%}" if "peak_share" in values else ""
            speeds = (
                f"{values['items_per_s']:.2f}",
                f"{values['tokens_per_s']:.0f}",
                f"{values['peak_memory_mb']:.0f}",
            )
            table.add_row(case["name"], _NAMES[name], *speeds, share, ratio, spread, values["settings"])
        table.add_section()
    Console(width=140).print(table)
    for case in found["cases"]:
        growth = ", ".join(f"{prompts}: {rate:.2f}" for prompts, rate in case["growth"].items())
        print(f"{case['name']}: memory with the same eight items in one batch {case['memory_vs_best']:.2f} of TRL's")
        print(f"  items/s by prompts in a batch: {growth}")


def draw(found: dict[str, Any], path: Path) -> None:
    """Bars of items/s, and ondo's items/s by prompts in a batch."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cases = found["cases"]
    figure, (bars, lines) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for offset, (name, label) in enumerate(_NAMES.items()):
        heights = [case["systems"][name]["items_per_s"] for case in cases]
        drawn = bars.bar([at + 0.27 * (offset - 1) for at in range(len(cases))], heights, 0.25, label=label)
        bars.bar_label(drawn, fmt="{:.2g}", fontsize=8)
    bars.set_xticks(range(len(cases)), [case["name"] for case in cases])
    bars.set_yscale("log")
    bars.set_ylabel("examples or pairs a second")
    bars.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    for case in cases:
        lines.plot(list(map(int, case["growth"])), list(case["growth"].values()), marker="o", label=case["name"])
    lines.set_xscale("log", base=2)
    lines.set_xlabel("prompts in a batch")
    lines.set_ylabel("ondo, examples or pairs a second")
    lines.set_ylim(bottom=0)
    lines.legend(frameon=False)
    for axes in (bars, lines):
        axes.spines[["top", "right"]].set_visible(False)
    machine = found["machine"]
    figure.suptitle(f"{machine['model']}, {machine['processor']}, {machine['threads']} threads, {machine['date']}")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


if __name__ == "__main__":
    raise SystemExit(run_script("training", main))
