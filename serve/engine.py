"""What the service asks of whatever writes its notices: answers for one reading, unjudged."""

from typing import Protocol

from data.reading import Reading


class EngineError(RuntimeError):
    """The engine has no answer: it is out of reach, answered nonsense, or has been closed."""


class EngineTimeoutError(EngineError):
    """The engine did not answer in its time."""


class EngineBusyError(EngineError):
    """The engine has as many answers waiting as it takes; ask again later."""


class GivenUp(str):
    """A text that ends at the word where it went wrong."""

    __slots__ = ()


def held_figure(reading: Reading) -> str:
    """The one number that a notice needs: the size of the change or, without a change, of today's temperature."""
    return str(abs(reading.delta or reading.today))


class Engine(Protocol):
    """Writes notices. Many coroutines call it at once; what it does with them together is its own affair.

    Attributes:
        name: of the model, e.g. ``embedded:gemma-3-270m``.
        run_id: of the run whose adapter it serves, or None for a base model or a remote one.
        few: while no more requests are answered at once, several answers to each cost the others little.
    """

    few: int
    name: str
    run_id: str | None

    async def generate(self, reading: Reading, temperature: float, count: int, *, held: bool = False) -> list[str]:
        """Write ``count`` answers for one reading.

        A caller that is cancelled withdraws its request; the engine stops working on it as soon as it can.

        Args:
            reading: yesterday's and today's temperature.
            temperature: 0 is greedy (all answers are then the same), above 0 samples.
            count: at least 1.
            held: where the engine has a hand in the words, write no figure but that of :func:`held_figure`, and take
                another word where :func:`rewards.sofar.goes_wrong`.

        Returns:
            ``count`` texts as the model wrote them, not stripped, not judged; a text may be empty. One that goes
            wrong, for good if it is held, may end there; it is then a :class:`GivenUp`.

        Raises:
            EngineTimeoutError: no answer in time.
            EngineBusyError: too many wait already.
            EngineError: no answer for another reason; the message says which.
        """
        ...

    async def close(self) -> None:
        """Let go of threads and connections; requests under way get an :class:`EngineError`."""
        ...
