import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.prompts import SYSTEM_PROMPT, chat_messages, parse_user_text, user_text
from data.reading import Reading


def test_the_user_text_is_the_guides() -> None:
    assert user_text(Reading(10, 20)) == "어제 10도, 오늘 20도"
    assert user_text(Reading(-5, 8)) == "어제 -5도, 오늘 8도"


@given(st.integers(-99, 99), st.integers(-99, 99))
def test_a_user_text_reads_back(yesterday: int, today: int) -> None:
    assert parse_user_text(user_text(Reading(yesterday, today))) == Reading(yesterday, today)


@pytest.mark.parametrize("text", ["", "어제 10도", "어제 1.5도, 오늘 2도", "어제 10도, 오늘 20도, 내일 30도"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="user text"):
        parse_user_text(text)


def test_a_chat_has_three_turns_in_order() -> None:
    assert chat_messages(Reading(1, 2), "알림") == [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": "어제 1도, 오늘 2도"},
        {"role": "assistant", "content": "알림"},
    ]
