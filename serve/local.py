"""The local engine: one model in this process, one thread that works on it, all requests in one batch.

A request's answers join the batch at the next token and leave it when they end or when nobody waits for them any more.
While there are more than fit, every reading's first answer goes before any reading's second, and so on: it takes the
place of a later one that is at work, which begins anew when there is room. So many retries of one request never hold up
another one's first answer, and a crowd shares the batch evenly.

The model is loaded in the engine's thread too: where the main thread has computed before, torch keeps a pool of threads
for each of them, and on two cores a step then takes half as long again.
"""

import asyncio
import heapq
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from data.reading import Reading
from models.decode import Look, Wanted
from models.processes import take_cores
from rewards.sofar import goes_wrong, too_long, too_short
from serve.batch import Batch, PromptWriter, open_batch
from serve.choose import Chosen, choose_model
from serve.engine import EngineError, GivenUp, held_figure
from serve.settings import Settings

_KERNELS = 64
_GATHER_S = 0.002
"""What an idle engine waits once it is asked: a request's retries come right behind its first answer, and answers that
join together share the pass over their prompt."""


@dataclass(frozen=True)
class Work:
    """What the engine's thread works with.

    Attributes:
        batch: the model made ready.
        prompt: writes the prompts.
        tokenizer: reads the answers.
        name: of the model.
        run_id: of the run, or None.
    """

    batch: Batch
    prompt: Callable[[Reading], list[int]]
    tokenizer: Any
    name: str
    run_id: str | None


@dataclass(order=True)
class _Asked:
    """One answer that somebody waits for; ordered by rank among its reading's answers, then by arrival."""

    rank: int
    number: int
    reading: Reading = field(compare=False)
    wanted: Wanted = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)
    future: "asyncio.Future[str]" = field(compare=False)


class LocalEngine:
    """Implements :class:`serve.engine.Engine`.

    Args:
        make: makes what the engine works with; called in the engine's thread. What it raises is raised here.
        give_up: end answers that are not held at the word where they go wrong.
    """

    few = 4

    def __init__(self, make: Callable[[], Work], give_up: bool = True) -> None:
        self._give_up = give_up
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        # under the condition's lock
        self._waiting: list[_Asked] = []
        self._given_up: set[Wanted] = set()
        self._asked: Counter[Reading] = Counter()
        self._failure: str | None = None
        made: Future[Work] = Future()
        self._thread = threading.Thread(target=self._run, args=(make, made), name="ondo-engine", daemon=True)
        self._thread.start()
        work = made.result()
        self.name, self.run_id, self._prompt = work.name, work.run_id, work.prompt

    async def generate(self, reading: Reading, temperature: float, count: int, *, held: bool = False) -> list[str]:
        """See :meth:`serve.engine.Engine.generate`."""
        loop = asyncio.get_running_loop()
        needed = count if temperature > 0 else 1
        prompt, figure = self._prompt(reading), held_figure(reading) if held else None
        look = partial(_look, reading, held) if held or self._give_up else None
        with self._changed:
            if self._failure is not None:
                raise EngineError(self._failure)
            asked = []
            for _ in range(needed):
                wanted = Wanted(prompt, temperature, figure, look)
                rank = self._asked[reading]
                self._asked[reading] += 1
                asked.append(_Asked(rank, next(self._numbers), reading, wanted, loop, loop.create_future()))
                heapq.heappush(self._waiting, asked[-1])
            self._changed.notify()
        try:
            texts = await asyncio.gather(*(each.future for each in asked))
        finally:
            with self._changed:
                self._asked[reading] -= needed
                if not self._asked[reading]:
                    del self._asked[reading]
                self._given_up |= {each.wanted for each in asked if each.future.cancelled()}
        return texts if temperature > 0 else texts * count

    async def close(self) -> None:
        """Stop the thread; who still waits gets an :class:`EngineError`."""
        self._stop("the service is shutting down")
        await asyncio.to_thread(self._thread.join)

    def _stop(self, why: str) -> None:
        with self._changed:
            self._failure = self._failure or why
            self._changed.notify()

    def _run(self, make: Callable[[], Work], made: "Future[Work]") -> None:
        try:
            work = make()
        except BaseException as error:  # noqa: BLE001 - it is raised where the engine is made
            made.set_exception(error)
            return
        made.set_result(work)
        self._answer(work)

    def _answer(self, work: Work) -> None:
        working: dict[Wanted, _Asked] = {}
        try:
            while True:
                joining = self._take(work.batch, working)
                if joining is None:
                    break
                for wanted in work.batch.advance(joining):
                    _tell(working.pop(wanted), _text(work.tokenizer, wanted))
        except Exception as error:
            self._stop(f"the engine failed: {error!r}")
            raise
        finally:
            with self._changed:
                left = [*working.values(), *self._waiting]
                failure = self._failure or "the engine failed"
            for asked in left:
                _tell(asked, EngineError(failure))

    def _take(self, batch: Batch, working: dict[Wanted, _Asked]) -> list[Wanted] | None:
        """Wait for work; let go of what nobody waits for, and take what fits. None: it is time to stop."""
        with self._changed:
            idle = not self._waiting and not working
            self._changed.wait_for(lambda: self._failure is not None or self._waiting or working)
        if idle:
            time.sleep(_GATHER_S)
        with self._changed:
            if self._failure is not None:
                return None
            gone, self._given_up = self._given_up, set()
            joining: list[Wanted] = []
            leaving = [wanted for wanted in working if wanted in gone]
            batch.leave(leaving)
            for wanted in leaving:
                del working[wanted]
            while self._waiting:
                asked = self._waiting[0]
                if not asked.future.cancelled():
                    if len(joining) >= batch.free and not self._push_out(batch, working, asked):
                        break
                    working[asked.wanted] = asked
                    joining.append(asked.wanted)
                heapq.heappop(self._waiting)
        return joining

    def _push_out(self, batch: Batch, working: dict[Wanted, _Asked], asked: _Asked) -> bool:
        """Send the last of those at work back to wait, if its rank is above that of ``asked``; whether it was."""
        last = max(working.values())
        if last.rank <= asked.rank:
            return False
        batch.leave([last.wanted])
        del working[last.wanted]
        last.wanted.begin_anew()
        heapq.heappush(self._waiting, last)
        return True


def _text(tokenizer: Any, wanted: Wanted) -> str:
    tokens = wanted.tokens[:-1] if wanted.finished else wanted.tokens
    text = str(tokenizer.decode(tokens, skip_special_tokens=True))
    return GivenUp(text) if wanted.given_up else text


def _look(reading: Reading, held: bool, written: str, ended: bool) -> Look | None:
    """What is to become of an answer that begins so, or ends."""
    if too_long(written):
        return "stop"
    if goes_wrong(written, reading.yesterday, reading.today) is None and not (ended and too_short(written)):
        return None
    return "turn" if held else "stop"


def _tell(asked: _Asked, outcome: str | EngineError) -> None:
    """Settle a future from the engine's thread."""

    def settle() -> None:
        if asked.future.done():
            return
        if isinstance(outcome, EngineError):
            asked.future.set_exception(outcome)
        else:
            asked.future.set_result(outcome)

    if not asked.loop.is_closed():
        asked.loop.call_soon_threadsafe(settle)


def _bound_caches() -> None:
    """Keep fewer of the kernels that torch and oneDNN make for every new shape; before the first product.

    Requests join in every number and length, and with 1,024 kernels each of these caches grows by hundreds of MB.
    """
    for name in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(_KERNELS))


def local_engine(settings: Settings, choose: Callable[[Settings], Chosen] = choose_model) -> LocalEngine:
    """An engine on the model that the settings ask for.

    Raises:
        ValueError: what :func:`serve.choose.choose_model` raises, or a number of threads below 1.
    """

    def make() -> Work:
        _bound_caches()
        take_cores(settings.threads)
        chosen = choose(settings)
        prompt = PromptWriter(chosen.tokenizer, settings.use_chat_format)
        batch = open_batch(chosen, prompt, max_new_tokens=settings.max_new_tokens, rows=settings.batch_rows)
        return Work(batch, prompt, chosen.tokenizer, chosen.name, chosen.run_id)

    return LocalEngine(make, settings.give_up)
