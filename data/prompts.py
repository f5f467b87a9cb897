"""The prompt: one system text, one form of user text, and the chat built from them."""

import json
import re
from hashlib import sha256
from typing import TypedDict

from data.reading import Reading

SYSTEM_PROMPT = (
    "당신은 공원 전광판의 안내 문구를 쓰는 사람입니다. "
    "어제와 오늘의 기온을 받으면 어제보다 몇 도 오르거나 내렸는지 숫자로 밝히고, "
    "오늘 날씨에 맞는 공원 이용 조언을 담아 40자에서 70자 사이의 존댓말 한 문장만 쓰세요. "
    "제목이나 따옴표, 다른 설명은 붙이지 마세요."
)

_USER_TEXT = re.compile(r"어제 (-?\d+)도, 오늘 (-?\d+)도")


class Message(TypedDict):
    """One turn of a chat."""

    role: str
    content: str


def user_text(reading: Reading) -> str:
    """The user turn of a reading, e.g. ``어제 -5도, 오늘 8도``."""
    return f"어제 {reading.yesterday}도, 오늘 {reading.today}도"


def parse_user_text(text: str) -> Reading:
    """The reading a user turn states.

    Raises:
        ValueError: the text is not of the form that :func:`user_text` writes.
    """
    match = _USER_TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"user text {text!r} is not of the form '어제 10도, 오늘 -5도'")
    return Reading(int(match[1]), int(match[2]))


def prompt_messages(reading: Reading) -> list[Message]:
    """System and user turn: what the model is given."""
    return [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": user_text(reading)},
    ]


def chat_messages(reading: Reading, notice: str) -> list[Message]:
    """The whole chat of one example: system, user and the notice as the assistant's turn."""
    return [*prompt_messages(reading), {"role": "assistant", "content": notice}]


def prompt_hash() -> str:
    """SHA-256 over the prompt of a fixed reading, hexadecimal: it changes with the system text or the user form."""
    return sha256(json.dumps(prompt_messages(Reading(-5, 8)), ensure_ascii=False).encode()).hexdigest()
