"""The figures of a text: their values, and whether each stands for the change, for a day or for another time."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Literal

from rewards import words
from rewards.comparison import becomes, compared_with_other, compares_at, has_comparison
from rewards.grammar import is_noun
from rewards.text import Morphemes

Role = Literal["change", "yesterday", "today", "other", "open"]
"""``change``: the size of the change; a day: its temperature; ``other``: another day or hour; ``open``: unsaid."""

_FIGURE = re.compile(r"[0-9]+(?:\.[0-9]+)?(?= ?(?:도(?! ?각도| ?경사|서관|착|움)|℃|° ?C(?![A-Za-z])))")
_UNIT = re.compile(r" ?(?:도|℃|° ?C)")
_SIGN = re.compile(r"(?:(영하|영상|마이너스) ?|(?<![0-9가-힣])([-−]) ?)$")
_RANGE = re.compile(r"[0-9](?: ?도)? ?[~\-−] ?$")
_RANGE_BEHIND = re.compile(r" ?[~\-−] ?[0-9]")
_NO_TEMPERATURE = re.compile(r"(?:경사|각도|위도|북위|동경|경도|기울기)(?:는|가|이)? ?$")
_BY_HOW_FAR = r"(?:훌쩍 |훨씬 |조금 |살짝 |약간 |한참 )?"
_MISSED = re.compile(
    rf" ?(?:를|가)?(?: ?정도)? ?{_BY_HOW_FAR}(?:넘|이상|이하|미만|초과|여(?= |[^러기])|남짓|더 넘)|"
    rf" ?(?:를|에) ?{_BY_HOW_FAR}(?:웃도|웃돌|밑도|밑돌|못 미|육박|가깝)"
)
_BOUNDED = re.compile(r"(?:최소|최대|적어도|많게는|못해도|최고)(?:로)? ?(?:약 ?)?$")


@dataclass(frozen=True, slots=True)
class Figure:
    """A temperature figure: signed value in degrees, the code points and morphemes it stands on, and its role."""

    value: float
    signed: bool
    start: int
    end: int
    first: int
    """Index of its first morpheme."""
    after: int
    """Index of the morpheme behind it."""
    role: Role
    size: bool
    """Whether it measures a change, of whatever day."""
    amount: str | None
    """The words that make another amount of it (``이상``), or None."""


def figures(text: str, m: Morphemes) -> list[Figure]:
    """All figures in degrees, in order."""
    found: list[Figure] = []
    for match in _FIGURE.finditer(text):
        start = match.start()
        before = text[max(0, start - 12) : start]
        if before.endswith((".", ",")) and before[-2:-1].isdigit():
            continue
        sign = _SIGN.search(before)
        if sign:
            start -= len(sign[0])
            before = before[: sign.start()]
        if _NO_TEMPERATURE.search(before):
            continue
        unit = _UNIT.match(text, match.end())
        end = unit.end() if unit else match.end()
        number = float(match[0][:12])
        first, after = bisect_right(m.ends, start), bisect_left(m.starts, end)
        size = not sign and _is_change(m, first, after)
        role = _role(m, first, after, bool(sign), size)
        amount = _MISSED.match(text, end) or _BOUNDED.search(before)
        ranged = _RANGE.search(before) or _RANGE_BEHIND.match(text, end)
        found.append(
            Figure(
                -number if sign and sign[0].strip() != "영상" else number,
                bool(sign),
                start,
                end,
                first,
                after,
                role,
                size or role == "change",
                amount[0].strip() if amount else "a range" if ranged else None,
            )
        )
    return found


def _role(m: Morphemes, first: int, after: int, signed: bool, size: bool) -> Role:
    if size:
        return "other" if compared_with_other(m, first) or _of_other_day(m, first) else "change"
    bound = _bound(m, first, after)
    if bound != "open":
        return bound
    if not signed and _follows_comparison(m, first) and not _told_as_temperature(m, after):
        return "change"
    return "open"


def _told_as_temperature(m: Morphemes, after: int) -> bool:
    """``10도로``, ``10도에서``, ``10도였``: what follows makes a temperature of the figure."""
    k = after
    while k < m.size and (m.forms[k] in words.ABOUT and m.tags[k] != "VCP"):
        k += 1
    if k >= m.size or _as_much_as(m, k):
        return False
    form, tag = m.forms[k], m.tags[k]
    if tag == "JKB" and m.forms[k - 1] in ("안팎", "내외"):
        return not (k + 1 < m.size and m.marks[k + 1] & (words.UP_ | words.DOWN_))
    if tag == "JKB":
        return form in ("로", "으로", "에서", "에", "까지", "보다", "와", "과")
    if tag == "JX":
        return form in ("까지", "부터")
    if tag in ("VCP", "VCN"):
        return True
    return tag == "JKG" and not _gap_near(m, k + 1, 4)


def _as_much_as(m: Morphemes, k: int) -> bool:
    """``8도씩이나``, which the analyser takes for a copula."""
    return m.forms[k : k + 2] == ["이", "나"] and m.tags[k - 1] in ("XSN", "NNB")


def _gap_near(m: Morphemes, start: int, reach: int) -> bool:
    nouns = words.GAP_ | words.UP_ | words.DOWN_
    return any(m.marks[k] & nouns and m.tags[k] == "NNG" for k in range(start, min(start + reach, m.size)))


def _is_change(m: Morphemes, first: int, after: int) -> bool:
    """Whether the figure measures what follows (``6도 올라``, ``6도 차이``) or a noun before it (``차이는 6도``)."""
    if _told_as_gap(m, first):
        return True
    k = after
    while k < m.size and m.forms[k] in words.ABOUT and m.tags[k] not in ("VV", "VX"):
        k += 1
    if _as_much_as(m, k):
        k += 2
    if k < m.size and m.tags[k] in ("VCP", "VCN") and m.forms[k] == "이":
        return k + 1 < m.size and m.forms[k + 1] in ("라는", "라", "나") and _gap_near(m, k + 2, 4)
    if _told_as_temperature(m, after):
        return _gap_near(m, k, 4) and m.forms[k] in ("의", "에", "와", "과") and m.forms[k] != "에"
    measure = _measured(m, k)
    if measure is None:
        return False
    if m.marks[measure] & (words.WARM_ | words.COLD_):
        return _comparative(m, first, measure)
    return True


def _told_as_gap(m: Morphemes, first: int) -> bool:
    """Whether the figure is told of a change named before it: ``차이는 6도``, ``오름폭이 하루 만에 6도``."""
    for k in range(first - 2, m.clause_start(min(first, m.size - 1)) - 1, -1):
        if m.marks[k] & words.GAP_ and m.tags[k] == "NNG" and m.tags[k + 1] in ("JX", "JKS"):
            return True
        if m.tags[k] == "SN":
            return False
    return False


_PASSED = frozenset(("MAG", "MM", "JX", "JKS", "JKO", "SP", "SSO", "SSC", "SS", "XSN", "XPN", "SW", "SO"))


def _measured(m: Morphemes, k: int) -> int | None:
    """The word of change that follows at ``k``, adverbs, particles and a subject for the temperature passed over."""
    change = words.UP_ | words.DOWN_ | words.GAP_ | words.WARM_ | words.COLD_
    for step in range(k, min(k + 9, m.size)):
        form, tag = m.forms[step], m.tags[step]
        if form in words.RELENT and tag[0] in "VN" and form not in ("주춤",):
            return step
        if m.marks[step] & change and tag[0] in "VNX":
            return step
        if tag in _PASSED:
            continue
        if (
            tag in ("XR", "VA")
            and step + 2 < m.size
            and m.forms[step + 1] in ("하", "게")
            and "게" in m.forms[step + 1 : step + 3]
        ):
            continue
        if (
            form in ("하", "게")
            or (form in ("크", "작", "가파르") and tag == "VA")
            or (tag == "ETM" and m.forms[step - 1] in ("크", "작"))
        ):
            continue
        if is_noun(tag) and (form in words.TEMPERATURE or form in words.ABOUT):
            continue
        if form in ("로", "으로") and m.forms[step - 1] in ("안팎", "내외"):
            continue
        if tag in ("SN", "NNB", "SW", "SL", "JKB") and (
            _bracketed(m, step) or (step > k and m.forms[step - 1] == "폭")
        ):
            continue
        return None
    return None


def _bracketed(m: Morphemes, index: int) -> bool:
    opened = m.text.rfind("(", 0, m.starts[index])
    return opened >= 0 and m.text.find(")", opened) >= m.starts[index]


def _comparative(m: Morphemes, first: int, measure: int) -> bool:
    """Whether a word of warmth or cold compares: with yesterday in its clause, with 더 or 덜, or by -아지다."""
    if has_comparison(m, first) or any(form in ("더", "덜") for form in m.forms[first:measure]):
        return True
    return becomes(m, measure)


def _bound(m: Morphemes, first: int, after: int) -> Role:
    """The day or hour that the figure is told of, by the nearest word of time in its clause or behind ``10도였던``."""
    k = after
    if (k < m.size and m.tags[k] == "VCP") or (k < m.size and m.forms[k] in ("에", "까지", "로", "에서")):
        for step in range(k, min(k + 7, m.size - 1)):
            if m.tags[step] == "ETM":
                nxt = m.forms[step + 1]
                if nxt in words.YESTERDAY:
                    return "yesterday"
                if nxt in words.TODAY:
                    return "today"
                break
            if m.tags[step] in ("EC", "EF", "SN", "SP"):
                break
    for step in range(first - 1, m.clause_start(min(first, m.size - 1)) - 1, -1):
        form, tag = m.forms[step], m.tags[step]
        if form in words.YESTERDAY:
            if m.forms[step + 1] in ("보다", "대비") or compares_at(m, step + 1):
                return "open"
            return "yesterday"
        if form in words.TODAY and tag[0] == "N":
            return "open" if m.forms[step + 1] == "보다" else "today"
        if form in words.OTHER_TIME and tag[0] in "NM":
            return "other"
        if tag == "SN":
            return "open"
    return "open"


def _of_other_day(m: Morphemes, first: int) -> bool:
    start = m.clause_start(first)
    days = ("내일", "모레", "글피", "그제", "그저께", "주말")
    return any(m.forms[k] in days and m.forms[k + 1] != "보다" for k in range(start, first))


def _follows_comparison(m: Morphemes, first: int) -> bool:
    """Whether nothing but a subject and adverbs stands between ``어제보다`` and the figure."""
    k = first - 1
    while k >= 0 and (
        m.tags[k] in ("MAG", "MM", "SP", "JKS", "JX") or m.forms[k] in words.TEMPERATURE - words.YESTERDAY - words.TODAY
    ):
        k -= 1
    return k >= 0 and (
        m.forms[k] in ("보다", "대비")
        or (
            m.forms[k] in ("어", "면", "에")
            and has_comparison(m, first)
            and (m.forms[k - 1] in words.COMPARING or m.forms[k - 1] in ("만", "새", "사이"))
        )
    )
