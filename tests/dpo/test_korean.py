from random import Random

import pytest

from data.reading import Reading
from dpo.faults.direction import FAULTS as DIRECTION
from dpo.faults.figures import change_figures, figures, sino_korean
from dpo.faults.korean import agree, clauses, replace_noun, spell


@pytest.mark.parametrize(
    ("word", "particle", "form"),
    [
        ("강변", "를", "을"),
        ("야외", "을", "를"),
        ("숲길", "으로", "로"),
        ("광장", "로", "으로"),
        ("동네", "과", "와"),
        ("겉옷", "는", "은"),
        ("겉옷", "에서", "에서"),
    ],
)
def test_particles_agree(word: str, particle: str, form: str) -> None:
    assert agree(word, particle) == form


@pytest.mark.parametrize(
    ("text", "old", "new", "read", "expected"),
    [
        ("공원을 걷고 공원에서 쉬며", "공원", "야외", None, "야외를 걷고 야외에서 쉬며"),
        ("겉옷을 챙겨", "겉옷", "jacket", "재킷", "jacket을 챙겨"),
        ("외투는 두고", "외투", "coat", "코트", "coat는 두고"),
        ("물놀이 뒤에 물을", "물", "水", "수", "물놀이 뒤에 水를"),
        ("가을이 오니", "을", "x", None, "가을이 오니"),
        ("공원 산책로 곳곳이", "산책", "walking", "워킹", "공원 산책로 곳곳이"),
    ],
)
def test_nouns_are_replaced_with_their_particle(text: str, old: str, new: str, read: str | None, expected: str) -> None:
    assert replace_noun(text, old, new, read=read) == expected


@pytest.mark.parametrize(
    ("morphemes", "form"),
    [
        ([("쌀쌀", "XR"), ("하", "XSA"), ("으니", "EC")], "쌀쌀하니"),
        ([("덥", "VA-I"), ("니", "EC")], "더우니"),
        ([("오르", "VV"), ("었", "EP"), ("니", "EC")], "올랐으니"),
        ([("떨어지", "VV"), ("었", "EP"), ("ᆸ니다", "EF")], "떨어졌습니다"),
        ([("걷", "VV-I"), ("세요", "EF")], "걸으세요"),
    ],
)
def test_stems_get_the_ending_that_fits(morphemes: list[tuple[str, str]], form: str) -> None:
    assert spell(morphemes) == form


def test_clauses_are_finished_by_what_they_say() -> None:
    text = "어제에 비해 6도 올라 포근하니, 공원 벤치에서 책을 읽고 쉬어 가세요."
    found = list(clauses(text))
    assert [clause.finished for clause in found] == [
        "어제에 비해 6도 올랐습니다",
        "어제에 비해 6도 올라 포근합니다",
        "어제에 비해 6도 올라 포근하니, 공원 벤치에서 책을 읽으세요",
    ]
    assert [clause.strong for clause in found] == [False, True, False]
    assert found[0].linked == "어제에 비해 6도 올랐으니"


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("겉옷을 겹쳐 입기 좋은 날입니다.", []),  # one action in two verbs
        ("공원을 걷고 나서 쉬세요.", []),
        ("추위가 그칠 줄 모르니, 공원에서 쉬세요.", ["추위가 그칠 줄 모릅니다"]),
        ("외투를 꺼내야 하니, 공원에서 쉬세요.", ["외투를 꺼내야 합니다"]),
        ("더위는 남아 있으니, 공원에서 쉬세요.", ["더위는 남아 있습니다"]),
    ],
)
def test_a_clause_is_what_can_stand_alone_and_a_reason_is_stated(text: str, finished: list[str]) -> None:
    assert [clause.finished for clause in clauses(text)] == finished


def test_figures_below_zero_and_the_one_that_states_the_change() -> None:
    text = "어제 영하 5도에서 오늘 8도로 13도 올라"
    assert [figure.value for figure in figures(text)] == [-5, 8, 13]
    assert [text[f.start : f.end] for f in change_figures(text, Reading(-5, 8))] == ["13도"]
    same = "어제 10도에서 오늘 20도로 10도 올라"
    assert change_figures(same, Reading(10, 20))[0].start == same.rindex("10도")


@pytest.mark.parametrize(
    ("value", "words"),
    [(1, "일"), (10, "십"), (13, "십삼"), (20, "이십"), (25, "이십오")],
)
def test_spelled_numbers(value: int, words: str) -> None:
    assert sino_korean(value) == words


@pytest.mark.parametrize(
    ("yesterday", "today", "notice", "expected"),
    [
        (10, 17, "어제보다 7도 올라 포근하니 공원을 걸으세요.", "어제보다 7도 떨어져 쌀쌀하니 공원을 걸으세요."),
        (17, 10, "전날보다 7도 낮아져 쌀쌀하니, 겉옷을 챙기세요.", "전날보다 7도 높아져 포근하니, 겉옷을 챙기세요."),
        (30, 25, "어제보다 5도 시원해진 공원에서 쉬세요.", "어제보다 5도 더워진 공원에서 쉬세요."),
        (8, -3, "하루 만에 11도 내려가 추우니, 장갑을 끼세요.", "하루 만에 11도 올라가 따뜻하니, 장갑을 끼세요."),
    ],
)
def test_the_change_is_turned_round_with_its_endings(yesterday: int, today: int, notice: str, expected: str) -> None:
    turned = next(DIRECTION[0].corrupt(notice, Reading(yesterday, today), Random(0)))
    assert turned == expected
