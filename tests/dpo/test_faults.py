from random import Random

import pytest

from data.reading import Reading
from dpo.faults import FAULTS, Fault, select_faults
from rewards.verdict import RULES

NOTICE = "어제보다 7도 올라 한결 포근해졌으니, 가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
READING = Reading(10, 17)


def first(name: str, notice: str = NOTICE, reading: Reading = READING, seed: int = 0) -> str:
    (fault,) = select_faults([name])
    return next(fault.corrupt(notice, reading, Random(seed)))


def every(name: str, notice: str = NOTICE, reading: Reading = READING) -> list[str]:
    (fault,) = select_faults([name])
    return list(fault.corrupt(notice, reading, Random(0)))


def test_names_are_unique_and_every_rule_has_a_fault() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert {fault.rule for fault in FAULTS} == set(RULES)
    assert all(fault.rule in fault.breaks <= set(RULES) for fault in FAULTS)


def test_unknown_names_are_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown fault delta_of; known: .*label_front.*delta_sum"):
        select_faults(["delta_sum", "delta_of"])
    assert [fault.name for fault in select_faults(["delta_sum", "label_front"])] == ["label_front", "delta_sum"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_deterministic_and_leaves_global_random_state_alone(fault: Fault) -> None:
    import random

    random.seed(1)
    before = random.getstate()
    once = list(fault.corrupt(NOTICE, READING, Random(3)))
    assert once == list(fault.corrupt(NOTICE, READING, Random(3)))
    assert random.getstate() == before


def test_wrong_sizes_stand_where_the_change_stands() -> None:
    assert set(every("delta_off_by_one")) == {NOTICE.replace("7도", "6도"), NOTICE.replace("7도", "8도")}
    assert every("delta_off_by_ten") == [NOTICE.replace("7도", "17도")]
    assert every("delta_sum") == [NOTICE.replace("7도", "27도")]
    assert every("delta_today") == [NOTICE.replace("7도", "17도")]


def test_sums_across_zero_are_the_sum_of_the_signed_figures() -> None:
    notice = NOTICE.replace("7도", "13도")
    assert every("delta_sum", notice, Reading(-5, 8)) == [notice.replace("13도", "3도")]


def test_a_change_of_one_degree_is_never_made_zero() -> None:
    notice = NOTICE.replace("7도", "1도")
    assert every("delta_off_by_one", notice, Reading(10, 11)) == [notice.replace("1도", "2도")]


def test_spelled_and_left_out() -> None:
    assert every("delta_spelled") == [NOTICE.replace("7도", "칠 도")]
    ten = NOTICE.replace("7도", "10도")
    assert set(every("delta_spelled", ten, Reading(7, 17))) == {
        ten.replace("10도", word) for word in ("십 도", "열 도")
    }
    assert {text.split(" 올라")[0] for text in every("delta_left_out")} == {
        "어제보다 제법",
        "어제보다 꽤",
        "어제보다 꽤나",
    }
    particle = NOTICE.replace("7도", "무려 7도가")
    assert every("delta_left_out", particle)[0].startswith("어제보다 기온이 올라")


def test_the_word_for_yesterday_is_left_out_only_where_nothing_hangs_on_it() -> None:
    assert every("delta_no_yesterday") == [NOTICE.removeprefix("어제보다 ")]
    assert every("delta_no_yesterday", "귀가 시리던 " + NOTICE) == []


def test_a_second_sentence() -> None:
    opening = "어제보다 7도 올라 한결 포근해졌습니다"
    rest = "가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
    assert first("sentence_split") == f"{opening}. {rest}"
    assert first("sentence_run_on") == f"{opening} {rest}"
    assert first("sentence_spliced") == f"{opening}, {rest}"


def test_endings() -> None:
    stem = NOTICE.removesuffix("걸어 보세요.")
    assert first("ending_noun") == stem + "걷기."
    assert set(every("ending_plain")) == {stem + end for end in ("걸어 봐라.", "걸어 보자.")}


def test_delta_zero_has_faults_of_its_own() -> None:
    same = "기온이 어제와 비슷해 선선하니, 얇은 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
    assert every("delta_off_by_one", same, Reading(15, 15)) == [same.replace("비슷해", "1도 차이로 비슷해")]
    stated = same.replace("어제와 비슷해", "어제와 같은 15도라")
    assert first("delta_off_by_one", stated, Reading(15, 15)) == stated.replace("15도", "16도")


def test_advice_is_wrong_for_the_temperature() -> None:
    cold = "어제보다 7도 낮아 몹시 추우니 두꺼운 외투를 입고 공원 둘레길을 짧게 걸어 주세요."
    assert any("반팔" in text or "얇은 옷" in text for text in every("wrong_advice", cold, Reading(0, -7)))
    assert every("wrong_advice") == []  # 17 degrees: nothing is wrong at 17
    hot = "어제보다 3도 올라 몹시 더우니 양산을 쓰고 공원 그늘에서 쉬어 가세요."
    assert any("목도리" in text for text in every("wrong_advice", hot, Reading(31, 34)))
    assert any("산책하기 좋은 날씨입니다" in text for text in every("wrong_advice", hot, Reading(31, 34)))


def test_the_park_is_replaced_with_its_particles() -> None:
    texts = every("park_missing", NOTICE.replace("공원 둘레길을", "공원을"))
    assert all("공원" not in text for text in texts)
    assert any("야외를 천천히" in text for text in texts)
    assert any("강변을 천천히" in text for text in texts)


def test_a_place_that_an_adjective_describes_is_not_left_out() -> None:
    notice = "어제보다 1도 올랐지만 아직 쌀쌀한 공원에서 목도리를 두르고 걸어 보세요."
    assert not any("쌀쌀한 목도리" in text for text in every("park_missing", notice, Reading(3, 4)))


def test_only_what_tells_the_true_change_is_turned_round() -> None:
    rise = "어제보다 1도 올랐어도 아직 쌀쌀하니, 공원에서 겉옷을 여미고 걸어 보세요."
    assert first("direction_reversed", rise, Reading(4, 5)) == rise.replace("올랐어도", "떨어졌어도")
    fall = "하루 사이 3도 선선해진 공원에서 신나게 뛰고, 땀이 식기 전에 겉옷을 걸쳐 주세요."
    assert first("direction_reversed", fall, Reading(22, 19)) == fall.replace("선선해진", "따뜻해진")
    soared = "기온이 어제보다 23도 뛰어올라 더우니, 공원 운동은 멈추고 물을 드세요."
    assert "23도 떨어져 선선하니" in first("direction_reversed", soared, Reading(5, 28))


def test_a_size_without_its_way_is_compared_and_leaves_no_hint() -> None:
    assert first("direction_missing") == NOTICE.replace(
        "어제보다 7도 올라 한결 포근해졌으니", "어제와 7도 차이가 났으니"
    )
    modifying = "어제보다 7도 낮은 쌀쌀한 공원에서는 겉옷을 여미고 걸어 보세요."
    expected = modifying.replace("어제보다 7도 낮은 쌀쌀한", "어제와 7도 차이가 나는")
    assert first("direction_missing", modifying, Reading(17, 10)) == expected
    lived = "귀가 시리던 어제보다 7도 높아졌으니, 공원에서 겉옷을 여미고 걸어 보세요."
    assert every("direction_missing", lived, Reading(3, 10)) == []
    hinted = "추위가 풀려 어제보다 7도 올랐으니, 공원에서 겉옷을 여미고 걸어 보세요."
    assert every("direction_missing", hinted, Reading(3, 10)) == []
    figured = "어제 10도에서 오늘 17도로 7도 올랐으니, 공원에서 겉옷을 여미고 걸어 보세요."
    assert every("direction_missing", figured) == []


def test_too_short_is_never_too_long() -> None:
    wordy = "어제 18도의 봄기운이 무색하게 23도나 떨어져 코끝이 시리게 추우니, 공원에는 두꺼운 외투를 입고 나오세요."
    assert every("too_short", wordy, Reading(18, -5)) == []
    texts = every("too_short")
    assert any(text.startswith("어제보다 7도 올랐으니 공원") for text in texts)
    assert all(len(text) < 40 for text in texts)


def test_advice_in_plain_style_is_asked_of_the_reader() -> None:
    given = NOTICE.replace("걸어 보세요", "걸어 주세요")
    assert set(every("ending_plain", given)) >= {given.replace("걸어 주세요", word) for word in ("걸어라", "걷자")}
    drink = NOTICE.replace("공원 둘레길을 천천히 걸어 보세요", "공원에서 물을 드세요")
    assert {text.rsplit(" ", 1)[1] for text in every("ending_plain", drink)} == {"마셔라.", "마시자."}
    note = {text.rsplit("천천히 ", 1)[1] for text in every("ending_noun", given)}
    assert note >= {"걷기.", "걸어 줄 것."}
