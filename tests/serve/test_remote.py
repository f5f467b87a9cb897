"""The engine for OpenAI's chat API, against small servers on loopback that behave and misbehave."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.prompts import prompt_messages
from data.reading import Reading
from serve.engine import EngineBusyError, EngineError, EngineTimeoutError
from serve.remote import LARGEST_BODY, RemoteEngine

READING = Reading(-5, 8)
Talk = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""What a server does with a request (head and body): it may write, wait, or just leave."""


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    """The base URL of a server that talks like that; cut off at the end."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")
            )
            await talk(head + await reader.readexactly(length), writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def replying(body: bytes, status: int = 200, headers: str = "") -> Talk:
    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return talk


def choices(*texts: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}} for text in texts]}).encode()


def ask(talk: Talk, temperature: float = 0.7, count: int = 1, timeout_s: float = 5) -> list[str]:
    async def once() -> list[str]:
        async with serving(talk) as url:
            engine = RemoteEngine(url, "park", None, timeout_s)
            try:
                return await engine.generate(READING, temperature, count)
            finally:
                await engine.close()

    return asyncio.run(once())


def test_what_is_asked_for() -> None:
    seen: list[bytes] = []

    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        await replying(choices("하나", "둘 "))(request, writer)

    async def once() -> list[str]:
        async with serving(talk) as url:
            engine = RemoteEngine(url + "/", "park", "a-key", 5, max_tokens=48)
            assert (engine.name, engine.run_id) == ("park", None)
            try:
                return await engine.generate(READING, 0.3, 2)
            finally:
                await engine.close()

    assert asyncio.run(once()) == ["하나", "둘 "]  # as it was written
    head, body = seen[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1")
    assert b"Authorization: Bearer a-key" in head
    assert json.loads(body) == {
        "model": "park",
        "messages": prompt_messages(READING),
        "temperature": 0.3,
        "max_tokens": 48,
        "n": 2,
    }


def test_a_server_that_gives_one_at_a_time_is_asked_again() -> None:
    asked: list[int] = []

    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(request.split(b"\r\n\r\n")[1]).get("n", 1))
        await replying(choices(f"{len(asked)}"))(request, writer)

    assert ask(talk, count=3) == ["1", "2", "3"]
    assert asked == [3, 2, 1]


def test_greedy_answers_are_asked_for_once() -> None:
    assert ask(replying(choices("하나")), temperature=0, count=3) == ["하나"] * 3


@pytest.mark.parametrize(
    ("talk", "kind", "says"),
    [
        (replying(b"<html>down</html>"), EngineError, "no JSON: <html>down"),
        (replying(b""), EngineError, r"no JSON: \(empty\)"),
        (replying(b"[" * 100_000), EngineError, "no JSON"),
        (replying(b"\xff\xfe"), EngineError, "no JSON"),
        (replying(b"[]"), EngineError, "no 1 to 1 choices with a text: \\[\\]"),
        (replying(b"null"), EngineError, "no 1 to 1 choices"),
        (replying(b'{"choices": null}'), EngineError, "no 1 to 1 choices"),
        (replying(b'{"choices": [{"text": "x"}]}'), EngineError, "no 1 to 1 choices"),
        (replying(choices()), EngineError, "no 1 to 1 choices"),
        (replying(choices("하나", "둘")), EngineError, "no 1 to 1 choices"),
        (replying(choices(None)), EngineError, "no 1 to 1 choices"),
        (replying(choices(7)), EngineError, "no 1 to 1 choices"),
        (replying(b'{"error": "no such model"}', 404), EngineError, "status 404: .*no such model"),
        (replying(b"boom", 500), EngineError, "status 500: boom"),
        (replying(b"", 302, "Location: http://127.0.0.1:9/\r\n"), EngineError, "status 302"),
        (replying(b"later", 429), EngineBusyError, "status 429: later"),
        (replying(b"later", 503), EngineBusyError, "status 503"),
        (replying(b" " * (LARGEST_BODY + 1)), EngineError, f"more than {LARGEST_BODY} bytes"),
        (replying(b"x" * 500, 400), EngineError, f"status 400: {'x' * 200} \\.\\.\\."),
    ],
)
def test_bad_answers(talk: Talk, kind: type[EngineError], says: str) -> None:
    with pytest.raises(EngineError, match=says) as caught:
        ask(talk)
    assert type(caught.value) is kind
    assert "127.0.0.1" in str(caught.value)


async def _leaves(request: bytes, writer: asyncio.StreamWriter) -> None:
    return


async def _no_http(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n")


async def _breaks_off(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")


@pytest.mark.parametrize("talk", [_leaves, _no_http, _breaks_off])
def test_broken_connections(talk: Talk) -> None:
    with pytest.raises(EngineError, match="ProtocolError"):
        ask(talk)


async def _silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _drips(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    while True:  # each byte is in time, the answer is not
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("talk", [_silent, _drips])
def test_no_answer_in_time(talk: Talk) -> None:
    with pytest.raises(EngineTimeoutError, match=r"no answer in 0.2 s"):
        ask(talk, timeout_s=0.2)


def test_refused_connection() -> None:
    async def once() -> None:
        async with serving(_leaves) as url:
            pass
        engine = RemoteEngine(url, "park", None, 5)
        try:
            await engine.generate(READING, 0, 1)
        finally:
            await engine.close()

    with pytest.raises(EngineError, match="ConnectError"):
        asyncio.run(once())


def test_closing_ends_what_is_under_way() -> None:
    async def once() -> list[BaseException | list[str]]:
        async with serving(_silent) as url:
            engine = RemoteEngine(url, "park", None, 60)
            waiting = [asyncio.create_task(engine.generate(READING, 0, 1)) for _ in range(3)]
            await asyncio.sleep(0.2)
            await engine.close()
            await engine.close()  # twice does no harm
            with pytest.raises(EngineError, match="closed"):
                await engine.generate(READING, 0, 1)
            return await asyncio.gather(*waiting, return_exceptions=True)

    found = asyncio.run(once())
    assert [(type(each), str(each)) for each in found] == [(EngineError, "the engine has been closed")] * 3


def test_a_cancelled_request_leaves_the_server() -> None:
    async def once() -> bool:
        left = asyncio.Event()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # until the client hangs up
            left.set()
            writer.close()

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            engine = RemoteEngine(url, "park", None, 60)
            asked = asyncio.create_task(engine.generate(READING, 0, 1))
            await asyncio.sleep(0.2)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await asyncio.wait_for(left.wait(), 20)
            await engine.close()
        return left.is_set()

    assert asyncio.run(once())


@pytest.mark.parametrize("url", ["", "127.0.0.1:8001/v1", "ftp://127.0.0.1/v1", "http:///v1"])
def test_no_http_address(url: str) -> None:
    with pytest.raises(ValueError, match="no HTTP address"):
        RemoteEngine(url, "park", None, 5)


@pytest.fixture(scope="module")
def transformers_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """``transformers serve`` with the tiny model: its base URL and the model's name there."""
    from models.tiny import tiny_model, tiny_tokenizer

    folder = tmp_path_factory.mktemp("served") / "tiny"
    tokenizer = tiny_tokenizer()
    tiny_model(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    port = _free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    log = folder.with_name("log.txt")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--device", "cpu", str(folder)],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import time

    for _ in range(600):
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-2000:]
        try:
            if httpx.get(url, timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def test_a_real_server(transformers_server: tuple[str, str]) -> None:
    """Greedy texts are those of ``transformers.generate`` on the same prompt, and the unknown model is refused."""
    url, model = transformers_server

    async def once() -> tuple[list[str], list[str]]:
        engine = RemoteEngine(url, model, None, 60, max_tokens=12)
        try:
            return await engine.generate(READING, 0, 2), await engine.generate(READING, 1.0, 2)
        finally:
            await engine.close()

    greedy, sampled = asyncio.run(once())
    assert greedy == [_greedy(12)] * 2
    assert len(sampled) == 2

    async def unknown() -> None:
        engine = RemoteEngine(url, "no/such-model", None, 60)
        try:
            await engine.generate(READING, 0, 1)
        finally:
            await engine.close()

    with pytest.raises(EngineError, match=r"status [45]"):
        asyncio.run(unknown())


def _greedy(tokens: int) -> str:
    from models.tiny import tiny_model, tiny_tokenizer

    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    prompt = tokenizer.apply_chat_template(
        prompt_messages(READING), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    written = model.generate(**prompt, max_new_tokens=tokens, do_sample=False)
    text: str = tokenizer.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    return text
