"""The service as a user starts it: a process of its own on ``tiny-random``, whose own answers are garbage."""

import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.serve.served import PATH, ROOT, TINY, Server, check, environment

GUIDE = Path(__file__).with_name("guide.sh")
SEED = ROOT.parent / "shared" / "seed"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("served"), **TINY, ONDO_READ_TIMEOUT_S="0.5", ONDO_RETRIES="2") as server:
        yield server


def guide_calls(url):
    """The guide's six calls as shell commands against another address."""
    calls = re.findall(r"^curl (?:.+\\\n)*.+$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(calls) == 6
    return [call.replace("http://localhost:8000", url) for call in calls]


def run_guide(server):
    bodies = []
    for call in guide_calls(server.url):
        reading = json.loads(re.search(r"-d '(.+)'", call)[1])
        done = subprocess.run(["bash", "-c", call.replace("curl ", "curl -sS ")], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        yesterday, today = reading["yesterday_temp"], reading["today_temp"]
        bodies.append(check(httpx.Response(200, content=done.stdout), yesterday, today))
    return bodies


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_the_guides_six_calls(server):
    assert len({body["message"] for body in run_guide(server)}) == 6


@pytest.mark.skipif(not SEED.is_dir(), reason="the guide does not lie beside this checkout")
def test_they_are_the_guides_own():
    [guide] = SEED.glob("*.txt")
    assert GUIDE.read_text(encoding="utf-8") in guide.read_text(encoding="utf-8")


@needs_curl
@pytest.mark.embedded
def test_the_guides_six_calls_on_the_embedded_model(tmp_path):
    with Server(tmp_path, USE_FINETUNED="false") as server:
        bodies = run_guide(server)
    assert {body["model"] for body in bodies} == {"embedded:gemma-3-270m"}
    assert all(body["attempts"] for body in bodies)


@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=[pytest.mark.embedded, pytest.mark.timeout(1200)])])
def test_random_readings_at_random_temperatures(server, count):
    """Every answer passes, though the model writes nonsense; ten thousand run with the tests that take minutes."""
    numbers = random.Random(5)

    def ask(_):
        yesterday, today = numbers.randint(-60, 60), numbers.randint(-60, 60)
        heat = numbers.choice([0, round(numbers.uniform(0, 2), 2)])
        answer = server.post({"yesterday_temp": yesterday, "today_temp": today, "temperature": heat})
        return check(answer, yesterday, today)["source"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(count))) == {"template"}


def raw(server, data, pause=0.0, wait=60.0):
    """What the server answers to bytes on a socket, sent one by one when there is a pause."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        try:
            for part in [data[i : i + 1] for i in range(len(data))] if pause else [data]:
                connection.sendall(part)
                time.sleep(pause)
            while part := connection.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def head(length, more=b""):
    return (
        b"POST /generate/temperature HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + (b"Content-Length: %d\r\n" % length)
        + more
        + b"\r\n"
    )


def test_a_body_that_does_not_come_is_given_up(server):
    received = raw(server, head(100) + b'{"yesterday')
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"slow_request"' in received


def test_a_head_that_does_not_come_is_given_up(server):
    assert raw(server, b"POST /generate/temp") == b""
    assert raw(server, b"") == b""


def test_a_client_that_drips_is_given_up(server):
    received = raw(server, head(60) + b'{"yesterday_temp": 1', pause=0.02)
    assert received == b"" or received.startswith(b"HTTP/1.1 408 ")


def test_a_second_request_on_a_kept_connection_has_the_same_limit(server):
    body = b'{"yesterday_temp": 1, "today_temp": 2}'
    received = raw(server, head(len(body)) + body + b"POST /gen")
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"GET / HTTP/one\r\n\r\n",
        b"POST /generate/temperature HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /generate/temperature HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /generate/temperature HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=["tls", "version", "negative", "astronomic", "chunks", "long path", "long header"],
)
def test_bytes_that_are_no_request(server, data):
    received = raw(server, data)
    assert not received or re.match(rb"HTTP/1.1 4\d\d ", received)
    assert server.ready()


def test_ten_megabytes(server):
    response = server.post({"yesterday_temp": 1, "today_temp": 2, "x": "x" * 10_000_000})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    received = raw(server, head(10_000_000) + b"x" * 20_000)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert server.ready()


def test_many_idle_connections_do_not_shut_others_out(server):
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        check(server.post({"yesterday_temp": 3, "today_temp": 4}), 3, 4)
    finally:
        for connection in held:
            connection.close()


def test_a_client_that_goes_away_leaves_the_server_well(server):
    body = b'{"yesterday_temp": 1, "today_temp": 2, "temperature": 1}'
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head(len(body)) + body)
    check(server.post({"yesterday_temp": 3, "today_temp": 4}), 3, 4)


def ask_on_and_on(server, stop):
    """Requests until told to stop; what was answered has passed."""
    client = httpx.Client(timeout=30)
    number, answered = 0, 0
    while not stop.is_set():
        number += 1
        body = {"yesterday_temp": number % 60, "today_temp": -number % 60, "temperature": 1}
        try:
            check(client.post(server.url + PATH, json=body), body["yesterday_temp"], body["today_temp"])
            answered += 1
        except httpx.TransportError:
            break
    return answered


def test_killed_in_the_midst_of_requests_and_started_again(tmp_path):
    """Ready again, and every line of the journal whole; a line torn as by a lost machine is cut off and said."""
    journal = tmp_path / "journal.jsonl"
    stop = threading.Event()
    with Server(tmp_path, **TINY) as server, ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_on_and_on, server, stop) for _ in range(4)]
        for _ in range(600):
            if journal.stat().st_size > 500_000:
                break
            time.sleep(0.05)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        stop.set()
        assert sum(task.result() for task in asking) > 4
    lines = journal.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) > 100
    for line in map(json.loads, lines):
        assert set(line) >= {"time", "yesterday", "today", "temperature", "served", "source"}
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"time": "2026')
    with Server(tmp_path, **TINY) as server:
        check(server.post({"yesterday_temp": 10, "today_temp": 20}), 10, 20)
        assert server.stop() == 0
    assert "cut off 14 bytes of a torn last line" in server.output
    again = journal.read_text(encoding="utf-8").split("\n")
    assert again[: len(lines)] == lines
    assert len([json.loads(line) for line in again if line]) > len(lines)


def test_told_to_stop_it_finishes_what_is_under_way(tmp_path):
    with Server(tmp_path, **{**TINY, "ONDO_MAX_NEW_TOKENS": "512"}, ONDO_RETRIES="0") as server:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(server.post, {"yesterday_temp": 1, "today_temp": 2, "temperature": 1})
            for _ in range(200):
                if "ondo_requests_under_way 1.0" in httpx.get(server.url + "/metrics").text:
                    break
                time.sleep(0.01)
            code = server.stop()
            check(asking.result(), 1, 2)
        assert code == 0, server.output
    assert "Traceback" not in server.output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "no finished run in .*make quickstart"),
        ({"ONDO_PROT": "1"}, "unknown: ONDO_PROT"),
    ],
    ids=["no run", "unknown key"],
)
def test_what_is_to_mend_is_said_with_exit_code_2(tmp_path, settings, said):
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch" / "serve.py")],
        env=environment(tmp_path, **settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert re.search(f"^serve: .*{said}", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken(server, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch" / "serve.py")],
        env=environment(tmp_path, **TINY, ONDO_PORT=str(server.port)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert f"ONDO_PORT={server.port}: " in done.stderr
