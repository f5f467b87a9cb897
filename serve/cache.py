"""Answers kept for later, a bounded number of them; requests for one that is being made wait for it together."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Least recently used answers go first.

    Args:
        size: how many are kept; 0 keeps none.
        worth_keeping: whether an answer is kept; one that is not still goes to all who wait for it.
    """

    def __init__(self, size: int, worth_keeping: Callable[[V], bool]) -> None:
        self._kept: LRUCache[K, V] = LRUCache(size)
        self._worth_keeping = worth_keeping
        self._making: dict[K, asyncio.Task[V]] = {}
        self._waiting: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self, key: K) -> V | None:
        """The kept answer, or None."""
        found: V | None = self._kept.get(key)
        return found

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """The kept answer, or a new one; ``make`` is cancelled when nobody waits for it any more."""
        found = self.kept(key)
        if found is not None:
            return found
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(key, make))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                if not task.done():
                    self._making.pop(key, None)
                    task.cancel()

    async def _make(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        task = asyncio.current_task()
        try:
            value = await make()
            if self._kept.maxsize and self._worth_keeping(value):
                self._kept[key] = value
            return value
        finally:
            if self._making.get(key) is task:
                del self._making[key]
