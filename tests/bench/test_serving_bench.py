"""The load tool: what it takes for right, its figures, what it refuses, and a run against a real server."""

import argparse
import asyncio
import itertools
import json
from pathlib import Path

import httpx
import pytest

from bench.load import Asked, Sent, draw, outcomes, send_all, summarize
from bench.serving import growth, measure
from data.grid import grid
from data.reading import Reading
from serve.fallback import fallback_notice
from tests.serve.served import TINY, Server

READING = Reading(10, 20)
RIGHT = {"message": fallback_notice(READING), "delta": 10, "verdict": {"passed": True}, "source": "template"}


def sent(status, body, seconds=0.1, error=""):
    return Sent(Asked(READING, 0.0), status, body, seconds, error)


def arguments(**changed):
    defaults = {
        "url": "http://127.0.0.1:9",
        "clients": "1",
        "requests": 1,
        "readings": "grid",
        "temperatures": "0",
        "soak": 0,
        "time_limit": 60.0,
        "seed": 1,
        "api_key": None,
        "json": None,
    }
    return argparse.Namespace(**defaults | changed)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (sent(200, RIGHT), "right"),
        (sent(200, RIGHT | {"message": fallback_notice(Reading(10, 21))}), "wrong"),  # its own verdict is not trusted
        (sent(200, RIGHT | {"delta": 11}), "wrong"),
        (sent(200, RIGHT | {"verdict": {"passed": False}}), "wrong"),
        (sent(200, RIGHT | {"message": None}), "wrong"),
        (sent(200, []), "wrong"),
        (sent(200, None), "wrong"),
        (sent(503, {"error": {}}), "refused"),
        (sent(500, None), "lost"),
        (sent(422, {"error": {}}), "lost"),
        (sent(0, None), "lost"),
    ],
)
def test_outcomes(one, expected):
    assert outcomes([one]) == [expected]


def test_figures():
    """Eleven answers of 100, 200 ... 1100 ms: the median is the sixth, the 95th percentile midway of the last two."""
    answers = [sent(200, RIGHT | {"source": "model" if k < 3 else "retry"}, k / 10) for k in range(1, 12)]
    found = summarize([*answers, sent(503, None), sent(0, None, 30, "ReadTimeout: ")], seconds=5.5)
    assert (found["requests"], found["right"], found["refused"], found["lost"]) == (13, 11, 1, 1)
    assert found["answers_per_s"] == 2.0
    assert found["p50_ms"] == pytest.approx(600)
    assert found["p95_ms"] == pytest.approx(1050)
    assert found["max_ms"] == pytest.approx(1100)
    assert found["sources"] == {"model": 2 / 11, "retry": 9 / 11, "template": 0}
    assert found["lost_examples"] == ["ReadTimeout: "]


def test_nothing_answered():
    found = summarize([sent(0, None)], seconds=1)
    assert found["p95_ms"] is None
    assert found["lost"] == 1


def test_growth_is_the_slope_of_the_second_half():
    """Ten steps of 100 requests; the last six looks rise by 3 MB each, that is 30 MB in 1,000 requests."""
    assert growth([0, 80, 90, 95, 99, 100, 103, 106, 109, 112, 115], 1000) == pytest.approx(30)
    assert growth([1, 2], 1000) is None


def test_draws_are_repeatable_and_of_the_pool():
    one, other = (list(itertools.islice(draw("grid", [0.0, 0.7], 5), 200)) for _ in range(2))
    assert one == other
    assert {asked.temperature for asked in one} == {0.0, 0.7}
    assert {asked.reading for asked in one} <= set(grid())
    everywhere = [asked.reading for asked in itertools.islice(draw("all", [0.0], 5), 2000)]
    assert min(reading.today for reading in everywhere) < -55
    assert max(abs(reading.delta) for reading in everywhere) > 90


def test_clients_work_at_once_and_each_one_at_a_time():
    at_work = most = 0

    async def answer(request):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1
        reading = json.loads(request.content)
        if reading["today_temp"] % 2:
            raise httpx.ReadError("gone")
        return httpx.Response(200, json={"message": reading["temperature"]})

    async def load():
        async with httpx.AsyncClient(base_url="http://x", transport=httpx.MockTransport(answer)) as client:
            return await send_all(client, draw("grid", [0.5], 1), 30, 4, 60)

    found = asyncio.run(load())
    assert len(found) == 30
    assert most == 4
    for each in found:
        if each.asked.reading.today % 2:
            assert (each.status, each.error) == (0, "ReadError: gone")
        else:
            assert (each.status, each.body) == (200, {"message": 0.5})


def test_no_request_begins_after_the_time():
    async def load():
        async with httpx.AsyncClient(base_url="http://x") as client:
            return await send_all(client, draw("grid", [0.5], 1), 30, 4, 0)

    assert asyncio.run(load()) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"url": "http://192.0.2.1:8000"}, "only http on this machine"),
        ({"url": "https://127.0.0.1"}, "only http on this machine"),
        ({"clients": "1,x"}, "--clients '1,x'"),
        ({"clients": "0"}, "in 1..1024"),
        ({"temperatures": "3"}, "in 0..2"),
        ({"requests": 0}, "--requests"),
        ({"json": Path("/no/such/folder/x.json")}, "no such folder"),
    ],
)
def test_bad_arguments(changed, says):
    with pytest.raises(ValueError, match=says):
        measure(arguments(**changed))


def test_no_server():
    with pytest.raises(OSError, match="listens at port 9"):
        measure(arguments())


def test_a_real_server(tmp_path, capsys):
    target = tmp_path / "load.json"
    with Server(tmp_path, **TINY, ONDO_RETRIES="1", ONDO_API_KEY="k") as server:
        given = {"url": server.url, "clients": "1,4", "requests": 20, "readings": "all", "temperatures": "0,1.5"}
        assert measure(arguments(**given, soak=60, json=target, api_key="k")) == 0
        assert measure(arguments(**given)) == 1  # without the key everything is lost
    printed = capsys.readouterr().out
    assert "status 401" in printed
    found = json.loads(target.read_text(encoding="utf-8"))
    assert [(level["clients"], level["right"]) for level in found["levels"]] == [(1, 20), (4, 20)]
    assert found["levels"][0]["sources"]["template"] == 1
    assert found["levels"][0]["rss_before_mb"] > 50
    assert (found["soak"]["right"], len(found["soak"]["rss_mb"])) == (60, 21)
    assert found["model"] == "tiny-random"
