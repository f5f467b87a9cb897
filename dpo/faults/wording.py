"""The small words that a notice can do without or take in, and the two ways to change its length by them.

They repair a corrupted notice (a label made it too long) and keep length from giving the rejected side away. None of
them touches a rule: no figure, no direction, no advice about clothing or health.
"""

import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from random import Random

from dpo.faults.figures import figures
from dpo.faults.korean import after_modifier, chain_start, clause_spots, clauses, spell, tokens

DROPPABLE = frozenset(
    (
        "한결",
        "부쩍",
        "훌쩍",
        "껑충",
        "성큼",
        "무려",
        "제법",
        "꽤",
        "무척",
        "몹시",
        "한층",
        "사뭇",
        "더욱",
        "꼭",
        "잠시",
        "천천히",
        "느긋하게",
        "여유롭게",
        "가볍게",
        "함께",
        "넉넉히",
        "충분히",
        "든든히",
        "단단히",
        "살짝",
        "조심히",
        "조심조심",
        "쉬엄쉬엄",
        "도란도란",
        "서둘러",
        "각별히",
        "마음껏",
        "오늘",
        "아직",
        "여전히",
        "다시",
        "금세",
        "차분히",
        "활기차게",
        "부지런히",
        "안전하게",
        "되도록",
        "절로",
        "새삼",
        "참",
        "더없이",
        "그래도",
        "겨우",
        "고작",
        "벌써",
        "매섭게",
        "그만",
        "서로",
    )
)
"""Adverbs that may go without harm to grammar or sense."""

FILLERS = (
    "잠시 ",
    "천천히 ",
    "여유롭게 ",
    "오늘도 ",
    "이웃과 함께 ",
    "주변을 살피며 ",
    "가족과 함께 ",
    "마음 편히 ",
    "하늘을 바라보며 ",
    "다른 이용객을 배려하며 ",
    "주위를 천천히 둘러보면서 ",
)
"""Adverbials that may stand behind any clause."""

_LONG_FILLERS = (
    "오늘 하루를 건강하고 즐겁게 보내실 수 있도록 ",
    "모두가 안전하고 편안하게 머무르실 수 있도록 ",
    "이곳을 찾는 모든 분이 기분 좋게 머무실 수 있도록 ",
    "몸 상태를 미리 살피고 이웃과 서로 인사를 나누며 ",
    "무엇보다 건강과 안전을 가장 먼저 생각하면서 ",
    "바쁜 하루 가운데에서도 마음의 여유를 잃지 말고 ",
)

_SHORTER_ENDINGS = (
    (re.compile(r"시기 바랍니다\.$"), "세요."),
    (re.compile(r"시길 (바랍니다|바라요|권합니다|권해요)\.$"), "세요."),
    (re.compile(r"시면 (좋겠습니다|좋겠어요|좋겠네요|좋습니다)\.$"), "세요."),
    (re.compile(r"시면 어떨까요\?$"), "세요."),
    (re.compile(r"시는 (것이|게|편이) (좋습니다|좋아요|좋겠습니다|좋겠어요|좋겠네요)\.$"), "세요."),
    (re.compile(r"십시오\.$"), "세요."),
)
_LONGER_ENDINGS = (
    (re.compile(r"세요\.$"), "시기 바랍니다."),
    (re.compile(r"세요\.$"), "시면 좋겠습니다."),
    (re.compile(r"십시오\.$"), "시기 바랍니다."),
    (re.compile(r"세요\.$"), "시길 권해 드립니다."),
)
_MAX_DROPS = 4


def shorter(text: str, rng: Random) -> Iterator[str]:
    """The text with fewer and fewer dispensable words and a plainer ending, least change first; grammar stays whole."""
    words = text.split(" ")
    spare = rng.sample(dispensable := list(_dispensable(text)), len(dispensable))[:_MAX_DROPS]
    versions = []
    for count in range(len(spare) + 1):
        for gone in combinations(spare, count):
            kept = " ".join(word for index, word in enumerate(words) if index not in gone)
            versions += [(count, kept), *((count + 1, plainer) for plainer in _plainer(kept))]
    for _, version in sorted(versions, key=lambda item: item[0]):
        if version != text:
            yield version


def _dispensable(text: str) -> Iterator[int]:
    """Indices of words that may go: adverbs of the list, and adjectives that stand alone before their noun."""
    found = tokens(text)
    for index, match in enumerate(re.finditer(r"\S+", text)):
        inside = [token for token in found if match.start() <= token.start < match.end()]
        before = [token for token in found if token.end <= match.start()]
        free = not before or before[-1].is_a("JKO", "SP") or (before[-1].is_a("EC") and before[-1].form != "게")
        adjective = bool(inside) and inside[0].is_a("XR", "VA") and inside[-1].is_a("ETM") and len(inside) <= 3
        if match[0] in DROPPABLE or (adjective and free):
            yield index


def _plainer(text: str) -> Iterator[str]:
    """The text with a shorter polite ending: ``걸어 보세요.`` becomes ``걸으세요.``"""
    for pattern, ending in _SHORTER_ENDINGS:
        plainer = pattern.sub(ending, text)
        if plainer != text:
            yield plainer
            text = plainer
    found = tokens(text)
    for index in range(2, len(found) - 1):
        auxiliary = found[index].is_a("VX") and found[index].form in ("보", "주", "가", "두")
        if (
            auxiliary
            and found[index + 1].morpheme == ("세요", "EF")
            and found[index - 1].morpheme in (("어", "EC"), ("아", "EC"))
        ):
            start = chain_start(found, index - 1)
            stem = [token.morpheme for token in found[start : index - 1]]
            if stem:
                yield text[: found[start].start] + spell([*stem, ("세요", "EF")]) + "."


def longer(text: str, rng: Random) -> Iterator[str]:
    """The text with one, then two adverbials put in behind its clauses, or with a fuller ending."""
    fuller = [pattern.sub(ending, text) for pattern, ending in _LONGER_ENDINGS if pattern.search(text)]
    spots = filler_spots(text)
    filled = [text[:spot] + filler + text[spot:] for filler in FILLERS for spot in spots[:1] if filler not in text]
    yield from rng.sample(fuller + filled, len(fuller + filled))
    for once in filled[-3:]:
        yield from (pattern.sub(ending, once) for pattern, ending in _LONGER_ENDINGS if pattern.search(once))


def much_longer(text: str, rng: Random) -> Iterator[str]:
    """The text with one or two long adverbials: far beyond what it needs to say."""
    spots = filler_spots(text) or clause_spots(text)[::-1] or [0]
    fillers = rng.sample(_LONG_FILLERS, len(_LONG_FILLERS))
    for spot in spots:
        for filler in fillers:
            yield text[:spot] + filler + text[spot:]
    for spot in spots:
        for first, second in pairwise(fillers):
            yield text[:spot] + first + second + text[spot:]


def filler_spots(text: str) -> list[int]:
    """Where an adverbial may stand, the best place first, always behind the last figure.

    Behind a clause that a strong connective closes, or between a place and the last verb (공원에서 | 쉬어 가세요).
    """
    told = max((figure.end for figure in figures(text)), default=0)
    strong = [clause.end for clause in clauses(text) if clause.strong]
    spots = [spot for spot in clause_spots(text) if any(0 < spot - end <= 2 for end in strong)]
    found = tokens(text)
    for index in range(len(found) - 1, 1, -1):
        place = found[index - 1].is_a("JKB") and found[index - 1].form in ("에서", "로", "으로")
        if found[index].is_a("VV") and place and found[index - 1].word != found[index].word:
            spots.append(found[index].start)
            break
    return [spot for spot in spots if spot > told and not after_modifier(text, spot)]
