"""Pictures of evaluations and trainings as PNG files: the map of the grid, bars for each rule, curves.

Kinds of failure differ in shape as well as in colour, so that a print in black and white can be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from data.grid import HIGHEST, LARGEST_DELTA, LOWEST
from eval.measure import OVERALL
from eval.record import Evaluation, Record
from eval.summary import Rates, rates
from eval.theme import LIGHT, Theme, save_picture, styled
from rewards.verdict import GROUPS, RULES

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class _Mark:
    """How cells that fail a group of rules are drawn."""

    group: str
    shape: str
    colour: str


_MARKS = (
    _Mark("delta", "X", "#d55e00"),
    _Mark("content", "D", "#cc79a7"),
    _Mark("format", "^", "#e69f00"),
    _Mark("length", "v", "#009e73"),
)
"""Gravest first, a wrong figure before all: a cell that fails several groups is drawn as the first of them."""

_FEW_CELLS = 250
_MARK_SIZES = 25, 13
"""Areas in square points, for up to that many cells and for more."""


@dataclass(frozen=True)
class _Panel:
    """One quantity of a training.

    Attributes:
        title: what is seen.
        key: in the trainer's log; validation has the same behind ``eval_``.
        neutral: the value of a model that has learnt nothing, if there is one.
        share: whether it lies in 0..1.
    """

    title: str
    key: str
    neutral: float | None = None
    share: bool = False


_PANELS = (
    _Panel("Loss", "loss"),
    _Panel("Validation notices that pass every rule", "pass_rate", share=True),
    _Panel("Reward margin, chosen over rejected", "rewards/margins", neutral=0),
    _Panel("Pairs that rank the chosen notice first", "rewards/accuracies", neutral=0.5, share=True),
    _Panel("Log-prob of chosen notices against the start", "dpo/chosen_logp_shift", neutral=0),
)


def heat_map(evaluation: Evaluation, path: Path, *, name: str | None = None, theme: Theme = LIGHT) -> None:
    """Every cell of an evaluation on the grid of yesterday by today: passed, or the gravest group of rules that failed.

    Args:
        evaluation: its cells; with several samples a cell passes when every one of them does.
        path: the PNG file.
        name: what the title calls the model; the evaluation's stage if None.
        theme: colours.

    Raises:
        OSError: the file cannot be written; what stood there still stands.
    """
    kinds = [(record.reading, _gravest_failure(record)) for record in evaluation.records]
    shapes = [(None, "s", theme.passed), *((mark.group, mark.shape, mark.colour) for mark in _MARKS)]
    with styled(theme):
        figure = Figure(figsize=(4.1, 4.3))
        axes = figure.add_subplot()
        _draw_grid(axes, theme)
        for group, shape, colour in shapes:
            members = [reading for reading, kind in kinds if kind == group]
            axes.scatter(
                [reading.yesterday for reading in members],
                [reading.today for reading in members],
                s=_MARK_SIZES[len(kinds) > _FEW_CELLS] * (0.85 if group is None else 1),
                marker=shape,
                color=colour,
                edgecolors=theme.band,
                linewidths=0.4,
                label=f"{_legend(group)} ({len(members)})",
                zorder=2 if group is None else 3,
            )
        axes.legend(loc="upper left", borderaxespad=0.1, labelspacing=0.35, handletextpad=0, fontsize=7)
        passed = sum(kind is None for _, kind in kinds)
        samples = " in every sample" if any(len(record.answers) > 1 for record in evaluation.records) else ""
        split = evaluation.split
        axes.set_title(f"{name or evaluation.stage}: {passed} of {len(kinds)} cells of {split} pass{samples}")
        save_picture(figure, path)


def rule_bars(evaluations: Mapping[str, Evaluation], path: Path, *, theme: Theme = LIGHT) -> None:
    """Pass rates for each rule and overall, one bar for each evaluation, with 95 % Wilson intervals.

    Args:
        evaluations: by the name that the legend shows, what is compared against first.
        path: the PNG file.
        theme: colours.

    Raises:
        ValueError: there is nothing to draw.
        OSError: the file cannot be written; what stood there still stands.
    """
    found = {name: rates(evaluation.records) for name, evaluation in evaluations.items()}
    rate_bars(found, _readings(evaluations.values()) if evaluations else "", path, theme=theme)


def rate_bars(found: Mapping[str, Rates], readings: str, path: Path, *, theme: Theme = LIGHT) -> None:
    """Pass rates as :func:`rule_bars` draws them, for rates that are counted already.

    Args:
        found: rates by the name that the legend shows, what is compared against first.
        readings: what was read, for the title.
        path: the PNG file.
        theme: colours.

    Raises:
        ValueError: there is nothing to draw.
        OSError: the file cannot be written; what stood there still stands.
    """
    if not found:
        raise ValueError("no evaluation to draw")
    places = [0.0, *(1.35 + number for number in range(len(RULES)))]
    width = 0.8 / len(found)
    with styled(theme):
        figure = Figure(figsize=(7.2, 1.0 + len(places) * (0.22 + 0.13 * len(found))))
        axes = figure.add_subplot()
        for number, (name, by_measure) in enumerate(found.items()):
            values = [by_measure[measure] for measure in (OVERALL, *RULES)]
            heights = [place + (number - (len(found) - 1) / 2) * width for place in places]
            axes.barh(
                heights,
                [100 * value.rate for value in values],
                height=width * 0.92,
                color=theme.colour(number),
                xerr=[
                    [100 * (value.rate - value.low) for value in values],
                    [100 * (value.high - value.rate) for value in values],
                ],
                error_kw={"ecolor": theme.ink, "elinewidth": 0.8, "capsize": 1.8, "capthick": 0.8},
                label=name,
            )
            for height, value in zip(heights, values, strict=True):
                axes.text(100 * value.high + 1, height, f"{100 * value.rate:.1f}", va="center", fontsize=7)
        axes.axhline(sum(places[:2]) / 2, color=theme.faint, linewidth=0.8)
        axes.set_yticks(places, ["all eight rules", *RULES])
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.set_ylim(places[-1] + 0.5, -0.5)
        axes.set_xlim(0, 107)
        axes.set_xticks(range(0, 101, 20), [f"{tick}%" for tick in range(0, 101, 20)])
        axes.grid(axis="x", color=theme.faint, linewidth=0.6)
        axes.tick_params(length=0)
        figure.legend(loc="outside lower center", ncols=min(len(found), 4))
        axes.set_title(f"Notices that pass, rule by rule ({readings}, 95% intervals)")
        save_picture(figure, path)


def curves(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path,
    *,
    colours: Sequence[int] | None = None,
    theme: Theme = LIGHT,
) -> None:
    """The course of trainings: a panel for each quantity that one of them logged; colour tells the training.

    Args:
        histories: by the name that the legend shows, the ``log_history`` of transformers' trainer state.
        path: the PNG file.
        colours: the number of each training's colour, where another picture has given them.
        theme: colours.

    Raises:
        ValueError: there is nothing to draw.
        OSError: the file cannot be written; what stood there still stands.
    """
    found = [(panel, [_points(panel, history) for history in histories.values()]) for panel in _PANELS]
    drawn = [(panel, lines) for panel, lines in found if any(map(any, lines))]
    if not drawn:
        raise ValueError("nothing to draw: the trainings logged no loss and no evaluation")
    steps = max(step for _, lines in drawn for line in lines for points in line for step, _ in points)
    several = len(histories) > 1
    numbers = colours or ([number + 1 for number in range(len(histories))] if several else [2])
    inks = [theme.colour(number) for number in numbers]
    columns = min(len(drawn), 3)
    rows = -(-len(drawn) // columns)
    with styled(theme):
        figure = Figure(figsize=(3.2 * columns, 0.6 + 2.1 * rows))
        for number, (panel, lines) in enumerate(drawn):
            axes = figure.add_subplot(rows, columns, number + 1)
            for colour, (training, validation) in zip(inks, lines, strict=True):
                axes.plot(*_columns(training), color=colour, linewidth=1.0, alpha=0.7)
                axes.plot(*_columns(validation), color=colour, linewidth=1.6, marker="o", markersize=3.5)
            _frame(axes, panel, steps, theme)
        handles = [
            Line2D([], [], color=theme.ink, linewidth=1.0, alpha=0.7, label="training"),
            Line2D([], [], color=theme.ink, linewidth=1.6, marker="o", markersize=3.5, label="validation"),
        ]
        if several:
            pairs = zip(inks, histories, strict=True)
            handles += [Line2D([], [], color=colour, linewidth=3, label=name) for colour, name in pairs]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
        figure.suptitle(f"Course of training: {', '.join(histories)}", x=0.01, ha="left", fontsize=10, weight="bold")
        save_picture(figure, path)


def can_draw(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a training logged anything that :func:`curves` draws."""
    return any(any(_points(panel, history)) for panel in _PANELS)


def _gravest_failure(record: Record) -> str | None:
    failed = {rule for answer in record.answers for rule in answer.verdict.failed}
    return next((mark.group for mark in _MARKS if failed.intersection(GROUPS[mark.group])), None)


def _legend(group: str | None) -> str:
    if group is None:
        return "passes every rule"
    return f"fails {group}{' group' if len(GROUPS[group]) > 1 else ''}"


def _draw_grid(axes: Axes, theme: Theme) -> None:
    """The band of readings that the grid holds, the line of no change, and how to read them."""
    low, high, reach = LOWEST - 0.5, HIGHEST + 0.5, LARGEST_DELTA + 0.5
    upper = [(low, low + reach), (high - reach, high)]
    lower = [(high, high - reach), (low + reach, low)]
    axes.add_patch(Polygon([(low, low), *upper, (high, high), *lower], facecolor=theme.band, zorder=0))
    axes.plot([low, high], [low, high], color=theme.faint, linewidth=0.8, zorder=1)
    axes.set(aspect="equal", xlim=(low - 0.5, high + 0.5), ylim=(low - 0.5, high + 0.5))
    axes.set(xlabel="yesterday (어제), °C", ylabel="today (오늘), °C")
    ticks = range(LOWEST, HIGHEST + 1, 10)
    axes.set(xticks=ticks, yticks=ticks)
    axes.tick_params(length=0)
    note = "A cell that fails several rules\nis drawn as the first listed.\nBelow the line today is colder."
    axes.text(HIGHEST, LOWEST, note, ha="right", va="bottom", fontsize=7, linespacing=1.35)


def _readings(evaluations: Iterable[Evaluation]) -> str:
    """E.g. ``200 readings of test-mini``; the fewest and the most when they differ."""
    made = list(evaluations)
    counts = [len(evaluation.records) for evaluation in made]
    count = " to ".join(str(number) for number in sorted({min(counts), max(counts)}))
    return f"{count} readings of {' and '.join(dict.fromkeys(evaluation.split for evaluation in made))}"


def _points(panel: _Panel, history: Sequence[Mapping[str, Any]]) -> tuple[Points, Points]:
    """Steps and values of training and of validation."""
    training, validation = Points(), Points()
    for entry in history:
        for key, value in entry.items():
            if key == panel.key:
                training.append((float(entry["step"]), float(value)))
            elif key == f"eval_{panel.key}":
                validation.append((float(entry["step"]), float(value)))
    return training, validation


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _frame(axes: Axes, panel: _Panel, steps: float, theme: Theme) -> None:
    axes.set_title(panel.title, fontsize=8.5)
    axes.set_xlabel("step")
    axes.set_xlim(0, steps * 1.03 or 1)
    axes.grid(color=theme.faint, linewidth=0.6)
    axes.tick_params(length=0)
    if panel.neutral is not None:
        axes.axhline(panel.neutral, color=theme.ink, linewidth=0.8, linestyle=(0, (4, 3)))
    if panel.share:
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
