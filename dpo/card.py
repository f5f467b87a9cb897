"""The dataset card of a pair file, in the hub's format: what the pairs are, whence they come, what gives them away."""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from dpo.pairs import Pair, pair_line
from eval.markdown import table

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))


def pair_card(pairs: Sequence[Pair], description: Mapping[str, Any] | None) -> DatasetCard:
    """The card of some pairs.

    Args:
        pairs: at least one.
        description: of their making, see :func:`dpo.make.make_pairs`; None when they come from a file.
    """
    data = DatasetCardData(
        language="ko",
        license="apache-2.0",
        pretty_name="ondo preference pairs",
        task_categories=["text-generation"],
        size_categories=next((name for limit, name in SIZES if len(pairs) < limit), "100K<n<1M"),
        tags=["preference", "dpo", "ondo"],
    )
    return DatasetCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(_text(pairs, description)) + "\n")


def _text(pairs: Sequence[Pair], description: Mapping[str, Any] | None) -> list[str]:
    digest = sha256("".join(map(pair_line, pairs)).encode()).hexdigest()
    parts = [
        f"# {len(pairs)} preference pairs of Korean park notices",
        "TRL's conversational preference format (`prompt`, `chosen`, `rejected`) with the columns `fault`, `rule`, "
        "`source`, `yesterday`, `today` and `edit_distance`. The chosen notice passes all eight rules of ondo's judge; "
        "the rejected one breaks what its fault names. No reading is a test cell.",
        table(
            ["", ""],
            [
                ["pairs", str(len(pairs))],
                ["readings", str(len({pair.reading for pair in pairs}))],
                *_made(description),
                ["sha256 of the lines", digest],
            ],
        ),
        "## By source",
        table(["source", "pairs"], _counted(pair.source for pair in pairs)),
        "## By fault",
    ]
    cues = (description or {}).get("cues", {})
    headings = ["fault", "pairs", *(["length", "first word", "last word"] if cues else [])]
    counts = [*_counted(pair.fault for pair in pairs), *([["all", str(len(pairs))]] if cues else [])]
    rows = [[*row, *_cues(cues, row[0])] for row in counts]
    parts.append(table(headings, rows))
    if cues:
        parts.append(
            "Cues: the share of pairs in which length, first or last word alone pick the rejected notice; 50 % knows "
            "nothing, and near 100 % is right where the fault itself is the cue."
        )
    return parts


def _made(description: Mapping[str, Any] | None) -> list[list[str]]:
    if description is None:
        return [["made from", "a file of pairs; how they were made is not known here"]]
    made = [["made from", f"{description['examples']} written examples"], ["seed", str(description["seed"])]]
    if "pool" in description:
        made.append(
            ["and from", f"{description['pool']['examples']} cells of the pool, with a near notice moved there"]
        )
    return made


def _counted(names: Any) -> list[list[str]]:
    return [[name, str(count)] for name, count in Counter(names).most_common()]


def _cues(cues: Mapping[str, Any], fault: str) -> list[str]:
    if fault not in cues:
        return [""] * 3 if cues else []
    return [f"{cues[fault][cue]['paired']:.0%}" for cue in ("length", "first_word", "last_word")]
