"""Make verified preference pairs from the written examples.

Usage::

    python launch/synthesize.py --output pairs.jsonl [--per-example N] [--faults delta_sum,label_front] [--seed S]
    python launch/synthesize.py --output pairs.jsonl --pool 800 [--per-pool-cell N]

Writes TRL's conversational preference format (``prompt``, ``chosen``, ``rejected``) with the columns ``fault``,
``rule``, ``source``, ``yesterday``, ``today`` and ``edit_distance``, and beside it ``<output>.report.json``: what each
fault gave and gave up, and how far length, first word and last word alone tell rejected from chosen. The same seed
gives the same bytes.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.source import source_notices
from dpo.cues import CUES, CueReport, cue_report, cues_by_fault
from dpo.faults import FAULTS, select_faults
from dpo.make import make_pairs
from dpo.pair_files import write_pair_files
from dpo.synthesize import Report


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make verified preference pairs from the written examples.")
    parser.add_argument("--output", type=Path, required=True, help="pair file to write (JSONL)")
    parser.add_argument("--per-example", type=int, default=6, help="pairs an example; 0 makes one for every fault")
    parser.add_argument("--faults", help="comma-separated names of the faults to draw from (default: all)")
    parser.add_argument(
        "--pool", type=int, default=0, help="cells without a written notice to add: one is moved to each and judged"
    )
    parser.add_argument("--per-pool-cell", type=int, default=3, help="pairs a pool cell: wrong figures and directions")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console = Console()
    try:
        faults = select_faults([name.strip() for name in arguments.faults.split(",")]) if arguments.faults else FAULTS
        examples = [(notice.reading, notice.text) for notice in source_notices("train")]
        made = make_pairs(
            examples,
            per_example=arguments.per_example,
            pool=arguments.pool,
            per_pool_cell=arguments.per_pool_cell,
            faults=faults,
            seed=arguments.seed,
        )
        write_pair_files(arguments.output, made.pairs, made.description)
    except (ValueError, OSError) as error:
        print(f"synthesize: {error}", file=sys.stderr)
        return 2
    _print(console, made.report, cue_report(made.pairs), cues_by_fault(made.pairs))
    console.print(f"{len(made.pairs)} pairs from {made.report.examples} examples in {arguments.output}")
    return 0


def _print(console: Console, report: Report, overall: CueReport, by_fault: dict[str, CueReport]) -> None:
    """The two tables: what each fault gave, and what the trivial cues see of it."""
    made = Table(title="Faults", title_justify="left")
    for heading in ("fault", "made", "given up", "why"):
        made.add_column(heading, justify="right" if heading in ("made", "given up") else "left")
    for name, fault in report.faults.items():
        why = ", ".join(f"{reason} ({count})" for reason, count in fault.given_up.most_common(3))
        made.add_row(name, str(fault.made), str(fault.given_up.total()), why)
    cues = Table(title="Accuracy of trivial cues, alone / on pairs (0.5 knows nothing)", title_justify="left")
    cues.add_column("fault")
    for heading in ("pairs", *CUES, "rejected shorter / longer"):
        cues.add_column(heading, justify="right")
    for name, measured in {**by_fault, "all": overall}.items():
        cells = [f"{s.alone:.2f} / {s.paired:.2f}" for s in (measured.separations[cue] for cue in CUES)]
        cues.add_row(name, str(measured.pairs), *cells, f"{measured.shorter:.0%} / {measured.longer:.0%}")
    console.print(made)
    console.print(cues)
    for rule, readings in report.missing.items():
        listing = ", ".join(f"{r.yesterday} -> {r.today}" for r in readings)
        console.print(f"no pair for {rule}: {listing}")
    for reading, fails in report.unusable:
        console.print(f"left out, its own notice fails {fails}: {reading.yesterday} -> {reading.today}")


if __name__ == "__main__":
    sys.exit(main())
