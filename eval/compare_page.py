"""A comparison as one self-contained HTML page."""

from functools import partial
from pathlib import Path
from typing import Any

from eval.compare import Comparison
from eval.compare_text import arm_rows, cost_rows, difference_text, how_tested, overall_rows, settings_rows
from eval.html import picture, write_page
from eval.markdown import p_text
from eval.meaning import SPLIT_NAMES, STAGE_NAMES, measure_meanings, measure_order
from eval.measure import OVERALL
from eval.plots import can_draw, curves, rate_bars
from rewards.verdict import GROUPS


def write_comparison(path: Path, found: Comparison) -> None:
    """Write the page, whole or not at all.

    Raises:
        OSError: the file cannot be written; what stood there still stands.
    """
    write_page(path, "compare.html.jinja", page_values(found))


def page_values(found: Comparison) -> dict[str, Any]:
    """What the template uses."""
    first = found.arms[0].first.evaluations[found.split]
    return {
        "found": found,
        "first": found.arms[0],
        "others": found.arms[1:],
        "split_meaning": SPLIT_NAMES.get(found.split, ""),
        "stage_names": STAGE_NAMES,
        "overall": OVERALL,
        "measures": measure_order(),
        "inner_rules": [rule for rules in GROUPS.values() if len(rules) > 1 for rule in rules],
        "meanings": measure_meanings(first.rubric),
        "how_tested": how_tested(found),
        "p_text": p_text,
        "difference_text": difference_text,
        "tables": {
            "arms": arm_rows(found),
            "overall": overall_rows(found),
            "costs": cost_rows(found),
            "settings": (["setting", *(arm.name for arm in found.arms)], settings_rows(found)),
        },
        **_pictures(found),
    }


def _pictures(found: Comparison) -> dict[str, Any]:
    bars = {arm.name: {measure: rates[arm.name] for measure, rates in found.rates.items()} for arm in found.arms}
    logs = {arm.name: arm.log for arm in found.arms}
    drawn = {name: log for name, log in logs.items() if can_draw(log)}
    colours = [list(logs).index(name) for name in drawn]
    title = f"{len(found.readings)} readings of {found.split}"
    return {
        "bars": picture(partial(rate_bars, bars, title), "Pass rates per rule; the table has the figures."),
        "course": picture(partial(curves, drawn, colours=colours), f"Courses of training of {', '.join(drawn)}.")
        if drawn
        else None,
    }
