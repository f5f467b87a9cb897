"""An order of rows in which rows that share a prompt stand together.

The Trainer cuts the order into batches of its own fixed size, so every batch weighs the same, and rows that share
a prompt meet in one batch and are computed once.
"""

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch.utils.data import Sampler


class PromptSampler(Sampler[int]):
    """Shuffles prompts, keeps each prompt's rows side by side (shuffled among themselves). Sized, seeded by epoch."""

    def __init__(self, prompts: Sequence[Hashable], seed: int) -> None:
        groups: dict[Hashable, list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(prompt, []).append(index)
        self._groups = list(groups.values())
        self._size = len(prompts)
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives; the Trainer calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        for group in torch.randperm(len(self._groups), generator=generator).tolist():
            rows = self._groups[group]
            for row in torch.randperm(len(rows), generator=generator).tolist():
                yield rows[row]
