"""An evaluation as text: the rows of its tables, and the Markdown file that lies beside the JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.reading import Reading
from eval.interval import Rate
from eval.meaning import SEEN_NAMES, SIGN_NAMES
from eval.measure import MEASURES, OVERALL
from eval.paired import PairedTest, name
from eval.record import Evaluation
from eval.summary import Rates, Summary

_GROUPS = [key for key, measure in MEASURES.items() if measure.kind == "group"]


def rate_rows(rates: Rates, tests: Mapping[str, PairedTest] | None = None) -> list[list[str]]:
    """A row for each measure: name, passed, rate, interval; with paired tests also gained, lost and p."""
    rows = []
    for key, found in rates.items():
        row = [key, f"{found.passed:g} of {found.n}", *_rate_cells(found)]
        if tests is not None:
            test = tests[key]
            row += [f"+{len(test.gained)}", f"-{len(test.lost)}", p_text(test.p_value)]
        rows.append(row)
    return rows


def rate_headings(tests: Mapping[str, PairedTest] | None = None) -> list[str]:
    """The headings of :func:`rate_rows`."""
    return ["measure", "passed", "rate", "95 % interval", *([] if tests is None else ["gained", "lost", "p"])]


def p_text(p_value: float) -> str:
    """A p-value as people read it: three digits, or that it is smaller than they can say."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def markdown(
    evaluation: Evaluation,
    summary: Summary,
    *,
    against: Evaluation | None = None,
    tests: Mapping[str, PairedTest] | None = None,
    pictures: Iterable[str] = (),
) -> str:
    """The Markdown file of an evaluation.

    Args:
        evaluation: what is described.
        summary: its figures.
        against: the evaluation it was tested against, with ``tests``.
        tests: of ``against`` (first) against ``evaluation`` (second).
        pictures: file names of pictures that lie beside it.
    """
    parts = [
        f"# {name(evaluation)} on {evaluation.split}",
        table(["", ""], _facts(evaluation)),
        *(f"![{picture}]({picture})" for picture in pictures),
        "## Pass rates",
        table(rate_headings(), rate_rows(summary.rates)),
        "What each line counts, and how the intervals are meant: docs/evaluation.md.",
    ]
    if against is not None and tests is not None:
        parts += _paired_part(evaluation, against, tests)
    parts += [
        "## By bucket",
        _sliced("bucket", summary.buckets, [*_GROUPS, OVERALL]),
        "## By size of the change",
        _sliced("degrees", summary.sizes, ["delta", "direction", OVERALL]),
        "## What the examples taught",
        _sliced("", {SEEN_NAMES[key]: rates for key, rates in summary.seen.items()}, ["delta", "direction", OVERALL]),
        "## Above and below zero",
        _sliced("", {SIGN_NAMES[key]: rates for key, rates in summary.signs.items()}, ["delta", "direction", OVERALL]),
        "## Beyond the rules",
        table(["measure", "value", "95 % interval"], _beyond(summary)),
        f"## Failures ({len(summary.failures)})",
    ]
    if summary.failures:
        rows = [[reading_text(f.reading), f.text, "; ".join(f.reasons.values())] for f in summary.failures]
        parts.append(table(["reading", "notice", "why it fails"], rows))
    else:
        parts.append("None.")
    return "\n\n".join(parts) + "\n"


def reading_text(reading: Reading) -> str:
    """A reading for a table, e.g. ``-5 -> 8``."""
    return f"{reading.yesterday} -> {reading.today}"


def _facts(evaluation: Evaluation) -> list[list[str]]:
    generation, rubric = evaluation.generation, evaluation.rubric
    size = f"{len(evaluation.records)}"
    if evaluation.limited:
        size = f"the first {size} of {evaluation.split_size}"
    how = "greedy"
    if not generation.greedy:
        how = f"{generation.samples} samples, temperature {generation.temperature:g}, seed {generation.seed}"
    return [
        ["base model", evaluation.model],
        ["stage", evaluation.stage],
        ["readings", size],
        ["decoding", f"{how}, at most {generation.max_new_tokens} tokens, {generation.batch_size} at once"],
        ["rubric", f"{rubric.min_chars}-{rubric.max_chars} characters, sentences: {rubric.max_sentences}"],
        ["weights", evaluation.weights_hash[:12]],
        ["adapter", "none" if evaluation.adapter_hash is None else evaluation.adapter_hash[:12]],
        ["template, prompt", f"{evaluation.template_hash[:12]}, {evaluation.prompt_hash[:12]}"],
        ["written on", f"{evaluation.device}, {evaluation.created}"],
    ]


def _paired_part(evaluation: Evaluation, against: Evaluation, tests: Mapping[str, PairedTest]) -> list[str]:
    rows = []
    for key, test in tests.items():
        gained, lost = len(test.gained), len(test.lost)
        before, now = str(test.both + lost), str(test.both + gained)
        rows.append([key, before, now, f"+{gained}", f"-{lost}", p_text(test.p_value)])
    before_text, after_text = _texts(against), _texts(evaluation)
    changed = [
        [change, reading_text(cell), before_text[cell], after_text[cell]]
        for change, cells in (("gained", tests[OVERALL].gained), ("lost", tests[OVERALL].lost))
        for cell in cells
    ]
    return [
        f"## Against {name(against)}",
        "Exact McNemar test, cell by cell; p is not corrected for the number of lines.",
        table(["measure", "before", "now", "gained", "lost", "p"], rows),
        "Cells whose notice passes every rule in one of the two alone:" if changed else "No cell changed overall.",
        *([table(["", "reading", "before", "now"], changed)] if changed else []),
    ]


def _texts(evaluation: Evaluation) -> dict[Reading, str]:
    return {record.reading: record.answers[0].text for record in evaluation.records}


def _beyond(summary: Summary) -> list[list[str]]:
    rows = [
        [f"names a {key}" if key == "state" else f"gives {key}", *_rate_cells(r)] for key, r in summary.soft.items()
    ]
    found = summary.consistency
    if found is not None:
        rows += [
            [f"all {found.samples} samples pass", *_rate_cells(found.all_pass)],
            [f"all {found.samples} samples fail the same rules, or none", *_rate_cells(found.same_verdict)],
            ["similarity of samples of one reading, 0-100", f"{found.similarity:.1f}", ""],
        ]
    variety, cost = summary.variety, summary.cost
    share = "" if variety.share is None else f" ({variety.share:.1%})"
    return [
        *rows,
        ["distinct wordings among passing notices", f"{variety.distinct} of {variety.passing}{share}", ""],
        ["seconds a notice, p50 / p95", f"{cost.seconds_p50:.3g} / {cost.seconds_p95:.3g}", ""],
        ["tokens a notice", f"{cost.tokens:.1f}", ""],
        ["cut off before the end", str(cost.unfinished), ""],
    ]


def _sliced(heading: str, slices: Mapping[Any, Rates], measures: Sequence[str]) -> str:
    rows = [
        [str(key), str(rates[OVERALL].n), *(f"{rates[measure].rate:.1%}" for measure in measures)]
        for key, rates in slices.items()
    ]
    return table([heading, "readings", *measures], rows)


def _rate_cells(rate: Rate) -> list[str]:
    return [f"{rate.rate:.1%}", f"{rate.low:.1%} - {rate.high:.1%}"]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; whatever the cells hold stays in them."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """One line that stays one cell, with what Markdown or HTML would read as their own made plain."""
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ⏎ ".join(text.splitlines()))
    for mark in ("\\", "|", "`", "*", "_", "[", "<"):
        plain = plain.replace(mark, f"\\{mark}")
    return plain
