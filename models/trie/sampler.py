"""An order of rows in which rows that share a prompt stand together, and in one batch where they fit.

The Trainer cuts the order into batches of its own fixed size, so every batch weighs the same. A prompt whose rows would
be cut by the end of a batch waits for the next one while a smaller prompt takes the room, so that rows of a prompt are
computed together. Which rows make up an optimiser step depends on the seed and the size of the step alone, not on how
its rows are shared out over micro-batches and processes.
"""

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch.utils.data import Sampler

# How many waiting prompts are looked at for one that fits; beyond it a prompt is cut, and the order stays random.
_LOOK_AHEAD = 64


class PromptSampler(Sampler[int]):
    """Shuffles prompts, keeps each prompt's rows side by side (shuffled among themselves). Sized, seeded by epoch.

    Args:
        prompts: the prompt of every row.
        seed: of the order; every epoch has its own.
        batch_size: rows a process computes at once.
        step_size: rows of an optimiser step, over all micro-batches and processes; ``batch_size`` when None.
    """

    def __init__(self, prompts: Sequence[Hashable], seed: int, batch_size: int, step_size: int | None = None) -> None:
        groups: dict[Hashable, list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(prompt, []).append(index)
        self._groups = list(groups.values())
        self._size = len(prompts)
        self._seed = seed
        self._batch_size = batch_size
        self._step_size = step_size or batch_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives; the Trainer calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        groups = [self._groups[at] for at in torch.randperm(len(self._groups), generator=generator).tolist()]
        shuffled = [[rows[at] for at in torch.randperm(len(rows), generator=generator).tolist()] for rows in groups]
        for step in _cut(_fit(shuffled, self._step_size), self._step_size):
            for rows in _fit(step, self._batch_size):
                yield from rows


def _fit(groups: list[list[int]], size: int) -> list[list[int]]:
    """The groups in an order in which few are cut at multiples of ``size``."""
    waiting, order, taken = list(groups), [], 0
    while waiting:
        room = size - taken % size
        fits = (at for at, rows in enumerate(waiting[:_LOOK_AHEAD]) if len(rows) <= room)
        order.append(waiting.pop(next(fits, 0)))
        taken += len(order[-1])
    return order


def _cut(groups: list[list[int]], size: int) -> list[list[list[int]]]:
    """Runs of groups that hold ``size`` rows each (the last may hold fewer); a group over an end is cut in two."""
    steps: list[list[list[int]]] = [[]]
    room = size
    for group in groups:
        rest = group
        while rest:
            if not room:
                steps.append([])
                room = size
            steps[-1].append(rest[:room])
            rest, room = rest[room:], max(0, room - len(rest))
    return steps
