"""An engine that asks a server with OpenAI's chat API, such as vLLM with the LoRA adapter on a GPU.

The messages are those of training (``data/prompts.py``); the chat template is the server's own and has to be the one of
training too (docs/serving.md says where it lies). Nothing is tried again here: the guard does that, within its time.
"""

import asyncio
import json
from typing import Any

import httpx

from data.prompts import prompt_messages
from data.reading import Reading
from serve.engine import EngineBusyError, EngineError, EngineTimeoutError

LARGEST_BODY = 2**20
"""Bytes of an answer that are read; a notice has some hundred."""
_SHOWN = 200
_BUSY = (429, 503)


class RemoteEngine:
    """Asks ``{base_url}/chat/completions``.

    Args:
        base_url: with the version, e.g. ``http://127.0.0.1:8001/v1``.
        model: the model's name there; for vLLM the name given to ``--lora-modules``.
        api_key: sent as ``Authorization: Bearer``; None sends none.
        timeout_s: for a whole answer, from connecting to its last byte.
        max_tokens: where an answer is cut off.

    Raises:
        ValueError: ``base_url`` is no HTTP address.
    """

    few = 64
    run_id: str | None = None

    def __init__(self, base_url: str, model: str, api_key: str | None, timeout_s: float, max_tokens: int = 64) -> None:
        address = httpx.URL(base_url)
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError(f"{base_url!r} is no HTTP address; give one like http://127.0.0.1:8001/v1")
        self.name = model
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._timeout_s, self._max_tokens = timeout_s, max_tokens
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)  # the service limits its requests
        self._client = httpx.AsyncClient(headers=headers, timeout=None, limits=limits)
        self._closed = False
        self._under_way: set[asyncio.Task[list[str]]] = set()

    async def generate(self, reading: Reading, temperature: float, count: int, *, held: bool = False) -> list[str]:
        """See :meth:`serve.engine.Engine.generate`; a cancelled request's connection is closed, which vLLM heeds.

        Figures are not held: the chat API has no word for it that all servers know.
        """
        if self._closed:
            raise EngineError("the engine has been closed")
        different = count if temperature > 0 else 1
        asking = asyncio.create_task(self._ask(reading, temperature, different))
        self._under_way.add(asking)
        try:
            texts = await asking
        except asyncio.CancelledError:
            if asking.cancelled() and self._closed:
                raise EngineError("the engine has been closed") from None
            raise
        finally:
            asking.cancel()
            self._under_way.discard(asking)
        return texts if different == count else texts * count

    async def close(self) -> None:
        """Give up requests under way and close the connections."""
        self._closed = True
        under_way = list(self._under_way)
        for asking in under_way:
            asking.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._client.aclose()

    async def _ask(self, reading: Reading, temperature: float, count: int) -> list[str]:
        request = {
            "model": self.name,
            "messages": prompt_messages(reading),
            "temperature": temperature,
            "max_tokens": self._max_tokens,
        }
        texts: list[str] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                while missing := count - len(texts):  # a server that does not know n gives one at a time
                    status, body = await self._post(request | ({"n": missing} if missing > 1 else {}))
                    texts += self._texts(status, body, missing)
        except TimeoutError:
            raise EngineTimeoutError(f"{self._url}: no answer in {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise EngineError(f"{self._url}: {type(error).__name__}: {error or 'no further word'}") from error
        return texts

    async def _post(self, request: dict[str, Any]) -> tuple[int, bytes]:
        async with self._client.stream("POST", self._url, json=request) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST_BODY:
                    raise EngineError(f"{self._url}: an answer of more than {LARGEST_BODY} bytes")
            return response.status_code, bytes(body)

    def _texts(self, status: int, body: bytes, most: int) -> list[str]:
        """The texts of one answer, 1 to ``most``."""
        if status != 200:
            kind = EngineBusyError if status in _BUSY else EngineError
            raise kind(f"{self._url}: status {status}: {_shown(body)}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise EngineError(f"{self._url}: the answer is no JSON: {_shown(body)}") from None
        try:
            texts = [choice["message"]["content"] for choice in answer["choices"]]
        except (KeyError, TypeError):
            texts = []
        if not 1 <= len(texts) <= most or not all(isinstance(text, str) for text in texts):
            raise EngineError(f"{self._url}: the answer holds no 1 to {most} choices with a text: {_shown(body)}")
        return texts


def _shown(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    return (text[:_SHOWN] + " ...") if len(text) > _SHOWN else text or "(empty)"
