"""A mask that carries an object through a transformers model to its attention function.

transformers takes a 4-D mask as finished and hands it through untouched. So a 1x1x1x1 integer tensor with a number in
it reaches every layer, and the number names an object held here. An attention function that asks for it gets the object
or None, never another one's.
"""

import itertools
import weakref
from typing import Any, TypeVar

import torch

T = TypeVar("T")

_numbers = itertools.count(1)
# Weak: an object lives as long as a mask does, so that checkpointed layers find it again in the backward pass.
_carried: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def carrier(thing: object) -> torch.Tensor:
    """The mask that carries ``thing`` through a model, shape (1, 1, 1, 1), int64; it keeps the thing alive."""
    number = next(_numbers)
    mask = torch.full((1, 1, 1, 1), number, dtype=torch.int64)
    _carried[number] = thing
    mask.carried = thing  # type: ignore[attr-defined]
    return mask


def is_carrier(mask: torch.Tensor | None) -> bool:
    """Whether a mask may be one of :func:`carrier`: ordinary masks are bool or floating."""
    return mask is not None and mask.dtype == torch.int64


def carried(mask: torch.Tensor | None, kind: type[T]) -> T | None:
    """What a mask carries; None when it carries nothing of that kind, or nothing that still lives."""
    if mask is None or mask.dtype != torch.int64 or mask.numel() != 1:
        return None
    found = _carried.get(int(mask))
    return found if isinstance(found, kind) else None
