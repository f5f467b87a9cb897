"""An engine that says what it is told, and texts to tell it."""

import asyncio
from collections.abc import Callable

from data.reading import Reading
from serve.engine import EngineError
from serve.fallback import fallback_notice

WRONG = "출력: 어제보다 9도 올랐어요."


def right(reading: Reading) -> str:
    """A notice that passes and is none of the templates'."""
    return fallback_notice(reading).removesuffix(".") + "!"


class FakeEngine:
    """Gives the answers of ``say(reading, temperature, number of the call)``; a number of seconds is waited first."""

    few = 64
    name, run_id = "fake", "sft-20260101-000000-abcdef"

    def __init__(self, say: Callable[[Reading, float, int], "str | EngineError | float"]) -> None:
        self._say = say
        self.calls: list[tuple[Reading, float]] = []
        self.held: list[bool] = []
        self.cancelled = 0
        self.closed = False

    async def generate(self, reading: Reading, temperature: float, count: int, *, held: bool = False) -> list[str]:
        self.calls.append((reading, temperature))
        self.held.append(held)
        said = self._say(reading, temperature, len(self.calls))
        try:
            if isinstance(said, float):
                await asyncio.sleep(said)
                return [right(reading)] * count
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(said, EngineError):
            raise said
        return [said] * count

    async def close(self) -> None:
        self.closed = True
