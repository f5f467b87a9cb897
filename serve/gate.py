"""What every request passes before anything reads it: the key, the size of its body, and the time it takes to arrive.

Pure ASGI, so that a refused body is never held whole in memory.
"""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from serve.schema import error

OPEN_PATHS = ("/", "/health", "/docs", "/openapi.json")
"""Asked for without a key: what tells nothing and starts no work."""


class Gate:
    """Middleware that refuses with 401, 413 and 408.

    Args:
        app: what stands behind it.
        api_key: the bearer token that is asked for, or None.
        max_body_bytes: of a request.
        read_timeout_s: for a body to arrive.
        count: told the path and the status of every response.
    """

    def __init__(
        self,
        app: ASGIApp,
        api_key: str | None,
        max_body_bytes: int,
        read_timeout_s: float,
        count: Callable[[str, int], None],
    ) -> None:
        self._app, self._key, self._count = app, None if api_key is None else api_key.encode(), count
        self._max_body_bytes, self._read_timeout_s = max_body_bytes, read_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope["path"], message["status"])
            await send(message)

        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal: JSONResponse | None = None
        body = b""
        if not self._may_pass(scope["path"], headers):
            refusal = JSONResponse(
                error("unauthorized", "this service asks for a key: send Authorization: Bearer <key>"),
                401,
                {"WWW-Authenticate": "Bearer"},
            )
        elif _length(headers) > self._max_body_bytes:
            refusal = self._too_large()
        else:
            try:
                async with asyncio.timeout(self._read_timeout_s):
                    body = await _read(receive, self._max_body_bytes)
            except TimeoutError:
                refusal = JSONResponse(
                    error("slow_request", f"the request did not arrive in {self._read_timeout_s:g} s"), 408, _CLOSE
                )
            except _TooLargeError:
                refusal = self._too_large()
            except _GoneError:
                return
        if refusal is not None:
            await refusal(scope, receive, counted)
        else:
            await self._app(scope, _Replay(body, receive), counted)

    def _may_pass(self, path: str, headers: dict[bytes, bytes]) -> bool:
        if self._key is None or path in OPEN_PATHS or path.startswith("/docs/"):
            return True
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        return hmac.compare_digest(given.strip(), self._key) and scheme.lower() == b"bearer"

    def _too_large(self) -> JSONResponse:
        return JSONResponse(
            error("too_large", f"the request's body is larger than {self._max_body_bytes} bytes"), 413, _CLOSE
        )


_CLOSE = {"Connection": "close"}


class _TooLargeError(Exception):
    """The body outgrew its limit."""


class _GoneError(Exception):
    """The client went away."""


def _length(headers: dict[bytes, bytes]) -> int:
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 20 else 0


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _GoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise _TooLargeError
        if not message.get("more_body", False):
            return bytes(body)


class _Replay:
    """A ``receive`` that gives a body once, then what the client does next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


def timed_protocol(timeout_s: float) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, closing connections whose request line and headers do not arrive in time."""

    class TimedProtocol(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(timeout_s, self._close)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            waiting = self.cycle is None or self.cycle.response_complete
            if not waiting and self._late is not None:
                self._late.cancel()
                self._late = None
            elif waiting and self._late is None:
                self._late = self.loop.call_later(timeout_s, self._close)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._late is not None:
                self._late.cancel()
            super().connection_lost(exc)

        def _close(self) -> None:
            self._late = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return TimedProtocol
