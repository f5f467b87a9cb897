"""An order of rows in which rows that share a prompt stand together, and in one batch where they fit.

The Trainer cuts the order into batches of its own fixed size, so every batch weighs the same. A prompt whose rows would
be cut by the end of a batch waits for the next one while a smaller prompt takes the room, so that rows of a prompt are
computed together.
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
        batch_size: rows a batch.
    """

    def __init__(self, prompts: Sequence[Hashable], seed: int, batch_size: int) -> None:
        groups: dict[Hashable, list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(prompt, []).append(index)
        self._groups = list(groups.values())
        self._size = len(prompts)
        self._seed = seed
        self._batch_size = batch_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives; the Trainer calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        waiting = [self._groups[group] for group in torch.randperm(len(self._groups), generator=generator).tolist()]
        taken = 0
        while waiting:
            room = self._batch_size - taken % self._batch_size
            fits = (at for at, rows in enumerate(waiting[:_LOOK_AHEAD]) if len(rows) <= room)
            rows = waiting.pop(next(fits, 0))
            taken += len(rows)
            for row in torch.randperm(len(rows), generator=generator).tolist():
                yield rows[row]
