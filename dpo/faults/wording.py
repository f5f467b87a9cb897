"""The small words that a notice can do without or take in, and the two ways to change its length by them.

They repair a corrupted notice (a label made it too long) and keep length from giving the rejected side away. None of
them touches a rule: no figure, no direction, no advice about clothing or health.
"""

import re
from collections.abc import Iterator
from itertools import combinations
from random import Random

from dpo.faults.figures import figures
from dpo.faults.korean import chain_start, clauses, spell, tokens

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

_OPENERS = (
    "오늘은 ",
    "이럴 때는 ",
    "이런 날에는 ",
    "오늘만큼은 ",
    "이럴 때일수록 ",
    "이런 날일수록 ",
    "오늘 같은 날에는 ",
)
"""What may open the last statement of a notice, behind the reason for it."""

_MANNERS = ("잠시 ", "여유롭게 ", "마음 편히 ", "가족과 함께 ", "이웃과 함께 ")
"""What may stand between a place and the last verb, if that verb is one of ``_STAYING``."""

_STAYING = frozenset(("쉬", "걷", "거닐", "머무르", "머물", "즐기", "나오", "앉", "달리", "둘러보", "돌아보"))

_LONG_FILLERS = (
    "무엇보다 건강과 안전을 가장 먼저 생각하면서 ",
    "오늘 하루를 건강하고 안전하게 보내실 수 있도록 ",
    "모두가 안전하고 편안하게 하루를 보내실 수 있도록 ",
    "다른 이용객과 서로 배려하고 양보하는 마음으로 ",
    "몸 상태를 미리 살피고 이웃과 서로 인사를 나누며 ",
    "바쁜 하루 가운데에서도 건강을 잘 돌보실 수 있도록 ",
)
_LONG_TAILS = (
    "오늘 하루도 건강하고 즐겁게 보내시기 바랍니다.",
    "남은 하루도 안전하고 편안하게 보내시면 좋겠습니다.",
    "가족과 이웃의 안부도 한 번씩 살펴 주시기 바랍니다.",
    "가까운 분들과도 이 소식을 함께 나누어 보세요.",
)
_ADVICE_END = re.compile(r"(?<=[가-힣])(?:세요|십시오|시기 바랍니다|시죠|시면 좋겠습니다)\.$")

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
_JOINING = frozenset(("고", "며", "면서", "니", "으니", "지만", "는데", "은데", "ᆫ데"))
"""Connectives behind which an adjective belongs to its noun alone; in 언 땅이 녹아 질척이는 길 it does not."""

_EMPTY = frozenset(
    ("날씨", "날", "하루", "오늘", "옷", "옷차림", "차림", "공기", "기운", "바람", "볕", "기온", "편", "추위", "더위")
)
"""Nouns that say little without their adjective."""


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
        after = next((token for token in found if token.start >= match.end()), None)
        if match[0] in DROPPABLE and not (after and after.is_a("VV", "XSV") and after.form == "하"):  # 가볍게 하고
            yield index
        free = not before or before[-1].is_a("JKO", "SP") or (before[-1].is_a("EC") and before[-1].form in _JOINING)
        adjective = bool(inside) and inside[0].is_a("XR", "VA") and inside[-1].is_a("ETM") and len(inside) <= 3
        if adjective and free and after and after.is_a("NNG") and after.form not in _EMPTY:
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
            if stem and stem[-1] == ("걸", "VV"):
                stem[-1] = ("걷", "VV-I")  # 걸어 보세요 is walking, whatever the tagger says
            if stem:
                yield text[: found[start].start] + spell([*stem, ("세요", "EF")]) + "."


def longer(text: str, rng: Random) -> Iterator[str]:
    """The text with one more adverbial, then with a fuller ending too; where there is no room, the ending alone."""
    fuller = [pattern.sub(ending, text) for pattern, ending in _LONGER_ENDINGS if pattern.search(text)]
    filled = [*_opened(text), *_stayed(text)]
    yield from rng.sample(fuller + filled, len(fuller + filled))
    for once in filled[-3:]:
        yield from (pattern.sub(ending, once) for pattern, ending in _LONGER_ENDINGS if pattern.search(once))


def _opened(text: str) -> Iterator[str]:
    """The text with its last statement opened by one of ``_OPENERS``."""
    spot = statement_spot(text)
    if spot is None:
        return
    for opener in _OPENERS:
        if opener.endswith("일수록 ") and not _ADVICE_END.search(text):
            continue
        twice = (
            opener[:2] in text or ("때" in opener and "때" in text[spot:]) or ("날" in opener and "날" in text[spot:])
        )
        if not twice:
            yield text[:spot] + opener + text[spot:]


def _stayed(text: str) -> Iterator[str]:
    """The text with one of ``_MANNERS`` between a place and the verb that closes it (공원에서 | 쉬어 가세요)."""
    found = tokens(text)
    verbs = [index for index in range(2, len(found)) if found[index].is_a("VV")]
    if not verbs:
        return
    verb, place = found[verbs[-1]], found[verbs[-1] - 1]
    if verb.form in _STAYING and place.is_a("JKB") and place.form in ("에서", "로", "으로") and place.word != verb.word:
        for manner in _MANNERS:
            if manner not in text:
                yield text[: verb.start] + manner + text[verb.start :]


def much_longer(text: str, rng: Random) -> Iterator[str]:
    """The text with a long adverbial before its last statement, or with a second piece of advice behind it."""
    spot = statement_spot(text)
    filled = [text[:spot] + filler + text[spot:] for filler in _LONG_FILLERS] if spot is not None else []
    goes_on = _ADVICE_END.sub("시고", text) if _ADVICE_END.search(text) else _reason(text)
    tailed = [f"{goes_on} {tail}" for tail in _LONG_TAILS] if goes_on else []
    yield from rng.sample(filled + tailed, len(filled + tailed))
    if not filled and not tailed:
        for place in re.finditer(r"공원(?:에서는?|에는|을|은) (?=\S+[을를에] )", text):
            for filler in rng.sample(_LONG_FILLERS, len(_LONG_FILLERS)):
                yield text[: place.end()] + filler + text[place.end() :]


def _reason(text: str) -> str | None:
    """A closing statement as the reason for something more: ``좋습니다.`` becomes ``좋으니``."""
    found = tokens(text)
    ends = [index for index, token in enumerate(found) if token.is_a("EF") and token.form in ("ᆸ니다", "습니다")]
    if not ends:
        return None
    start = chain_start(found, ends[-1])
    stem = [token.morpheme for token in found[start : ends[-1]]]
    return text[: found[start].start] + spell([*stem, ("니", "EC")]) if stem else None


def statement_spot(text: str) -> int | None:
    """Where the last statement of a notice begins: behind its last reason or contrast, and behind the last figure."""
    told = max((figure.end for figure in figures(text)), default=0)
    strong = [clause.end for clause in clauses(text) if clause.strong and clause.end > told]
    if not strong:
        return None
    gap = re.match(r",? ", text[strong[-1] :])
    return strong[-1] + gap.end() if gap else None
