"""What holds for every text: a verdict in bounded work, the same each time, alone or in a batch, in NFC or NFD."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.judge import judge, judge_batch
from rewards.rubric import Rubric
from rewards.text import LONGEST, prepare
from rewards.verdict import GROUPS, RULES, Verdict

GOOD = "어제보다 7도 올라 한결 포근해졌으니 가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
PIECES = (
    *(
        "어제",
        "보다 ",
        "오늘은 ",
        "7도",
        "-3도",
        "영하 5도",
        "3℃ ",
        "10°C ",
        "10",
        "도",
        " 올라 ",
        "내려 ",
        "높은 ",
        "따뜻하고 ",
    ),
    *(
        "추운 ",
        "덜 ",
        "더 ",
        "같",
        "비슷하니 ",
        "차이가 ",
        "않",
        "지 말",
        "없이 ",
        "대신 ",
        "겉옷",
        "물",
        "을 ",
        "동물",
        "공원",
        "에서 ",
    ),
    *(
        "쉬어 가세요",
        "습니다",
        "니다",
        ".",
        "!",
        "?",
        ",",
        "...",
        "…",
        " ",
        "\n",
        "\t",
        "출력: ",
        "(또는) ",
        '"',
        "'",
        "(",
        ")",
        "[",
        "]",
    ),
    *(
        "**",
        "# ",
        "- ",
        "1. ",
        "<eos>",
        "<",
        "|",
        "다음은 ",
        "문장입니다",
        "주의보",
        "ㅎㅎ",
        "\u200b",
        "\ufeff",
        "🙂",
        "公",
        "\ud800",
        "X",
    ),
)
anything = st.text(st.characters(exclude_categories=()), max_size=120)
korean = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
messages = st.one_of(anything, korean)
degrees = st.integers(-60, 60)
EXAMPLES = settings(max_examples=150, deadline=None)


def whole(verdict: Verdict) -> str:
    return json.dumps(verdict.to_dict(), sort_keys=True)


@EXAMPLES
@given(messages, degrees, degrees)
def test_every_text_gets_the_same_verdict_each_time(message: str, yesterday: int, today: int) -> None:
    verdict = judge(message, yesterday, today)
    assert [result.name for result in verdict.rules] == list(RULES)
    assert whole(verdict) == whole(judge(message, yesterday, today))
    assert verdict.passed == all(verdict.groups.values()) == (not verdict.failed)
    assert set(verdict.groups) == set(GROUPS)
    assert {result.name for result in verdict.rules if result.reason} == verdict.failed


@EXAMPLES
@given(st.lists(st.tuples(messages, degrees, degrees), max_size=6))
def test_a_batch_is_its_members(items: list[tuple[str, int, int]]) -> None:
    assert [whole(verdict) for verdict in judge_batch(items)] == [whole(judge(*item)) for item in items]


@EXAMPLES
@given(messages, degrees, degrees)
def test_composed_and_decomposed_text_agree(message: str, yesterday: int, today: int) -> None:
    composed, decomposed = (unicodedata.normalize(form, message) for form in ("NFC", "NFD"))
    assert whole(judge(composed, yesterday, today)) == whole(judge(decomposed, yesterday, today))


@EXAMPLES
@given(st.integers(-20, 45), st.integers(-20, 45), st.integers(0, 90))
def test_only_the_true_size_passes_delta(yesterday: int, today: int, claimed: int) -> None:
    """By hand: ``어제보다 N도 올라 …`` is right about the size when N is the distance of the two temperatures."""
    verdict = judge(GOOD.replace("7도", f"{claimed}도"), yesterday, today)
    assert verdict.rule("delta").passed == (yesterday != today and claimed == abs(today - yesterday))
    assert verdict.rule("direction").passed == (today > yesterday)


@pytest.mark.parametrize("piece", PIECES)
def test_endless_texts_are_read_up_to_a_limit(piece: str) -> None:
    message = piece * 1200
    text = prepare([message])[0]
    assert max(text.morphemes.ends, default=0) <= LONGEST
    assert judge(message, 30, 36).rule("length").measured == len(unicodedata.normalize("NFC", message).strip())


def test_a_message_of_a_million_characters() -> None:
    verdict = judge(GOOD + " 걷고 쉬고" * 170_000, 10, 17)
    assert verdict.rule("length").measured > 1_000_000
    assert not verdict.passed


def test_lone_surrogates_are_no_korean() -> None:
    verdict = judge(GOOD.replace("가벼운", "\ud83d"), 10, 17)
    assert verdict.rule("script").measured == "U+D83D"
    assert verdict.failed == {"script"}


def test_blank_ends_do_not_count() -> None:
    assert whole(judge(f"\n  {GOOD}\u3000 ", 10, 17)) == whole(judge(GOOD, 10, 17))
    assert judge(GOOD, 10, 17).passed


@pytest.mark.parametrize(
    ("rubric", "failed"),
    [
        (Rubric(min_chars=60), {"length"}),
        (Rubric(min_chars=10, max_chars=40), {"length"}),
        (Rubric(severe_cold=17, cold=17), {"safety"}),
        (Rubric(cold=17), {"safety"}),
        (Rubric(warm=17, hot=40), {"safety"}),
        (Rubric(warm=17, hot=17), {"safety"}),
        (Rubric(), set()),
    ],
    ids=str,
)
def test_the_limits_of_the_rubric_act(rubric: Rubric, failed: set[str]) -> None:
    light = GOOD.replace("가벼운 겉옷을 걸치고", "가벼운 옷차림으로") if rubric.cold == 17 else GOOD
    assert judge(light, 10, 17, rubric).failed == failed


def test_more_sentences_may_be_allowed() -> None:
    two = "어제보다 7도 올라 한결 포근해졌습니다. 공원 둘레길을 천천히 걸어 보시기 바랍니다."
    assert judge(two, 10, 17).failed == {"one_sentence"}
    assert judge(two, 10, 17, Rubric(max_sentences=2)).passed


@pytest.mark.parametrize(
    "limits",
    [
        {"min_chars": 71},
        {"min_chars": -1},
        {"max_sentences": 0},
        {"cold": 28},
        {"severe_cold": 6},
        {"hot": 27},
    ],
    ids=str,
)
def test_impossible_rubrics_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        Rubric(**limits)
