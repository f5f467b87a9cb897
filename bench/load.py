"""Requests at a notice server from several clients at once, every answer judged here and not taken on trust."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import numpy as np

from data.grid import grid
from data.reading import Reading
from rewards.judge import judge_batch
from serve.fallback import HIGHEST, LOWEST

PATH = "/generate/temperature"
PATIENCE_S = 30.0
"""For one answer; after that it counts as lost."""
Outcome = Literal["right", "wrong", "refused", "lost"]
Pool = Literal["grid", "all"]


@dataclass(frozen=True)
class Asked:
    """One request: a reading and the sampling temperature."""

    reading: Reading
    temperature: float


@dataclass(frozen=True)
class Sent:
    """What became of a request: status 0 and the error's text when there was no answer; ``body`` parsed, or None."""

    asked: Asked
    status: int
    body: Any
    seconds: float
    error: str = ""


def draw(pool: Pool, temperatures: Sequence[float], seed: int) -> Iterator[Asked]:
    """Random requests without end: readings of the grid of the splits, or of all of -60..60."""
    chance = random.Random(seed)
    cells = grid()
    while True:
        if pool == "grid":
            reading = chance.choice(cells)
        else:
            reading = Reading(chance.randint(LOWEST, HIGHEST), chance.randint(LOWEST, HIGHEST))
        yield Asked(reading, chance.choice(temperatures))


async def send_all(
    client: httpx.AsyncClient, requests: Iterator[Asked], count: int, clients: int, stop_after_s: float
) -> list[Sent]:
    """``count`` requests from ``clients`` that each wait for their answer before they ask again.

    None is begun ``stop_after_s`` seconds after the first, so the list may be shorter. A client that is refused waits
    for as long as the server says, 1 second at most.
    """
    sent: list[Sent] = []
    ends = time.monotonic() + stop_after_s
    left = iter(range(count))

    async def one() -> None:
        while time.monotonic() < ends and next(left, None) is not None:
            found = await _send(client, next(requests))
            sent.append(found)
            if found.status == 503:
                await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(clients)))
    return sent


async def _send(client: httpx.AsyncClient, asked: Asked) -> Sent:
    request = {
        "yesterday_temp": asked.reading.yesterday,
        "today_temp": asked.reading.today,
        "temperature": asked.temperature,
    }
    began = time.perf_counter()
    try:
        response = await client.post(PATH, json=request)
    except httpx.HTTPError as error:
        return Sent(asked, 0, None, time.perf_counter() - began, f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - began
    try:
        return Sent(asked, response.status_code, response.json(), seconds)
    except ValueError:
        return Sent(asked, response.status_code, None, seconds, "the body is no JSON")


def outcomes(sent: Sequence[Sent]) -> list[Outcome]:
    """What each request came to; ``right`` only when our own judge passes the message and the answer agrees."""
    answered = [each for each in sent if each.status == 200 and isinstance(_message(each), str)]
    verdicts = judge_batch(
        [(_message(each), each.asked.reading.yesterday, each.asked.reading.today) for each in answered]
    )
    right = {
        id(each)
        for each, verdict in zip(answered, verdicts, strict=True)
        if verdict.passed
        and each.body.get("delta") == each.asked.reading.delta
        and each.body.get("verdict", {}).get("passed") is True
    }
    return [_outcome(each, id(each) in right) for each in sent]


def _message(each: Sent) -> Any:
    return each.body.get("message") if isinstance(each.body, dict) else None


def _outcome(each: Sent, right: bool) -> Outcome:
    if each.status == 200:
        return "right" if right else "wrong"
    return "refused" if each.status == 503 else "lost"


def summarize(sent: Sequence[Sent], seconds: float) -> dict[str, Any]:
    """Counts of outcomes and sources, answers a second, and latencies of the answers in milliseconds."""
    found = outcomes(sent)
    answers = [each for each in sent if each.status == 200]
    times = np.array([1000 * each.seconds for each in answers])
    sources = [each.body.get("source") for each in answers if isinstance(each.body, dict)]
    examples = [each.error or f"status {each.status}" for each, name in zip(sent, found, strict=True) if name == "lost"]
    return {
        "requests": len(sent),
        **{name: found.count(name) for name in ("right", "wrong", "refused", "lost")},
        "seconds": seconds,
        "answers_per_s": len(answers) / seconds,
        **{f"p{q}_ms": float(np.percentile(times, q)) if len(times) else None for q in (50, 95, 99)},
        "max_ms": float(times.max()) if len(times) else None,
        "sources": {name: sources.count(name) / max(len(answers), 1) for name in ("model", "retry", "template")},
        "lost_examples": examples[:3],
    }
