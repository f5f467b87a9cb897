"""Settings of the service: environment variables, or the same keys in ``.env``; every one has a default.

The guide's four keys have the guide's names; all others begin with ``ONDO_``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.quantize import Quantization

PREFIX = "ONDO_"
_GUIDE = ("use_finetuned", "adapter_path", "use_chat_format", "quantization")
_OTHERS = frozenset({"ONDO_CACHE", "ONDO_DEBUG"})
"""Keys that other parts of ondo read."""


class SettingsError(ValueError):
    """A setting is wrong; the message names each key and why."""


def _guide(name: str) -> Any:
    return AliasChoices(name.upper(), name)


class Settings(BaseSettings):
    """Everything that can be set. A field's key is ``ONDO_`` and its name in capitals, but for the guide's four."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    # the guide's
    use_finetuned: bool = Field(default=True, validation_alias=_guide("use_finetuned"))
    """Put a trained adapter on the base model."""
    adapter_path: Path | None = Field(default=None, validation_alias=_guide("adapter_path"))
    """A run's directory, or a folder with a PEFT adapter; without it the newest finished run, DPO before SFT."""
    use_chat_format: bool = Field(default=True, validation_alias=_guide("use_chat_format"))
    """Write the prompt with the chat template that ondo trains with; false gives the bare texts."""
    quantization: Quantization | None = Field(default=None, validation_alias=_guide("quantization"))
    """Of the weights; without it what the run was trained with. ``4bit`` and ``8bit`` need a GPU."""

    engine: Literal["local", "openai"] = "local"
    base_model: str | None = None
    """Without it the one the run was trained on, or the embedded one."""
    base_revision: str | None = None
    trust_remote_code: bool = False
    runs: Path = Path("runs")
    openai_base_url: str = "http://127.0.0.1:8001/v1"
    openai_model: str | None = None
    openai_api_key: SecretStr | None = None

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes a free one and says which."""
    api_key: SecretStr | None = None
    """When set, requests need ``Authorization: Bearer <key>``."""

    time_limit_s: float = Field(default=4.2, gt=0, le=600)
    """After so long a template notice is served."""
    retries: int = Field(default=2, ge=0, le=64)
    """Further samples when the first answer fails; the local engine holds them to the true change."""
    retry_temperature: float = Field(default=0.4, gt=0, le=2)
    retry_ahead: bool = True
    """Begin the retries along with the first answer instead of after it: sooner there, more work when it passes. In a
    crowd they begin after it all the same."""
    give_up: bool = True
    """End a first answer at the word where it goes wrong; false writes it whole, for the journal. Local engine only."""
    max_requests: int = Field(default=64, ge=1)
    """Answered at once; further ones get 503."""
    max_new_tokens: int = Field(default=64, ge=1, le=1024)
    batch_rows: int = Field(default=16, ge=1, le=1024)
    """Answers that the local engine decodes at once."""
    threads: int | None = Field(default=None, ge=1)
    """Of the local engine; without it every core."""
    cache_answers: int = Field(default=14_641, ge=0)
    """Kept for temperature 0; the default has room for every reading."""
    max_body_bytes: int = Field(default=16_384, ge=1)
    read_timeout_s: float = Field(default=5.0, gt=0)
    """For a client to send its request."""
    journal: Path | None = None
    """Without it ``journal.jsonl`` in the folder of the runs."""
    journal_mb: int = Field(default=64, ge=1)

    @field_validator("api_key", "openai_api_key")
    @classmethod
    def _not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("is blank; leave it out for none")
        return value

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        if self.engine == "openai" and not self.openai_model:
            raise ValueError("ONDO_ENGINE=openai needs ONDO_OPENAI_MODEL, the model's name at ONDO_OPENAI_BASE_URL")
        if self.engine == "openai" and not self.use_chat_format:
            raise ValueError("USE_CHAT_FORMAT=false: the openai engine speaks the chat API only")
        if not self.use_finetuned and self.adapter_path is not None:
            raise ValueError("ADAPTER_PATH is set but USE_FINETUNED=false: set it to true, or leave ADAPTER_PATH out")
        return self

    @property
    def journal_file(self) -> Path:
        """Where the journal lies."""
        return self.journal or self.runs / "journal.jsonl"


def read_settings(env_file: Path = Path(".env")) -> Settings:
    """Settings from the environment and, below it, a file of keys, which is put into the environment.

    Raises:
        SettingsError: a value is wrong, or a key that begins with ``ONDO_`` is unknown.
    """
    for key, value in dotenv_values(env_file).items():
        if value is not None:
            os.environ.setdefault(key, value)
    _refuse_unknown(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_said, error.errors()))) from error


def key_of(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field in _GUIDE else PREFIX + field.upper()


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {key_of(field) for field in Settings.model_fields} | _OTHERS
    unknown = sorted(key for key in environment if key.startswith(PREFIX) and key not in known)
    if unknown:
        raise SettingsError(f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _said(error: Any) -> str:
    where = "".join(key_of(str(part).lower()) + ": " for part in error["loc"][:1])
    given = f", got {error['input']!r}" if error["loc"] and "key" not in str(error["loc"][0]).lower() else ""
    return f"{where}{error['msg'].removeprefix('Value error, ')}{given}"
