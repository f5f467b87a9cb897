"""Faults of ``delta``: the wrong size of the change, or none that can be read."""

import re
from collections.abc import Callable, Iterator
from random import Random

from data.reading import Reading
from dpo.faults.fault import Corrupt, fault, shuffled
from dpo.faults.figures import change_figures, figures, sino_korean, with_value
from dpo.faults.korean import after_modifier, agree, tokens

_SAME = re.compile(r"비슷|같(?=[은아이고습으])|동일|(?:어제 |전날 )?그대로|변함없|차이가 없어")
_SAME_CLAIM = re.compile(
    r"(어제|전날)(와|과)?( 기온이| 온도가)?( 거의| 똑| 꼭)? ?(같은|비슷한|동일한|변함없는|다름없는|그대로인) "
)
_YESTERDAY = re.compile(
    r"(어제|전날|전일|하루 전)(보다도?|에 비해서?|과 비교해|와 비교해|와 견주어|과 견주어|와 달리|와 비교하면) "
    r"|하루 (만에|새에?|사이에?) "
)
_ROUNDING = r"(?:(?:약|무려|고작|겨우|거의|대략) )?"
_DEGREES = (("크게", "많이", "부쩍"), ("제법", "꽤", "꽤나"), ("조금", "약간", "살짝"))
_NATIVE = {10: ("열",), 20: ("스무",)}
"""Degrees are counted in Sino-Korean; only these are also heard in native words."""
_APPROXIMATE = r"(?:가량|정도|쯤|나|이나|만큼)?"


def _wrong_figure(values: Callable[[Reading], list[int]]) -> Corrupt:
    """A fault that writes one of ``values`` where the change stands; at delta 0 it claims such a difference."""

    def corrupt(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
        true = abs(reading.delta)
        wrong = [value for value in dict.fromkeys(values(reading)) if value > 0 and value != true]
        rng.shuffle(wrong)
        for value in wrong:
            for figure in change_figures(notice, reading):
                yield with_value(notice, figure, value)
            if reading.delta == 0:
                yield from _false_temperature(notice, value, reading)
                yield from _false_difference(notice, value)

    return corrupt


def _false_temperature(notice: str, value: int, reading: Reading) -> Iterator[str]:
    """At delta 0: a temperature that is off by ``value`` where today's stands."""
    for figure in figures(notice):
        if figure.value == reading.today and reading.today:
            yield with_value(notice, figure, abs(reading.today) + value)


def _false_difference(notice: str, value: int) -> Iterator[str]:
    """At delta 0: a difference beside the word for sameness."""
    for match in _SAME.finditer(notice):
        head, tail = notice[: match.start()], notice[match.end() :]
        if match[0] == "차이가 없어":
            yield f"{head}차이가 {value}도라{tail}"
        elif match[0].startswith(("어제", "전날")):
            yield f"{head}{match[0][:2]}{agree(match[0][:2], '와')} {value}도 차이로 그대로{tail}"
        else:
            yield f"{head}{value}도 차이로 {match[0]}{tail}"


def _off_by_one(reading: Reading) -> list[int]:
    return [abs(reading.delta) - 1, abs(reading.delta) + 1]


def _off_by_ten(reading: Reading) -> list[int]:
    return [abs(reading.delta) - 10, abs(reading.delta) + 10]


def _sum(reading: Reading) -> list[int]:
    if reading.delta == 0:
        return []  # nothing to add up: the notice states no size
    return [abs(reading.yesterday) + abs(reading.today), abs(reading.yesterday + reading.today)]


def _today(reading: Reading) -> list[int]:
    return [abs(reading.today)] if reading.delta else []


def _spelled(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    for figure in change_figures(notice, reading):
        head, tail = notice[: figure.digits_start], notice[figure.digits_end :].lstrip(" ")
        if tail.startswith("도"):  # no word is written before a sign: 칠 ℃
            words = [sino_korean(figure.value), *_NATIVE.get(figure.value, ())]
            yield from (f"{head}{word} {tail}" for word in rng.sample(words, len(words)))


def _left_out(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    size = abs(reading.delta)
    degree = _DEGREES[0 if size >= 10 else 1 if size >= 5 else 2]
    for figure in change_figures(notice, reading):
        head = re.sub(_ROUNDING + "$", "", notice[: figure.start])
        tail = notice[figure.end :]
        subject = re.match(r"(?:가|이) ", tail)
        tail = re.sub(rf"^{_APPROXIMATE}(?:가|이|를|의)? ?", "", tail)
        if subject:
            yield f"{head}기온이 {tail}"
            continue
        following = tokens(tail)[0] if tail else None
        if following and following.is_a("MAG"):
            yield head + tail
            continue
        if tail.startswith(("차이", "상승", "하락", "하강")) and tail[2:3] not in "했하한할함해된돼":
            yield f"{head}{'큰' if size >= 5 else '작은'} {tail}"
        adverbs: tuple[str, ...] = degree
        if following and following.is_a("VA", "XR"):  # a state is compared, not a movement
            adverbs = ("훨씬", "한결") if size >= 5 else ("조금", "약간")
        for adverb in shuffled(adverbs, rng):
            if adverb + " " not in tail:
                yield f"{head}{adverb} {tail}"
    if reading.delta == 0:
        for match in _SAME_CLAIM.finditer(notice):
            before = [token for token in tokens(notice) if token.end <= match.start()]
            if not (before and before[-1].is_a("JKS")):  # 바람이 어제와 비슷한 날: the subject needs its verb
                yield notice[: match.start()] + notice[match.end() :]


def _approximate(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    for figure in change_figures(notice, reading):
        tail = re.sub(rf"^{_APPROXIMATE}", "", notice[figure.end :])
        head = re.sub(_ROUNDING + "$", "", notice[: figure.start]) + notice[figure.start : figure.end]
        for vague in shuffled((" 이상", " 넘게"), rng):
            if tail.startswith(" "):
                yield head + vague + tail


def _no_yesterday(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    for match in _YESTERDAY.finditer(notice):
        if not after_modifier(notice, match.start()):
            yield notice[: match.start()] + notice[match.end() :]


FAULTS = (
    fault("delta_off_by_one", "delta", _wrong_figure(_off_by_one)),
    fault("delta_off_by_ten", "delta", _wrong_figure(_off_by_ten)),
    fault("delta_sum", "delta", _wrong_figure(_sum)),
    fault("delta_today", "delta", _wrong_figure(_today)),
    fault("delta_spelled", "delta", _spelled),
    fault("delta_left_out", "delta", _left_out),
    fault("delta_approximate", "delta", _approximate),
    fault("delta_no_yesterday", "delta", _no_yesterday),
)
