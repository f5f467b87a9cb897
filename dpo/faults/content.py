"""Faults of ``park`` and ``safety``: the place is missing, or the advice is wrong for the temperature."""

import re
from collections.abc import Iterator
from itertools import pairwise
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault, shuffled
from dpo.faults.figures import change_figures
from dpo.faults.korean import after_modifier, clauses, replace_noun, tokens
from dpo.faults.wording import statement_spot
from rewards.rubric import DEFAULT_RUBRIC

_PLACES = ("광장", "강변", "동네", "야외", "마을", "뒷산", "둔치", "호숫가", "수목원")

_WARM_GARMENT = re.compile(
    r"(?:(?:두꺼운|두툼한|도톰한|따뜻한|긴|든든한) )?(?:외투|겉옷|코트|옷)(?=[을를] (?:\S+ )?(?:입|걸|챙))"
)
_LIGHT_GARMENTS = ("얇은 반팔", "얇은 옷", "반팔 티셔츠")
_LIGHT_GARMENT = re.compile(r"(?:얇은|가벼운|시원한|편한) (?:옷차림|옷|겉옷|셔츠)")
_WARM_GARMENTS = ("두꺼운 외투", "두툼한 겉옷", "두꺼운 겉옷")
_CARRIED = r"(?=[을를도과와]? (?:\S+ )?(?:챙기|챙겨|준비|갖추|갖춰|잊지|빼놓지|필요|있어야))"
_WARM_THING = re.compile(r"(?<!무릎 )(?<!방한 )(?:털)?(?:목도리|장갑|손난로|핫팩|담요|귀마개)" + _CARRIED)
_LIGHT_THINGS = ("양산", "얼음물")
_SUNSHADE = re.compile(r"(?:챙 (?:넓은|있는) )?(?:양산|모자|손수건)" + _CARRIED)
_WARM_THINGS = ("목도리", "장갑", "두꺼운 외투")

_COLD_TAILS = (
    "공원에서는 가벼운 반팔 차림으로 시원하게 걸어 보세요.",
    "공원에는 얇은 옷 한 장만 입고 나오셔도 좋습니다.",
    "공원에서는 양산을 쓰고 더위를 식히며 쉬어 가세요.",
    "공원 나들이에는 시원한 반소매 차림이 알맞습니다.",
    "공원을 걸으실 때는 더위를 먹지 않게 얼음물을 챙겨 주세요.",
    "공원에서는 외투를 벗고 가벼운 옷차림으로 달려 봅시다.",
    "공원에 나오실 때는 반팔 티셔츠 하나면 충분하겠습니다.",
    "가벼운 옷차림으로 공원을 한 바퀴 돌아보시겠어요?",
)
_WARM_TAILS = (
    "공원에는 두꺼운 외투를 꼭 챙겨 입고 나오세요.",
    "공원에서는 목도리와 장갑으로 몸을 따뜻하게 감싸 주세요.",
    "공원 산책에는 두툼한 겉옷을 걸치시는 것이 좋겠습니다.",
    "공원을 걸으실 때는 추위에 떨지 않게 따뜻하게 입으십시오.",
    "공원 나들이에는 장갑과 목도리가 꼭 필요합니다.",
    "공원에서는 두꺼운 겉옷으로 몸을 감싸고 걸어 봅시다.",
    "목도리를 두르고 공원을 한 바퀴 돌아보시겠어요?",
)
_PRAISE_TAILS = (
    "공원에서 오래 달리며 운동하기 좋은 날입니다.",
    "공원을 한 바퀴 돌며 산책하기 좋은 날씨입니다.",
    "가족과 함께 공원에서 나들이하기 좋은 하루입니다.",
    "공원에서 하루 종일 산책하기 좋으니 마음껏 걸어 보세요.",
    "공원에서 땀 흘리며 운동하기 좋으니 어서 나오세요.",
)
_ADVISORIES = {
    "cold": ("한파주의보", "한파특보", "한파경보"),
    "hot": ("폭염주의보", "폭염경보", "폭염특보"),
    "any": ("건조주의보", "강풍주의보", "미세먼지주의보"),
}
_OPENING = ("{} 속에 ", "{}가 발효된 가운데 ", "{}가 내려진 가운데 ")
_BETWEEN = ("{}가 내려진 만큼 ", "{}가 발효된 오늘은 ", "{}에 유의해 ", "{}가 발효 중이니 ")
"""How an advisory is told before the notice, and before its last statement."""

_ADVISORY_TAILS = {
    "cold": (
        "{}에 따라 공원에서는 장갑을 껴 주세요.",
        "공원에서는 {}에 유의해 주시기 바랍니다.",
        "{}가 내려진 공원 산책은 짧게 마치세요.",
    ),
    "hot": (
        "{}에 따라 공원에서는 물을 자주 드세요.",
        "공원에서는 {}에 유의해 그늘에서 쉬세요.",
        "{}가 내려진 공원 활동은 자제해 주십시오.",
    ),
    "any": (
        "{}에 따라 공원 산책은 짧게 마치세요.",
        "공원에서는 {}에 유의해 주시기 바랍니다.",
        "{}가 내려진 공원에서는 살펴 걸어 주세요.",
    ),
}
"""Advice that goes by an advisory."""


def _no_park(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    places = [replace_noun(notice, "공원", place) for place in shuffled(_PLACES, rng)]
    dropped = []
    found = tokens(notice)
    for token, following in pairwise(found):
        alone = token.form == "공원" and notice.count("공원") == 1
        if alone and notice[token.end] == " " and following.is_a("NNG"):
            dropped.append(notice[: token.start] + notice[token.end + 1 :])
        if alone and notice[token.end : token.end + 3] == "에서 " and not after_modifier(notice, token.start):
            dropped.append(notice[: token.start] + notice[token.end + 3 :])
    at = rng.randrange(2)
    yield from (*places[:at], *dropped, *places[at:])


_NAMED = re.compile(r"(\S+에 따라 )?공원(?:에서는|에는|에서|을|에) ")


def _exchange(notice: str, wanted: re.Pattern[str], others: list[str]) -> Iterator[str]:
    """Each thing that ``wanted`` finds, in turn exchanged for one of ``others``."""
    for found in dict.fromkeys(wanted.findall(notice)):
        for other in others:
            yield replace_noun(notice, found, other, count=1)


def _advised(notice: str, reading: Reading, tails: list[str]) -> Iterator[str]:
    """Other advice behind the clause that tells the change."""
    figure = next(iter(change_figures(notice, reading)), None)
    for clause in clauses(notice):
        if clause.strong and (figure is None or clause.end > figure.end):
            for tail in tails:
                if "공원" not in notice[: clause.end]:
                    yield f"{notice[: clause.end]}, {tail}"
                elif _NAMED.match(tail):  # named before, so it may go
                    yield f"{notice[: clause.end]}, " + _NAMED.sub(r"\1", tail)
            return


def _wrong_advice(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """Summer clothes in the cold, winter clothes in the heat, a fine day for sports in dangerous heat."""
    rubric = DEFAULT_RUBRIC
    exchanged: list[str] = []
    advised: list[str] = []
    if reading.today <= rubric.cold:
        exchanged += _exchange(notice, _WARM_GARMENT, shuffled(_LIGHT_GARMENTS, rng))
        exchanged += _exchange(notice, _WARM_THING, shuffled(_LIGHT_THINGS, rng))
        advised += _advised(notice, reading, shuffled(_COLD_TAILS, rng))
    if reading.today >= rubric.warm:
        exchanged += _exchange(notice, _LIGHT_GARMENT, shuffled(_WARM_GARMENTS, rng))
        exchanged += _exchange(notice, _SUNSHADE, shuffled(_WARM_THINGS, rng))
        tails = _WARM_TAILS + _PRAISE_TAILS if reading.today >= rubric.hot else _WARM_TAILS
        advised += _advised(notice, reading, shuffled(tails, rng))
    first, second = rng.sample((exchanged, advised), 2)
    yield from (*first, *second)


def _false_advisory(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """An official warning that two temperatures cannot show."""
    rubric = DEFAULT_RUBRIC
    season = "cold" if reading.today <= rubric.cold else "hot" if reading.today >= rubric.warm else "any"
    spot = statement_spot(notice)
    for advisory in shuffled(_ADVISORIES[season], rng):
        ways = [way.format(advisory) + notice for way in _OPENING]
        if spot is not None:
            ways += [notice[:spot] + way.format(advisory) + notice[spot:] for way in _BETWEEN]
        tails = [tail.format(advisory) for tail in shuffled(_ADVISORY_TAILS[season], rng)]
        ways = rng.sample(ways, len(ways))
        first, second = rng.sample((ways, list(_advised(notice, reading, tails))), 2)
        yield from (*first, *second)


FAULTS = (
    fault("park_missing", "park", _no_park),
    fault("wrong_advice", "safety", _wrong_advice),
    fault("false_advisory", "safety", _false_advisory),
)
