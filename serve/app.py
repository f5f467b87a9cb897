"""The HTTP service around a guard: endpoints, limits, errors in one shape, a warm-up before it calls itself ready."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from data.reading import Reading
from serve.cache import Cache
from serve.docs import add_docs
from serve.engine import Engine
from serve.gate import Gate
from serve.guard import Answer, Guard, Tries
from serve.journal import Journal
from serve.metrics import Metrics
from serve.page import page_html
from serve.schema import ErrorAnswer, FieldReason, Health, NoticeAnswer, Request, Status, error
from serve.settings import Settings

WARM_UP = Reading(10, 20)
WATCH_S = 5.0
"""Between two looks at an engine that does not answer."""
SILENT_S = 15.0
"""An engine that gives no answer for so long makes the service ``failing``; a crowd alone does not."""
RETRY_AFTER_S = 1
log = logging.getLogger("ondo.serve")


class Service:
    """What the endpoints share: one engine, its guard, cache and counters.

    Args:
        settings: limits.
        engine: writes the answers; closed with the service.

    Raises:
        OSError: the journal cannot be written.
    """

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine, self.metrics = settings, engine, Metrics()
        self.journal = Journal(settings.journal_file, settings.journal_mb * 2**20)
        tries = Tries(settings.retries, settings.retry_temperature, settings.retry_ahead, settings.time_limit_s)
        self.guard = Guard(engine, self.journal, self.metrics, tries)
        self.cache: Cache[Reading, Answer] = Cache(settings.cache_answers, lambda answer: answer.source != "template")
        self._warm = False
        self._under_way = 0

    async def answer(self, reading: Reading, temperature: float) -> Answer | None:
        """A notice that passes; None when too many requests are being answered."""
        if temperature == 0:
            kept = self.cache.kept(reading)
            if kept is not None:
                self.metrics.cached.inc()
                return kept
        if self._under_way >= self.settings.max_requests:
            return None
        self._under_way += 1
        try:
            if temperature == 0:
                return await self.cache.get(reading, lambda: self.guard.answer(reading, 0.0))
            return await self.guard.answer(reading, temperature)
        finally:
            self._under_way -= 1
            self.metrics.under_way.set(self._under_way)

    @property
    def status(self) -> Status:
        """``starting`` until a warm-up answer passed, ``failing`` while the engine is silent, else ``ready``."""
        if not self._warm:
            return "starting"
        return "failing" if self.guard.silent_s > SILENT_S else "ready"

    async def watch(self) -> None:
        """Warm up: ask until the engine answers and a passing notice comes of it. Ask again when it falls silent."""
        while True:
            if not self._warm or self.guard.engine_error is not None:
                answer = await self.guard.answer(WARM_UP, 0.0)
                if self.guard.engine_error is not None:
                    log.warning("the engine gives no answer: %s", self.guard.engine_error)
                elif not self._warm and answer.verdict.passed:
                    self._warm = True
                    log.info("ready: %s %s", self.engine.name, self.engine.run_id or "")
            await asyncio.sleep(WATCH_S)

    async def close(self) -> None:
        """Let the engine go and close the journal."""
        await self.engine.close()
        self.journal.close()


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """The application.

    Raises:
        OSError: the journal cannot be written.
    """
    service = Service(settings, engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(service.watch())
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await service.close()

    app = FastAPI(
        title="ondo",
        description="A park notice for yesterday's and today's temperature. No notice that breaks a rule is served.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    app.add_middleware(
        Gate,
        api_key=key,
        max_body_bytes=settings.max_body_bytes,
        read_timeout_s=settings.read_timeout_s,
        count=service.metrics.count_request,
    )
    _add_errors(app)
    _add_endpoints(app, service, secured=key is not None)
    add_docs(app)
    return app


def _add_endpoints(app: FastAPI, service: Service, *, secured: bool) -> None:
    secure = [Security(HTTPBearer(auto_error=False))] if secured else []
    refusals: dict[int | str, dict[str, Any]] = {401: {"model": ErrorAnswer}} if secured else {}
    errors = refusals | {status: {"model": ErrorAnswer} for status in (408, 413, 422, 503)}

    @app.post("/generate/temperature", dependencies=secure, responses=errors, summary="Write a notice")
    async def generate(request: Request) -> NoticeAnswer:
        began = time.perf_counter()
        answer = await service.answer(request.reading, request.temperature)
        if answer is None:
            raise HTTPException(503, "too many requests at once", {"Retry-After": str(RETRY_AFTER_S)})
        seconds = time.perf_counter() - began
        service.metrics.latency.observe(seconds)
        engine = service.engine
        return NoticeAnswer.of(request.reading, answer, 1000 * seconds, engine.name, engine.run_id)

    @app.get("/health", responses={503: {"model": Health}}, summary="Whether the service is ready")
    async def health(response: Response) -> Health:
        status = service.status
        if status != "ready":
            response.status_code = 503
        engine = service.engine
        return Health(
            status=status,
            model=engine.name,
            run_id=engine.run_id,
            engine_error=service.guard.engine_error,
        )

    @app.get(
        "/metrics", dependencies=secure, responses=refusals, response_class=PlainTextResponse, summary="For Prometheus"
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    page = page_html()

    @app.get("/", include_in_schema=False)
    async def front() -> HTMLResponse:
        return HTMLResponse(page)


_CODES = {404: "not_found", 405: "method_not_allowed", 503: "busy"}


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(request: HttpRequest, exception: RequestValidationError) -> JSONResponse:
        return _invalid([_field(found) for found in exception.errors()])

    @app.exception_handler(HTTPException)
    async def refused(request: HttpRequest, exception: HTTPException) -> JSONResponse:
        if exception.status_code == 400:  # FastAPI's word for a body that its JSON reader gave up on
            return _invalid([FieldReason(field="body", reason="cannot be read as JSON")])
        content = error(_CODES.get(exception.status_code, "refused"), str(exception.detail))
        return JSONResponse(content, exception.status_code, exception.headers)

    @app.exception_handler(Exception)
    async def failed(request: HttpRequest, exception: Exception) -> JSONResponse:
        return JSONResponse(error("internal", "the service failed; its log says why"), 500)


def _invalid(fields: list[FieldReason]) -> JSONResponse:
    return JSONResponse(error("invalid", "; ".join(f"{each.field}: {each.reason}" for each in fields), fields), 422)


def _field(found: Any) -> FieldReason:
    """pydantic's error as field and reason; never with the input, which may be no valid JSON."""
    if found["type"] == "json_invalid":
        return FieldReason(field="body", reason=f"is no JSON: {found['ctx']['error']}")
    where = ".".join(str(part) for part in found["loc"][1:]) or "body"
    known = {"missing": "is missing", "extra_forbidden": "is not a field of this request"}
    reason = known.get(found["type"], str(found["msg"]).removeprefix("Value error, "))
    return FieldReason(field=where.encode("utf-8", "backslashreplace").decode()[:100], reason=reason)
