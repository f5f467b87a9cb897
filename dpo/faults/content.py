"""Faults of ``park`` and ``safety``: the place is missing, or the advice is wrong for the temperature."""

import re
from collections.abc import Iterator
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault, shuffled
from dpo.faults.korean import after_modifier, clause_spots, replace_noun, tokens
from rewards.rubric import DEFAULT_RUBRIC

_PLACES = ("광장", "강변", "동네", "야외", "산길", "마을", "숲", "뒷산", "둔치")
_FEATURES = ("산책", "벤치", "연못", "분수", "놀이터", "둘레길", "잔디", "숲길", "나무", "나들이", "꽃")

_WARM_GARMENT = re.compile(
    r"(?:두꺼운|두툼한|도톰한|따뜻한|긴|든든한) (?:외투|겉옷|옷|코트|장갑|양말)|(?:외투|겉옷|코트|내복)(?! 단추)"
)
_LIGHT_GARMENTS = ("얇은 반팔", "얇은 옷", "반팔", "반팔 티셔츠")
_WARM_THING = re.compile(r"(?:털)?(?:목도리|장갑|손난로|핫팩|담요|귀마개)")
_LIGHT_THINGS = ("양산", "얼음물")
_LIGHT_GARMENT = re.compile(r"(?:얇은|가벼운|시원한|편한) (?:옷차림|옷|겉옷|셔츠)|반소매(?: 옷| 차림)?")
_WARM_GARMENTS = ("두꺼운 외투", "두툼한 겉옷", "두꺼운 겉옷")
_SUNSHADE = re.compile(r"(?:챙 (?:넓은|있는) )?(?:양산|모자)")
_WARM_THINGS = ("목도리", "장갑", "두꺼운 외투")
_WORN_OTHERWISE = re.compile(
    r"[을를]? (?:\S+ )?(?:두르|둘러|두른|끼|껴|낀|감싸|감아|잠|여미|여며|신|눌러|풀|벗|덮)|\s없이|\s대신"
)
"""What is done with a scarf or gloves and not with their substitute (양산을 두르고)."""

_LIGHT_ADVICE = ("가벼운 반팔 차림으로 ", "얇은 옷만 입고 ", "양산을 쓰고 ", "더위를 피해 ", "가벼운 옷차림으로 ")
_WARM_ADVICE = ("두꺼운 외투를 입고 ", "겉옷을 꼭 챙겨 ", "따뜻하게 입고 ", "장갑을 끼고 ", "목도리를 두르고 ")
_PRAISE = ("산책하기 좋은 ", "운동하기 좋은 ", "나들이하기 좋은 ")
_ADVISORIES = {
    "cold": ("한파주의보", "한파특보", "한파경보", "대설주의보", "강풍주의보"),
    "hot": ("폭염주의보", "폭염경보", "폭염특보"),
    "any": ("건조주의보", "강풍주의보", "미세먼지주의보", "호우주의보"),
}
_WEATHER = {
    "cold": ("강추위", "맹추위", "추위", "한파"),
    "hot": ("무더위", "찜통더위", "불볕더위", "더위", "폭염"),
    "any": (),
}
"""Weather words whose place an advisory can take."""

_ISSUED = ("가 발효된 ", "가 발령된 ", "가 발효 중인 ")


def _no_park(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    found = tokens(notice)
    candidates = []
    for place in shuffled(_PLACES, rng):
        candidates.append(replace_noun(notice, "공원", place))
    features = [f for f in _FEATURES if "공원 " + f in notice]
    if features and notice.count("공원") == 1:
        candidates.insert(rng.randrange(2), notice.replace("공원 ", "", 1))
    for token in found:
        if token.form == "공원" and notice[token.end : token.end + 3] == "에서 ":
            candidates.insert(rng.randrange(3), notice[: token.start] + notice[token.end + 3 :])
    return iter(candidates)


def _exchange(notice: str, wanted: re.Pattern[str], others: list[str]) -> Iterator[str]:
    """Each thing that ``wanted`` finds, in turn exchanged for one of ``others``."""
    for found in dict.fromkeys(wanted.findall(notice)):
        if not _WORN_OTHERWISE.match(notice[notice.index(found) + len(found) :]):
            for other in others:
                yield replace_noun(notice, found, other, count=1)


def _inserted(notice: str, phrases: list[str]) -> Iterator[str]:
    """Each phrase behind a clause."""
    spots = [spot for spot in clause_spots(notice) if not after_modifier(notice, spot)]
    for phrase in phrases:
        for spot in spots[:1]:
            yield notice[:spot] + phrase + notice[spot:]


def _before_park(notice: str, phrases: list[str]) -> Iterator[str]:
    spot = notice.find("공원")
    for phrase in phrases:
        yield notice[:spot] + phrase + notice[spot:]


def _wrong_advice(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """Summer clothes in the cold, winter clothes in the heat, a fine day for sports in dangerous heat."""
    rubric = DEFAULT_RUBRIC
    ways: list[Iterator[str]] = []
    if reading.today <= rubric.cold:
        ways = [
            _exchange(notice, _WARM_GARMENT, shuffled(_LIGHT_GARMENTS, rng)),
            _exchange(notice, _WARM_THING, shuffled(_LIGHT_THINGS, rng)),
            _inserted(notice, shuffled(_LIGHT_ADVICE, rng)),
        ]
    if reading.today >= rubric.warm:
        ways = [
            _exchange(notice, _LIGHT_GARMENT, shuffled(_WARM_GARMENTS, rng)),
            _exchange(notice, _SUNSHADE, shuffled(_WARM_THINGS, rng)),
            _inserted(notice, shuffled(_WARM_ADVICE, rng)),
        ]
    if reading.today >= rubric.hot:
        ways.insert(rng.randrange(3), _before_park(notice, shuffled(_PRAISE, rng)))
    for way in ways:
        yield from way


def _false_advisory(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """An official warning that two temperatures cannot show."""
    rubric = DEFAULT_RUBRIC
    season = "cold" if reading.today <= rubric.cold else "hot" if reading.today >= rubric.warm else "any"
    spot = notice.find("공원")
    for advisory in shuffled(_ADVISORIES[season], rng):
        named = [replace_noun(notice, word, advisory, count=1) for word in _WEATHER[season] if word in notice]
        opening = [f"{advisory} 속에 {notice}", f"{advisory}가 발효된 가운데 {notice}"]
        inside = [] if after_modifier(notice, spot) else [notice[:spot] + advisory + i + notice[spot:] for i in _ISSUED]
        yield from rng.sample(named, len(named))
        yield from rng.sample(opening + inside, len(opening + inside))


FAULTS = (
    fault("park_missing", "park", _no_park),
    fault("wrong_advice", "safety", _wrong_advice),
    fault("false_advisory", "safety", _false_advisory),
)
