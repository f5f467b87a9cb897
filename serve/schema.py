"""What goes over the wire: the request, the answer, and the one shape of every error."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from data.reading import Reading
from rewards.verdict import Verdict
from serve.fallback import HIGHEST, LOWEST
from serve.guard import Answer, Source

HOTTEST_SAMPLING = 2.0


def _number(value: Any) -> Any:
    """Only a JSON number: no text, no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def _whole(value: Any) -> Any:
    """A whole number; 20.0 is one."""
    value = _number(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"must be a whole number of degrees, got {value}")
    return int(value)


# The bounds stand before the validator, or they would be missing from the OpenAPI document.
Degrees = Annotated[int, Field(ge=LOWEST, le=HIGHEST), BeforeValidator(_whole)]


class Request(BaseModel):
    """Two temperatures, and how freely to write."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"yesterday_temp": 10, "today_temp": 20, "temperature": 0.3}]}
    )

    yesterday_temp: Degrees = Field(description="Yesterday's temperature in whole degrees Celsius")
    today_temp: Degrees = Field(description="Today's temperature in whole degrees Celsius")
    temperature: Annotated[float, Field(ge=0, le=HOTTEST_SAMPLING, allow_inf_nan=False), BeforeValidator(_number)] = (
        Field(default=0.0, description="Of the sampling: 0 always writes the same, 0.3 to 0.7 varies")
    )

    @property
    def reading(self) -> Reading:
        """Both temperatures."""
        return Reading(self.yesterday_temp, self.today_temp)


class RuleAnswer(BaseModel):
    """One rule's result."""

    passed: bool
    measured: Any = Field(description="What was found: a figure, a length, a word")
    reason: str | None = Field(description="Why it failed; null when it passed")


class VerdictAnswer(BaseModel):
    """The judge's verdict, rule by rule."""

    passed: bool
    groups: dict[str, bool]
    rules: dict[str, RuleAnswer]
    soft: dict[str, bool]


class NoticeAnswer(BaseModel):
    """A notice that passes every rule."""

    message: str
    delta: int = Field(description="Today minus yesterday, in degrees")
    verdict: VerdictAnswer
    source: Source = Field(description="model: its first answer; retry: a further sample; template: a ready notice")
    attempts: int = Field(description="Answers of the model that were judged", ge=0)
    latency_ms: float = Field(ge=0)
    model: str
    run_id: str | None

    @classmethod
    def of(cls, reading: Reading, answer: Answer, latency_ms: float, model: str, run_id: str | None) -> "NoticeAnswer":
        """From what the guard gave."""
        return cls(
            message=answer.message,
            delta=reading.delta,
            verdict=_verdict(answer.verdict),
            source=answer.source,
            attempts=answer.attempts,
            latency_ms=round(latency_ms, 1),
            model=model,
            run_id=run_id,
        )


class FieldReason(BaseModel):
    """A field of the request, and what is wrong with it."""

    field: str
    reason: str


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str
    message: str
    fields: list[FieldReason]


class ErrorAnswer(BaseModel):
    """The shape of every error."""

    error: ErrorBody


Status = Literal["starting", "ready", "failing"]


class Health(BaseModel):
    """Whether the service is ready, and with what."""

    status: Status
    model: str
    run_id: str | None
    engine_error: str | None = Field(description="Why the engine gave no answer when last asked, if it gave none")


def error(code: str, message: str, fields: list[FieldReason] | None = None) -> dict[str, Any]:
    """An error as JSON."""
    return ErrorAnswer(error=ErrorBody(code=code, message=message, fields=fields or [])).model_dump()


def _verdict(verdict: Verdict) -> VerdictAnswer:
    return VerdictAnswer.model_validate(verdict.to_dict())
