"""The dataset card's figures as Markdown, kept between two marks in ``data/README.md``."""

from collections.abc import Sequence
from pathlib import Path

from data.reading import BUCKETS, Bucket
from data.source import Notice, WrittenSplit
from data.statistics import Statistics, statistics

CARD = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

_BUCKET_TEXT: dict[Bucket, str] = {
    "rise_large": "rise of 10 degrees and more",
    "rise_medium": "rise of 5 to 9",
    "rise_small": "rise of 1 to 4",
    "fall_large": "fall of 10 degrees and more",
    "fall_medium": "fall of 5 to 9",
    "fall_small": "fall of 1 to 4",
    "same": "no change",
    "extreme": "extreme cold or heat",
}


def figures(splits: dict[WrittenSplit, tuple[Notice, ...]]) -> str:
    """Markdown table of what each split holds, and the ways to say a change in ``train``."""
    measured = {split: statistics(notices) for split, notices in splits.items()}
    columns = [_column(statistic) for statistic in measured.values()]
    train = measured["train"]
    return "\n".join(
        [
            _line(["", *measured]),
            _line(["---", *["---:"] * len(columns)]),
            *[_line([name, *[column[name] for column in columns]]) for name in columns[0]],
            "",
            f"Ways to say the rise in train ({len(train.rise_ways)}): {_counts(train.rise_ways)}.",
            "",
            f"Ways to say the fall in train ({len(train.fall_ways)}): {_counts(train.fall_ways)}.",
        ]
    )


def with_figures(card: str, text: str) -> str:
    """The card with the text between its two marks replaced.

    Raises:
        ValueError: a mark is missing.
    """
    head, begin, rest = card.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{CARD}: the marks {BEGIN} and {END} must both stand in the card")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def _column(measured: Statistics) -> dict[str, str]:
    deltas = measured.deltas
    gaps = [size for size in range(deltas[0], deltas[-1] + 1) if size not in deltas]
    opening, share = measured.top_opening
    return {
        "examples (all cells different)": str(measured.notices),
        **{f"`{name}`: {_BUCKET_TEXT[name]}": str(measured.buckets[name]) for name in BUCKETS},
        "sizes of the change": f"{deltas[0]} to {deltas[-1]}" + (f" without {_join(gaps)}" if gaps else ""),
        "temperatures": f"{measured.coldest} to {measured.hottest}",
        "pass all eight rules": str(measured.passing),
        "characters": f"{measured.lengths[0]} to {measured.lengths[1]}",
        "say how the weather feels (`state`)": f"{measured.state:.1%}",
        "advise on clothing or health (`advice`)": f"{measured.advice:.1%}",
        "highest similarity of two, figures masked": f"{measured.max_similarity:.1f} of 100",
        "commonest opening of three words": f"{share:.1%} ({opening})",
    }


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _counts(ways: dict[str, int]) -> str:
    return ", ".join(f"{way} {count}" for way, count in ways.items())


def _join(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
