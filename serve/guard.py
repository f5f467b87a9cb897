"""The guard: no notice that breaks a rule ever leaves it.

The engine's first answer goes out if it passes the judge. Otherwise further samples are tried, the first that passes
goes out, and when none does in time, or the engine fails, a template notice takes their place. What is served has
always been judged and has always passed; every answer that did not is written to the journal beside what was served.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Literal, get_args

from data.reading import Reading
from rewards.judge import judge
from rewards.verdict import Verdict
from serve.engine import Engine, EngineBusyError, EngineError, EngineTimeoutError, GivenUp
from serve.fallback import fallback_notice
from serve.journal import Journal
from serve.metrics import Metrics

Source = Literal["model", "retry", "template"]
SOURCES: tuple[Source, ...] = get_args(Source)
log = logging.getLogger("ondo.serve")


@dataclass(frozen=True)
class Answer:
    """What is served.

    Attributes:
        message: a notice that passes.
        verdict: of the notice.
        source: ``model`` (the first answer), ``retry`` (a further sample) or ``template``.
        attempts: answers of the engine that were judged.
    """

    message: str
    verdict: Verdict
    source: Source
    attempts: int


@dataclass(frozen=True)
class Tries:
    """How hard the guard tries before it takes the template.

    Attributes:
        retries: further samples, which the engine holds to the change where it can.
        temperature: of the samples, whatever the request asks for: they are there to find one that passes.
        ahead: begin them along with the first answer, not after it. While more requests are answered at once than the
            engine's ``few``, they begin after it, and one after the other.
        time_limit_s: for everything together.
    """

    retries: int
    temperature: float
    ahead: bool
    time_limit_s: float


@dataclass
class _Attempts:
    """The engine's answers to one request."""

    judged: list[tuple[str, Verdict]] = field(default_factory=list)
    error: EngineError | None = None


class Guard:
    """Answers readings with notices that pass.

    Args:
        engine: writes the answers.
        journal: keeps those that fail.
        metrics: counts.
        tries: how hard to try.
    """

    def __init__(self, engine: Engine, journal: Journal, metrics: Metrics, tries: Tries) -> None:
        self.engine, self.tries = engine, tries
        self.engine_error: str | None = None
        """Why the engine gave no answer when it was last asked, or None."""
        self._heard = time.monotonic()
        self._journal, self._metrics = journal, metrics
        self._answering = 0

    @property
    def silent_s(self) -> float:
        """For how long the engine has been asked in vain; 0 when it answered last."""
        return 0.0 if self.engine_error is None else time.monotonic() - self._heard

    async def answer(self, reading: Reading, temperature: float) -> Answer:
        """A notice that passes, within the time limit.

        Args:
            reading: within -60..60 on both sides.
            temperature: of the first answer, 0 for greedy.
        """
        attempts = _Attempts()
        self._answering += 1
        try:
            found = await self._from_engine(reading, temperature, attempts)
        finally:
            self._answering -= 1
        answer = found or self._template(reading, len(attempts.judged))
        self._keep(reading, temperature, attempts, answer)
        self._metrics.answers.labels(answer.source).inc()
        return answer

    async def _from_engine(self, reading: Reading, temperature: float, attempts: _Attempts) -> Answer | None:
        """An answer of the engine that passes, or None."""

        def ask(heat: float, held: bool) -> asyncio.Task[list[str]]:
            return asyncio.create_task(self.engine.generate(reading, heat, 1, held=held))

        few, left = self._answering <= self.engine.few, self.tries.retries
        ahead = self.tries.ahead and few

        def ask_again() -> set[asyncio.Task[list[str]]]:
            nonlocal left
            count = left if few else min(left, 1)
            left -= count
            tasks = {ask(self.tries.temperature, held=True) for _ in range(count)}
            every.update(tasks)
            return tasks

        first = ask(temperature, held=False)
        every = {first}
        waiting = set(every)
        found: Answer | None = None
        try:
            async with asyncio.timeout(self.tries.time_limit_s):
                if ahead:
                    waiting |= ask_again()
                while first in waiting or (waiting and found is None):
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    if first in done:
                        passed = self._judged(reading, await _result(first, attempts), "model", attempts)
                        if passed is not None:
                            return passed
                    for task in done - {first}:
                        found = found or self._judged(reading, await _result(task, attempts), "retry", attempts)
                    if found is not None:
                        # one is enough, should the first answer fail
                        for task in waiting - {first}:
                            task.cancel()
                        waiting &= {first}
                    elif not waiting and attempts.error is None:
                        waiting = ask_again()
        except TimeoutError:
            attempts.error = EngineTimeoutError(f"no answer that passes in {self.tries.time_limit_s:g} s")
        finally:
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)
        return found

    def _judged(self, reading: Reading, text: str | None, source: Source, attempts: _Attempts) -> Answer | None:
        """The text as an answer if it passes; counts it either way."""
        if text is None:
            return None
        message = type(text)(text.strip())
        verdict = judge(message, reading.yesterday, reading.today)
        attempts.judged.append((message, verdict))
        for rule in verdict.failed:
            self._metrics.failures.labels(rule).inc()
        return Answer(message, verdict, source, len(attempts.judged)) if verdict.passed else None

    def _template(self, reading: Reading, attempts: int) -> Answer:
        message = fallback_notice(reading)
        verdict = judge(message, reading.yesterday, reading.today)
        if not verdict.passed:
            # The tests go through every reading, so this is a fault of ours. Nothing is served rather than this.
            raise AssertionError(f"the template for {reading} breaks {sorted(verdict.failed)}: {message!r}")
        return Answer(message, verdict, "template", attempts)

    def _keep(self, reading: Reading, temperature: float, attempts: _Attempts, answer: Answer) -> None:
        """Tell journal, log and metrics what failed."""
        error = attempts.error
        if attempts.judged:
            self._heard = time.monotonic()
        self.engine_error = None if error is None or attempts.judged else str(error)
        if error is not None:
            self._metrics.engine_errors.labels(_kind(error)).inc()
        entry = {"yesterday": reading.yesterday, "today": reading.today, "temperature": temperature}
        served = {"served": answer.message, "source": answer.source}
        failed = [(message, verdict) for message, verdict in attempts.judged if not verdict.passed]
        lines = [
            {
                **entry,
                "message": message,
                "given_up": isinstance(message, GivenUp),
                "failed": sorted(verdict.failed),
                "verdict": verdict.to_dict(),
                **served,
            }
            for message, verdict in failed
        ]
        if error is not None and answer.source != "model":
            lines.append({**entry, "error": str(error), **served})
        for line in lines:
            try:
                self._journal.write(line)
            except OSError:
                log.exception("the journal could not be written; the answer is served all the same")
        if lines:
            rules = sorted({rule for _, verdict in failed for rule in verdict.failed})
            log.info(
                "%d -> %d: %s after %d answers that failed %s%s",
                reading.yesterday,
                reading.today,
                answer.source,
                len(failed),
                ", ".join(rules) or "nothing",
                "" if error is None else f"; {error}",
            )


async def _result(task: "asyncio.Task[list[str]]", attempts: _Attempts) -> str | None:
    """The task's only text, or None when the engine had none; the error is kept."""
    try:
        [text] = await task
    except EngineError as error:
        attempts.error = error
        return None
    return text


def _kind(error: EngineError) -> str:
    return {EngineTimeoutError: "timeout", EngineBusyError: "busy"}.get(type(error), "error")
