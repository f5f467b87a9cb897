"""Right notices for cells without a written one: a notice of a near cell, moved there by exchanging its figure.

302 notices teach how a notice sounds; they are too few for a small model to learn subtraction from. A notice whose only
figure is the size of the change says something true in every cell with that bucket, a like temperature and another
figure. So a cell of the ``pool`` takes the notice of a near written cell with its own figure in it; the judge decides
whether it stands. The pairs made from it carry the source ``moved``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from data.grid import stable_order
from data.reading import Bucket, Reading, bucket
from data.splits import cells
from dpo.faults import select_faults
from dpo.faults.figures import change_figures, figures, with_value
from dpo.pairs import Pair
from dpo.synthesize import Report, generator, synthesize
from rewards.judge import judge_batch
from rewards.rubric import DEFAULT_RUBRIC, Rubric

SOURCE = "moved"
TAUGHT = select_faults(["delta_off_by_one", "delta_off_by_ten", "delta_sum", "delta_today", "direction_reversed"])
"""What a moved notice can teach beyond the one it comes from: the size and the direction of the change."""

FARTHEST = 4
"""Degrees by which today may differ between a notice's own cell and the one it is moved to, for its advice to fit."""

NEAREST = 6
"""Of so many nearest notices one is drawn, so that neighbouring cells do not all say the same."""


def move(notice: str, reading: Reading, target: Reading) -> str | None:
    """The notice of ``reading`` with the figure of ``target``, or None when it cannot be moved there.

    It can when both cells are of one bucket and not far apart, and the size of the change is its only figure (no figure
    at delta 0). Whether the result is right is for the judge to say.
    """
    if bucket(reading) != bucket(target) or abs(reading.today - target.today) > FARTHEST:
        return None
    told = change_figures(notice, reading)
    if len(list(figures(notice))) != len(told) or len(told) > 1:
        return None
    return with_value(notice, told[0], abs(target.delta)) if told else notice


def pool_pairs(
    examples: Sequence[tuple[Reading, str]], limit: int, per_cell: int, seed: int = 0
) -> tuple[list[Pair], Report]:
    """Pairs for pool cells, with moved notices as chosen ones, and the report of their making.

    Args:
        examples: readings with the notices written for them.
        limit: take at most so many cells of the pool, in an order of their own that never changes.
        per_cell: pairs a cell, each with another fault of the size or the direction.
        seed: another seed gives other notices and other faults.
    """
    taken = {reading for reading, _ in examples}
    targets = [cell for cell in stable_order(cells("pool")) if cell not in taken][:limit]
    moved = moved_notices(examples, targets, seed)
    pairs, report = synthesize(list(moved.items()), per_example=per_cell, faults=TAUGHT, seed=seed)
    return [replace(pair, source=SOURCE) for pair in pairs], report


def moved_notices(
    examples: Sequence[tuple[Reading, str]],
    targets: Iterable[Reading],
    seed: int = 0,
    rubric: Rubric = DEFAULT_RUBRIC,
) -> dict[Reading, str]:
    """A moved notice for every target that one can be moved to, in the order of the targets; the same for a seed."""
    by_bucket: dict[Bucket, list[tuple[Reading, str]]] = defaultdict(list)
    for reading, notice in examples:
        by_bucket[bucket(reading)].append((reading, notice))
    wanted = list(targets)
    waiting = {target: _candidates(by_bucket[bucket(target)], target, seed) for target in wanted}
    found: dict[Reading, str] = {}
    while waiting:
        # One candidate for each cell that has none yet, all judged in one pass.
        offers = [(target, next(candidates, None)) for target, candidates in waiting.items()]
        texts = [(target, text) for target, text in offers if text is not None]
        verdicts = judge_batch([(text, target.yesterday, target.today) for target, text in texts], rubric)
        right = {target: text for (target, text), verdict in zip(texts, verdicts, strict=True) if verdict.passed}
        found |= right
        waiting = {target: waiting[target] for target, _ in texts if target not in right}
    return {target: found[target] for target in wanted if target in found}


def _candidates(examples: list[tuple[Reading, str]], target: Reading, seed: int) -> Iterator[str]:
    for reading, notice in _order(examples, target, generator(seed, target, "", SOURCE)):
        moved = move(notice, reading, target)
        if moved is not None:
            yield moved


def _order(examples: list[tuple[Reading, str]], target: Reading, rng: Random) -> list[tuple[Reading, str]]:
    """The nearest examples in a drawn order, then the others by distance."""

    def distance(example: tuple[Reading, str]) -> tuple[int, Reading]:
        reading = example[0]
        return abs(reading.today - target.today) * 2 + abs(reading.delta - target.delta), reading

    ranked = sorted(examples, key=distance)
    return [*rng.sample(ranked[:NEAREST], min(NEAREST, len(ranked))), *ranked[NEAREST:]]
