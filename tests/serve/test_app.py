"""The endpoints with an engine that says what it is told."""

import asyncio
import json
import re
import time

import httpx
import pytest
from fastapi.testclient import TestClient

from data.reading import Reading
from rewards.judge import judge
from serve.app import create_app
from serve.engine import EngineError
from serve.settings import Settings
from tests.serve.fakes import WRONG, FakeEngine, right

PATH = "/generate/temperature"
ASKED = {"yesterday_temp": 10, "today_temp": 20}


@pytest.fixture
def app_of(tmp_path):
    def make(say=lambda reading, heat, call: right(reading), **settings):
        settings.setdefault("retries", 0)
        settings.setdefault("journal", tmp_path / "journal.jsonl")
        return create_app(Settings(**settings), FakeEngine(say))

    return make


@pytest.fixture
def client_of(app_of):
    opened = []

    def make(*arguments, **settings):
        client = TestClient(app_of(*arguments, **settings), raise_server_exceptions=False)
        opened.append(client.__enter__())
        wait_until_ready(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


def wait_until_ready(client, status=200):
    for _ in range(500):
        if client.get("/health").status_code == status:
            return
        time.sleep(0.01)
    pytest.fail(client.get("/health").text)


def error_of(response, status, code):
    """The error's fields, after a look at its shape."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "fields"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert all(set(field) == {"field", "reason"} for field in body["error"]["fields"])
    return {field["field"]: field["reason"] for field in body["error"]["fields"]}


def test_an_answer(client_of):
    body = client_of().post(PATH, json=ASKED).json()
    message = right(Reading(10, 20))
    assert body["message"] == message
    assert body["delta"] == 10
    assert body["verdict"] == json.loads(json.dumps(judge(message, 10, 20).to_dict()))
    assert (body["source"], body["attempts"]) == ("model", 1)
    assert (body["model"], body["run_id"]) == ("fake", "sft-20260101-000000-abcdef")
    assert body["latency_ms"] > 0
    assert set(body) == {"message", "delta", "verdict", "source", "attempts", "latency_ms", "model", "run_id"}


@pytest.mark.parametrize("number", [20, 20.0])
def test_whole_numbers_however_written(client_of, number):
    assert client_of().post(PATH, json={"yesterday_temp": 10, "today_temp": number}).json()["delta"] == 10


@pytest.mark.parametrize("heat", [0, 0.3, 2, 2.0])
def test_the_temperature_reaches_the_engine(client_of, heat):
    client = client_of()
    assert client.post(PATH, json={**ASKED, "temperature": heat}).status_code == 200
    assert client.app.state.service.engine.calls[-1] == (Reading(10, 20), heat)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"yesterday_temp": 10, "today_temp": 20.5}', {"today_temp": "must be a whole number of degrees, got 20.5"}),
        ('{"yesterday_temp": 61, "today_temp": -61}', {"yesterday_temp": "60", "today_temp": "-60"}),
        ('{"yesterday_temp": "10", "today_temp": true}', {"yesterday_temp": "number", "today_temp": "number"}),
        ('{"yesterday_temp": null, "today_temp": [1]}', {"yesterday_temp": "number", "today_temp": "number"}),
        ('{"yesterday_temp": NaN, "today_temp": Infinity}', {"yesterday_temp": "whole", "today_temp": "whole"}),
        ('{"yesterday_temp": 1e400, "today_temp": 1e30}', {"yesterday_temp": "whole", "today_temp": "60"}),
        ('{"today_temp": 3}', {"yesterday_temp": "is missing"}),
        ('{"yesterday_temp": 1, "today_temp": 2, "yesterday": 3}', {"yesterday": "is not a field"}),
        ('{"yesterday_temp": 1, "today_temp": 2, "temperature": 2.1}', {"temperature": "2"}),
        ('{"yesterday_temp": 1, "today_temp": 2, "temperature": -0.1}', {"temperature": "0"}),
        ('{"yesterday_temp": 1, "today_temp": 2, "temperature": NaN}', {"temperature": ""}),
        ('{"yesterday_temp": 1, "today_temp": 2, "temperature": "0.3"}', {"temperature": "number"}),
        ('{"yesterday_temp": 1, "today_temp": 2, "temperature": null}', {"temperature": "number"}),
        ('{"yesterday_temp": 1', {"body": "is no JSON"}),
        ("", {"body": "is missing"}),
        ("[]", {"body": "object"}),
        ('"x"', {"body": "object"}),
        ("null", {"body": ""}),
        ('{"yesterday_temp": ' + "9" * 5000 + ', "today_temp": 2}', {"body": "JSON"}),
        ("[" * 7000 + "]" * 7000, {"body": ""}),
        ('{"yesterday_temp": ' + "[" * 7000 + "]" * 7000 + "}", {"body": ""}),
        (b'{"yesterday_temp": \xff}', {"body": "JSON"}),
        ('{"\\ud800": 1, "yesterday_temp": 1, "today_temp": 2}', {"body": ""}),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str | bytes) else "",
)
def test_anything_else_is_refused_with_field_and_reason(client_of, body, fields):
    client = client_of()
    response = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    given = error_of(response, 422, "invalid")
    assert set(given) == set(fields)
    for field, reason in fields.items():
        assert reason in given[field]
    assert client.post(PATH, json=ASKED).status_code == 200


def test_another_content_type_is_refused(client_of):
    response = client_of().post(PATH, content=json.dumps(ASKED), headers={"Content-Type": "text/plain"})
    error_of(response, 422, "invalid")


def test_unknown_paths_and_methods_have_the_same_shape(client_of):
    client = client_of()
    assert error_of(client.get("/nowhere"), 404, "not_found") == {}
    assert error_of(client.get(PATH), 405, "method_not_allowed") == {}
    assert client.get(PATH).headers["allow"] == "POST"


def test_a_fault_of_ours_has_the_same_shape_and_tells_nothing(client_of, monkeypatch):
    client = client_of()

    async def fail(*_):
        raise RuntimeError("inner workings")

    monkeypatch.setattr(client.app.state.service, "answer", fail)
    response = client.post(PATH, json=ASKED)
    error_of(response, 500, "internal")
    assert "inner workings" not in response.text


def test_a_body_too_large_is_refused_by_its_header_or_by_its_size(client_of):
    client = client_of(max_body_bytes=100)
    error_of(client.post(PATH, content=b"x" * 101), 413, "too_large")

    def parts():
        for _ in range(50):
            yield b"x" * 10

    error_of(client.post(PATH, content=parts()), 413, "too_large")
    assert client.post(PATH, json=ASKED).status_code == 200


def test_greedy_answers_are_kept_and_sampled_ones_are_not(client_of):
    client = client_of()
    calls = client.app.state.service.engine.calls
    before = len(calls)
    for _ in range(3):
        client.post(PATH, json={**ASKED, "today_temp": 21})
    assert len(calls) == before + 1
    for _ in range(3):
        client.post(PATH, json={**ASKED, "temperature": 0.5})
    assert len(calls) == before + 4
    assert "ondo_answers_cached_total 2.0" in client.get("/metrics").text


def test_a_template_is_not_kept(client_of):
    client = client_of(lambda reading, heat, call: right(reading) if call == 1 or call > 2 else WRONG)
    sources = [client.post(PATH, json={**ASKED, "today_temp": 3}).json()["source"] for _ in range(2)]
    assert sources == ["template", "model"]


def test_the_cache_is_bounded(client_of):
    client = client_of(cache_answers=5)
    for today in range(20):
        client.post(PATH, json={**ASKED, "today_temp": today})
    assert len(client.app.state.service.cache) == 5


def test_the_key(client_of):
    client = client_of(api_key="열쇠-1")
    key = "열쇠-1".encode()
    assert client.post(PATH, json=ASKED, headers={b"Authorization": b"Bearer " + key}).status_code == 200
    wrong = [{}, {"Authorization": "Bearer wrong"}, {b"Authorization": key}, {b"Authorization": b"Basic " + key}]
    for headers in wrong:
        response = client.post(PATH, json=ASKED, headers=headers)
        error_of(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    error_of(client.get("/metrics"), 401, "unauthorized")
    error_of(client.post(PATH, content=b"x" * 10**6), 401, "unauthorized")
    for path in ("/", "/health", "/docs", "/docs/assets/swagger-ui.css", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    assert "401" in client.get("/openapi.json").json()["paths"][PATH]["post"]["responses"]


def test_without_a_key_the_document_speaks_of_none(client_of):
    document = client_of().get("/openapi.json").json()
    assert "securitySchemes" not in document["components"]
    assert "401" not in document["paths"][PATH]["post"]["responses"]


def test_metrics(client_of):
    client = client_of(lambda reading, heat, call: WRONG if reading.today == 5 else right(reading))
    client.post(PATH, json=ASKED)
    client.post(PATH, json={**ASKED, "today_temp": 5})
    client.post(PATH, json={})
    client.get("/nowhere/1")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    for line in (
        f'ondo_requests_total{{path="{PATH}",status="200"}} 2.0',
        f'ondo_requests_total{{path="{PATH}",status="422"}} 1.0',
        'ondo_requests_total{path="other",status="404"} 1.0',
        'ondo_answers_total{source="template"} 1.0',
        'ondo_rule_failures_total{rule="label"} 1.0',
        "ondo_answer_seconds_count 2.0",
        'ondo_answer_seconds_bucket{le="5.0"} 2.0',
    ):
        assert line in response.text, line


def test_ready_only_when_a_warm_up_answer_passed_and_while_the_engine_answers(app_of, monkeypatch):
    monkeypatch.setattr("serve.app.WATCH_S", 0.01)
    monkeypatch.setattr("serve.app.SILENT_S", 0.05)
    down = [EngineError("refused")]
    app = app_of(lambda reading, heat, call: down[0] if down else right(reading))
    with TestClient(app) as client:
        time.sleep(0.05)
        response = client.get("/health")
        assert (response.status_code, response.json()["status"]) == (503, "starting")
        assert response.json()["engine_error"] == "refused"
        down.clear()
        wait_until_ready(client)
        body = client.get("/health").json()
        assert (body["status"], body["model"], body["engine_error"]) == ("ready", "fake", None)
        down.append(EngineError("refused again"))
        assert client.post(PATH, json={**ASKED, "today_temp": 1}).json()["source"] == "template"
        wait_until_ready(client, 503)
        body = client.get("/health").json()
        assert (body["status"], body["engine_error"]) == ("failing", "refused again")
        down.clear()
        wait_until_ready(client)
    assert app.state.service.engine.closed


def test_an_engine_whose_answers_all_fail_can_be_ready(client_of):
    assert client_of(lambda *_: WRONG).get("/health").json()["status"] == "ready"


def test_the_docs_load_nothing_from_elsewhere(client_of):
    client = client_of()
    for path in ("/docs", "/"):
        text = client.get(path).text
        assert not re.findall(r'(?:src|href|url\()\s*=?\s*["\']?(?:https?:)?//', text), path
    for asset in re.findall(r'(?:src|href)="(/docs/assets/[^"]+)"', client.get("/docs").text):
        assert client.get(asset).status_code == 200, asset


def test_more_at_once_than_allowed_are_told_to_come_again(app_of):
    """Three are under way and the fourth is refused; then there is room again."""

    async def scenario():
        app = app_of(lambda reading, heat, call: 0.3 if heat else right(reading), max_requests=3, time_limit_s=5)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            hot = {**ASKED, "temperature": 1}
            first = [asyncio.create_task(client.post(PATH, json=hot)) for _ in range(3)]
            await asyncio.sleep(0.1)
            refused = await client.post(PATH, json=hot)
            error_of(refused, 503, "busy")
            assert int(refused.headers["retry-after"]) >= 1
            assert {(await task).status_code for task in first} == {200}
            assert (await client.post(PATH, json=hot)).status_code == 200

    asyncio.run(scenario())


def test_a_kept_answer_goes_out_even_then(app_of):
    async def scenario():
        app = app_of(lambda reading, heat, call: 0.3 if heat else right(reading), max_requests=1, time_limit_s=5)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            assert (await client.post(PATH, json=ASKED)).status_code == 200
            busy = asyncio.create_task(client.post(PATH, json={**ASKED, "temperature": 1}))
            await asyncio.sleep(0.1)
            assert (await client.post(PATH, json=ASKED)).status_code == 200
            await busy

    asyncio.run(scenario())


def test_the_time_limit_holds(client_of):
    client = client_of(lambda reading, heat, call: 60.0 if heat else right(reading), time_limit_s=0.2)
    body = client.post(PATH, json={**ASKED, "temperature": 1}).json()
    assert body["source"] == "template"
    assert body["latency_ms"] >= 200
