"""A comparison as text: the rows of its tables, the Markdown file, and the JSON for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from data.reading import Reading
from eval.arms import text
from eval.compare import ArmCost, ArmTest, Changed, Comparison
from eval.interval import Rate
from eval.markdown import p_text, reading_text, table
from eval.meaning import measure_order
from eval.measure import OVERALL
from eval.ran import duration

Rows = list[list[str]]

FORMAT = 1


def arm_rows(found: Comparison) -> tuple[list[str], Rows]:
    """Headings and a row for each arm: its runs, seeds, and the overall rate of each seed."""
    rows = []
    for arm in found.arms:
        seeds = found.by_seed[arm.name] if len(arm.runs) > 1 else []
        told = ", ".join(f"{share:.1%}" for share in seeds)
        rows.append([arm.name, ", ".join(run.id for run in arm.runs), told])
    several = found.several_seeds
    return ["", "runs", *(["every seed"] if several else [])], [row if several else row[:2] for row in rows]


def rate_table(found: Comparison, between: str = " ") -> tuple[list[str], Rows]:
    """Headings and a row for each measure: every arm's rate with its interval, then each arm against the first.

    ``between`` stands between a figure and what belongs to it: a space, or a line feed where columns are narrow.
    """
    first, *others = found.arms
    rows = []
    for measure in measure_order():
        row = [measure, *(rate_text(found.rates[measure][arm.name], between) for arm in found.arms)]
        rows.append(row + [change_text(found.tests[measure][arm.name], between) for arm in others])
    against = [f"{arm.name}{between}against {first.name}" for arm in others]
    return ["measure", *(arm.name for arm in found.arms), *against], rows


def overall_rows(found: Comparison) -> tuple[list[str], Rows]:
    """Headings and a row for each arm but the first: the overall difference, its interval, and what chance says."""
    rows = []
    for arm in found.arms[1:]:
        test = found.tests[OVERALL][arm.name]
        seeds = found.seeds_p[arm.name]
        row = [arm.name, difference_text(test), f"{100 * test.low:+.1f} to {100 * test.high:+.1f}"]
        row += [f"+{len(test.gained)} -{len(test.lost)}", p_text(test.p_value), p_text(found.corrected[arm.name])]
        rows.append([*row, "" if seeds is None else p_text(seeds)])
    headings = [f"against {found.arms[0].name}", "points", "95 % interval", "changed", "p", "p, Holm", "p over seeds"]
    if not found.several_seeds:
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return headings, rows


def cost_rows(found: Comparison) -> tuple[list[str], Rows]:
    """Headings and a row for each arm: what training and writing took."""
    headings = ["", "training", "CPU minutes", "tokens", "items/s", "notices/s", "tokens a notice"]
    return headings, [[arm.name, *cost_cells(found.costs[arm.name])] for arm in found.arms]


def cost_cells(cost: ArmCost) -> list[str]:
    """The figures of a cost; empty where one is not recorded."""
    minutes = None if cost.cpu_seconds is None else cost.cpu_seconds / 60
    return [
        "" if cost.seconds is None else duration(cost.seconds),
        "" if minutes is None else f"{minutes:.1f}" if minutes >= 1 else f"{minutes:.2f}",
        "" if cost.tokens is None else f"{cost.tokens:,.0f}",
        *("" if value is None else f"{value:.2f}" for value in (cost.items_per_s, cost.notices_per_s)),
        "" if cost.notice_tokens is None else f"{cost.notice_tokens:.1f}",
    ]


def grid_table(found: Comparison, between: str = " ") -> tuple[list[str], Rows]:
    """Headings and one row for each arm: overall rate, the difference to the first arm, what chance says, cost."""
    rows = []
    for arm in found.arms:
        row = [arm.name.replace(", ", f",{between}"), str(len(arm.runs))]
        row.append(rate_text(found.rates[OVERALL][arm.name], between))
        row += [""] * 3 if arm is found.arms[0] else _against(found, arm.name, between)
        seconds, minutes, tokens, *_ = cost_cells(found.costs[arm.name])
        told = [seconds, minutes and f"{minutes} CPU min", tokens and f"{tokens} tokens"]
        rows.append([*row, between.join(part for part in told if part)])
    return ["", "seeds", "overall", "points", "changed", "chance", "training, each"], rows


def _against(found: Comparison, name: str, between: str) -> list[str]:
    test, seeds = found.tests[OVERALL][name], found.seeds_p[name]
    chance = [f"p {p_text(test.p_value)}", f"Holm {p_text(found.corrected[name])}"]
    if seeds is not None:
        chance.append(f"seeds {p_text(seeds)}")
    return [
        f"{difference_text(test)}{between}{100 * test.low:+.1f} to {100 * test.high:+.1f}",
        f"+{len(test.gained)} -{len(test.lost)}",
        between.join(chance),
    ]


def rate_text(rate: Rate, between: str = " ") -> str:
    """E.g. ``12.0% 8.2-17.2``."""
    return f"{100 * rate.rate:.1f}%{between}{100 * rate.low:.1f}-{100 * rate.high:.1f}"


def change_text(test: ArmTest, between: str = " ") -> str:
    """E.g. ``+23 -11 p 0.058``."""
    return f"+{len(test.gained)} -{len(test.lost)}{between}p {p_text(test.p_value)}"


def difference_text(test: ArmTest) -> str:
    """In percentage points, with its sign."""
    return f"{100 * test.difference:+.1f}"


def how_tested(found: Comparison) -> str:
    """What p is, in a sentence or two."""
    if not found.several_seeds:
        return (
            "+ readings that fail in the first and pass here, - the reverse; p is the exact McNemar test on these, "
            "two-sided, not corrected for the number of lines."
        )
    return (
        "Rates are means over seeds, with the reading as the unit. + readings that more seeds pass than in the first, "
        "- fewer; p is the exact permutation test over readings (McNemar's where each has one seed), two-sided, not "
        "corrected for the number of lines; p over seeds is Welch's t-test on the seeds' rates."
    )


def markdown(found: Comparison, pictures: Iterable[str] = ()) -> str:
    """The Markdown file of a comparison; ``pictures`` are files that lie beside it."""
    first, *others = found.arms
    names = ", ".join(arm.name for arm in found.arms)
    parts = [
        f"# {names} on {found.split}",
        f"{len(found.readings)} readings.",
        table(*arm_rows(found)),
        *(f"- {remark}" for remark in found.remarks),
        *(f"![{picture}]({picture})" for picture in pictures),
        "## Rule by rule",
        table(*rate_table(found)),
        how_tested(found),
    ]
    if others:
        parts += ["## Overall", table(*overall_rows(found))]
    if found.settings:
        parts += ["## What differs", table(["setting", *(arm.name for arm in found.arms)], settings_rows(found))]
    parts += ["## Cost", table(*cost_rows(found))]
    for arm in others:
        parts.append(f"## Cells that changed: {arm.name} against {first.name}")
        changed = found.changed[arm.name]
        rows = [changed_row(cell, first.name, arm.name, found) for cell in changed]
        parts.append(table(["", "reading", first.name, arm.name], rows) if rows else "None.")
    parts.append("What the figures mean: docs/comparison.md.")
    return "\n\n".join(parts) + "\n"


def settings_rows(found: Comparison) -> Rows:
    """A row for each setting that differs."""
    return [[key, *values] for key, values in found.settings]


def changed_row(cell: Changed, first: str, other: str, found: Comparison) -> list[str]:
    """A changed reading with both notices."""
    seeds = {arm.name: len(arm.runs) for arm in found.arms}
    texts = [
        cell.answers[name].text + (f" ({cell.passed[name]} of {seeds[name]} seeds pass)" if found.several_seeds else "")
        for name in (first, other)
    ]
    return ["gained" if cell.gained else "lost", reading_text(cell.reading), *texts]


def to_dict(found: Comparison) -> dict[str, Any]:
    """The comparison as plain JSON values, for programs; shares and rates in 0..1."""
    return {
        "format": FORMAT,
        "split": found.split,
        "readings": len(found.readings),
        "against": found.arms[0].name,
        "arms": [
            {
                "name": arm.name,
                "stage": arm.first.stage,
                "runs": [run.id for run in arm.runs],
                "seeds": [text((run.manifest.get("recipe") or {}).get("seed")) for run in arm.runs],
                "overall_by_seed": found.by_seed[arm.name],
                "rates": {measure: asdict(rates[arm.name]) for measure, rates in found.rates.items()},
                "cost": asdict(found.costs[arm.name]),
                "settings": {key: values[number] for key, values in found.settings},
            }
            for number, arm in enumerate(found.arms)
        ],
        "tests": {
            arm.name: {
                **{measure: _test_dict(tests[arm.name]) for measure, tests in found.tests.items()},
                "overall_p_holm": found.corrected[arm.name],
                "overall_p_over_seeds": found.seeds_p[arm.name],
            }
            for arm in found.arms[1:]
        },
        "changed": {name: [_changed_dict(cell) for cell in cells] for name, cells in found.changed.items()},
        "remarks": found.remarks,
    }


def _test_dict(test: ArmTest) -> dict[str, Any]:
    return {**asdict(test), "gained": _cells(test.gained), "lost": _cells(test.lost)}


def _cells(readings: Sequence[Reading]) -> list[list[int]]:
    return [[reading.yesterday, reading.today] for reading in readings]


def _changed_dict(cell: Changed) -> dict[str, Any]:
    return {
        "yesterday": cell.reading.yesterday,
        "today": cell.reading.today,
        "gained": cell.gained,
        "notices": {name: answer.text for name, answer in cell.answers.items()},
        "fails": {name: sorted(answer.verdict.failed) for name, answer in cell.answers.items()},
        "runs_that_pass": cell.passed,
    }
