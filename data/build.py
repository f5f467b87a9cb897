"""The files built from the source of the written notices, and whether what stands there is what it gives."""

import json
from collections.abc import Sequence
from pathlib import Path

from data.card import CARD, figures, with_figures
from data.examples import TRAIN_FILE, VALIDATION_FILE
from data.prompts import chat_messages
from data.source import Notice, WrittenSplit
from rewards.judge import judge_batch


def by_split(notices: Sequence[Notice]) -> dict[WrittenSplit, tuple[Notice, ...]]:
    """The notices of each written split, in file order."""
    return {
        "train": tuple(notice for notice in notices if notice.split == "train"),
        "validation": tuple(notice for notice in notices if notice.split == "validation"),
    }


def built_files(notices: Sequence[Notice]) -> dict[Path, str]:
    """Both chat files and the dataset card, as the source gives them.

    Raises:
        OSError: the card cannot be read.
    """
    splits = by_split(notices)
    return {
        TRAIN_FILE: _chat_file(splits["train"]),
        VALIDATION_FILE: _chat_file(splits["validation"]),
        CARD: with_figures(CARD.read_text(encoding="utf-8"), figures(splits)),
    }


def different_files(built: dict[Path, str]) -> list[Path]:
    """The files that are missing or hold other bytes."""
    return [path for path, text in built.items() if not (path.is_file() and path.read_bytes() == text.encode())]


def broken_notices(notices: Sequence[Notice]) -> list[str]:
    """``line: rule: reason`` for every rule that a written notice breaks."""
    verdicts = judge_batch([(n.text, n.reading.yesterday, n.reading.today) for n in notices])
    return [
        f"{notice.line}: {result.name}: {result.reason}"
        for notice, verdict in zip(notices, verdicts, strict=True)
        for result in verdict.rules
        if not result.passed
    ]


def _chat_file(notices: Sequence[Notice]) -> str:
    rows = [{"messages": chat_messages(notice.reading, notice.text)} for notice in notices]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
