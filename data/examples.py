"""Examples from chat files: the project's own, or a user's, every row judged before it is used.

A row is ``{"messages": [system, user, assistant]}``; the system turn may be left out. Only the reading (from the user
turn) and the notice (the assistant turn) are taken: the system turn is always :data:`data.prompts.SYSTEM_PROMPT`, so
that training, pairs, evaluation and serving speak one prompt.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.prompts import SYSTEM_PROMPT, Message, chat_messages, parse_user_text
from data.reading import Reading
from data.splits import is_heldout
from rewards.judge import judge_batch
from rewards.rubric import DEFAULT_RUBRIC, Rubric

OnInvalid = Literal["stop", "drop", "keep"]

FOLDER = Path(__file__).parent
TRAIN_FILE = FOLDER / "train_chat_large.jsonl"
VALIDATION_FILE = FOLDER / "validation_chat_large.jsonl"


@dataclass(frozen=True)
class Example:
    """One chat: a reading and the notice written for it, with the file line it came from."""

    reading: Reading
    notice: str
    line: int

    @property
    def messages(self) -> list[Message]:
        """System, user and assistant turn."""
        return chat_messages(self.reading, self.notice)


@dataclass(frozen=True)
class InvalidRow:
    """A row that cannot be read (``form``), is a test cell (``split``), or breaks a rule of the rubric."""

    path: Path
    line: int
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.reason}"


class InvalidExamplesError(ValueError):
    """A chat file holds rows that must not be trained on; ``rows`` lists every one."""

    def __init__(self, path: Path, rows: Sequence[InvalidRow]) -> None:
        self.rows = tuple(rows)
        listing = "\n".join(f"  {row}" for row in rows)
        lines = len({row.line for row in rows})
        super().__init__(
            f"{path}: {lines} invalid row(s):\n{listing}\n"
            "Mend them, or pass --on_invalid drop (leave them out) or --on_invalid keep "
            "(train on rows that break a rule; unreadable rows and test cells are left out all the same)."
        )


@dataclass(frozen=True)
class ExampleFile:
    """What was taken from a chat file, what was wrong with it, and whether it brought another system turn."""

    examples: tuple[Example, ...]
    invalid: tuple[InvalidRow, ...]
    other_system_turns: int


def load_examples(path: Path, on_invalid: OnInvalid = "stop", rubric: Rubric = DEFAULT_RUBRIC) -> ExampleFile:
    """Read and judge a chat file.

    Args:
        path: a JSONL file, UTF-8.
        on_invalid: ``stop`` raises, ``drop`` leaves every invalid row out, ``keep`` keeps rows that break a rule.
        rubric: the limits the notices are judged by.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidExamplesError: ``on_invalid`` is ``stop`` and a row is invalid; lists all of them.
        ValueError: no usable row is left.
    """
    readable: list[Example] = []
    invalid: list[InvalidRow] = []
    rows = other_system_turns = 0
    for number, line in _lines(path):
        rows += 1
        try:
            reading, notice, system = _parse(line)
        except ValueError as error:
            invalid.append(InvalidRow(path, number, "form", str(error)))
            continue
        if is_heldout(reading):
            invalid.append(
                InvalidRow(path, number, "split", f"{reading.yesterday} -> {reading.today} is kept for the test split")
            )
            continue
        other_system_turns += system not in (None, SYSTEM_PROMPT)
        readable.append(Example(reading, notice, number))
    verdicts = judge_batch([(e.notice, e.reading.yesterday, e.reading.today) for e in readable], rubric)
    for example, verdict in zip(readable, verdicts, strict=True):
        invalid += [
            InvalidRow(path, example.line, result.name, result.reason or "failed")
            for result in verdict.rules
            if not result.passed
        ]
    invalid.sort(key=lambda row: row.line)
    if invalid and on_invalid == "stop":
        raise InvalidExamplesError(path, invalid)
    examples = (
        readable
        if on_invalid == "keep"
        else [example for example, verdict in zip(readable, verdicts, strict=True) if verdict.passed]
    )
    if not examples:
        raise ValueError(f"{path}: no usable row of {rows}")
    return ExampleFile(tuple(examples), tuple(invalid), other_system_turns)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _parse(line: bytes) -> tuple[Reading, str, str | None]:
    """Reading, notice and system text of one row; ValueError says what is wrong with its form."""
    try:
        row: Any = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not a chat: nested too deeply") from error
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list):
        raise ValueError("expected an object with a list under 'messages'")
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    if roles not in (["system", "user", "assistant"], ["user", "assistant"]):
        raise ValueError(f"expected the roles system, user, assistant, got {roles}")
    contents = [message.get("content") for message in messages]
    for role, content in zip(roles, contents, strict=True):
        if not isinstance(content, str):
            raise ValueError(f"the content of {role} must be a text, got {type(content).__name__}")
    system = contents[0] if len(contents) == 3 else None
    return parse_user_text(contents[-2]), contents[-1], system
