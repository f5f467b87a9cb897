"""What a clause says of a word in it: its subject, the noun it modifies, the predicate over it, negation."""

from rewards import words
from rewards.text import Morphemes

_PREDICATES = frozenset(("VV", "VA", "VX", "VCN", "VCP", "XSV", "XSA"))
_SUBJECT = frozenset(("JKS", "JX"))
_ENDINGS = frozenset(("EC", "EF", "ETM", "ETN"))
_SERIAL = frozenset(("고", "어", "어서", "아", "아서", "고서", "다", "다가"))
_GIVEN = frozenset(("ᆫ", "은", "는", "ᆯ", "을", "던"))


def is_noun(tag: str) -> bool:
    """Whether the tag is one of a noun, pronoun or number."""
    return tag[0] == "N" or tag in ("SN", "XSN", "XR")


def subjects(m: Morphemes, index: int) -> list[str]:
    """Nouns with a subject or topic particle in the clause of ``index``, before it."""
    found = []
    for k in range(m.clause_start(index), index):
        if (
            m.tags[k] in _SUBJECT
            and k
            and is_noun(m.tags[k - 1])
            and m.forms[k] not in ("만", "나", "이나", "까지", "밖에")
        ):
            found.append(m.forms[k - 1])
        elif m.tags[k] == "JX" and k > 1 and m.tags[k - 1] == "JKB" and is_noun(m.tags[k - 2]):
            found.append(m.forms[k - 2])
    return found


def objects(m: Morphemes, index: int) -> list[str]:
    """Nouns with an object particle in the clause of ``index``, before it."""
    return [m.forms[k - 1] for k in range(m.clause_start(index) + 1, index) if m.tags[k] == "JKO"]


def ending(m: Morphemes, index: int) -> int | None:
    """Index of the ending of the predicate whose stem stands at ``index``, auxiliaries passed over."""
    k = index + 1
    while k < m.size:
        tag = m.tags[k]
        if (
            tag in ("EP", "XSA", "XSV", "VX", "JX")
            or (tag == "EC" and k + 1 < m.size and m.tags[k + 1] == "VX")
            or (tag == "EC" and m.forms[k] == "지" and _negation_near(m, k))
            or tag == "VCP"
        ):
            k += 1
        else:
            return k if tag in _ENDINGS else None
    return None


_REACH = 5
"""Predicates that are followed from one to the next, in a chain of modifiers or auxiliaries."""


def head(m: Morphemes, index: int, reach: int = _REACH) -> str | None:
    """The noun that the predicate at ``index`` modifies: the last of the nouns behind its adnominal ending."""
    end = ending(m, index)
    if end is None or not reach:
        return None
    k = end + 1
    if m.tags[end] == "EC" and m.forms[end] in ("고", "으며", "며", "으면서", "면서"):  # 따뜻하고 맑은 날
        while k < m.size and m.tags[k] in ("MAG", "NNG", "JKS", "JX", "SP") and k < end + 4:
            k += 1
        if k < m.size and m.tags[k] in ("VA", "XR"):
            return head(m, k, reach - 1)
        return None
    if m.tags[end] != "ETM":
        return None
    while k < m.size and m.tags[k] in ("MM", "MAG", "SP", "SS", "SSO"):
        k += 1
    if k < m.size and m.tags[k] in ("VA", "XR"):
        return head(m, k, reach - 1)
    noun = None
    while k < m.size and (m.tags[k][0] == "N" or m.tags[k] in ("XSN", "XPN", "SN")):
        if noun is None or m.forms[k] not in words.RELATIONAL:
            noun = m.forms[k]
        k += 1
    return noun


def _negation_near(m: Morphemes, index: int) -> bool:
    return any(m.forms[k] in words.NEGATING for k in range(index + 1, min(index + 3, m.size)))


def negated(m: Morphemes, index: int, reach: int = _REACH) -> bool:
    """Whether the predicate whose stem stands at ``index`` is denied or advised against."""
    if not reach:
        return False
    if index and m.tags[index - 1] == "MAG" and m.forms[index - 1] in ("안", "못"):
        return True
    k = index + 1
    while k < m.size and m.tags[k] in ("XSV", "XSA", "EP", "VCP"):
        k += 1
    if k >= m.size:
        return False
    form, tag = m.forms[k], m.tags[k]
    if tag == "EC" and form == "지":
        return _negation_near(m, k)
    if tag == "EC" and k + 1 < m.size:
        if m.tags[k + 1] == "VX":
            return negated(m, k + 1, reach - 1)
        if form in _SERIAL:  # 입고 공원에 나오지 마세요
            motion = _next_predicate(m, k + 1)
            return (
                motion is not None
                and m.forms[motion] in words.MOTION
                and m.clause[motion] == m.clause[k + 1]
                and _told_not_to(m, motion)
            )
    if tag == "ETM":
        return _denied_noun(m, k + 1, words.AGAINST, reach)
    if tag == "ETN":
        return _denied_noun(m, k, words.AGAINST | words.TOO, reach)
    return False


def _told_not_to(m: Morphemes, index: int) -> bool:
    """Whether the verb at ``index`` stands with 지 말 or 지 않, auxiliaries passed over."""
    k = index + 1
    while k < m.size and (m.tags[k] in ("XSV", "EP", "VX") or (m.tags[k] == "EC" and m.tags[k + 1 : k + 2] == ["VX"])):
        if m.forms[k] == "지" and _negation_near(m, k):
            return True
        k += 1
    return False


def _denied_noun(m: Morphemes, index: int, against: frozenset[str], reach: int) -> bool:
    """Whether the noun at ``index`` is denied: ``입을 필요는 없``, ``좋은 날이 아니``, ``입는 것은 피하``."""
    k = index + 1
    while k < m.size and (m.tags[k][0] in "JN" or m.tags[k] in ("MAG", "XSN")) and m.forms[k] != "없이":
        k += 1
    if k >= m.size:
        return False
    form = m.forms[k]
    if form in ("없", "없이", "아니"):
        return not negated(m, k, reach - 1)
    if form in against:
        return not negated(m, k, reach - 1)
    return any(m.forms[j] in ("금물", "자제") for j in range(index, k))


def _next_predicate(m: Morphemes, index: int) -> int | None:
    """The predicate that governs what stands before ``index``: the next verb, adjective or negating word."""
    for k in range(index, min(m.size, index + 24)):
        form, tag = m.forms[k], m.tags[k]
        if tag in _PREDICATES or (tag == "MAG" and form == "없이") or (tag[0] == "N" and form == "대신"):
            return k
        if tag == "XR" or (tag == "NNG" and k + 1 < m.size and m.tags[k + 1] in ("XSV", "XSA")):
            return k
        if tag in ("SF", "EF"):
            return None
        if form in ("말고", "두고"):  # the analyser takes 두고 for a noun at times
            return k
    return None


def advised(m: Morphemes, index: int) -> bool:
    """Whether the thing named at ``index`` is advised: not refused, not denied, not told of yesterday.

    ``겉옷 없이 나오지 마세요`` advises it, ``겉옷은 두고 오세요`` and ``겉옷을 입으면 덥습니다`` do not.
    """
    if m.forms[index + 1 : index + 2] == ["보다"]:
        return False
    k = _next_predicate(m, index + 1)
    if k is None:
        return not (index + 1 < m.size and m.forms[index + 1] in ("금지", "금물", "불필요"))
    if m.forms[k] == "같" and m.tags[k + 1 : k + 2] == ["ETM"]:  # 목도리 같은 것은 두고
        k = _next_predicate(m, k + 2) or k
    form = m.forms[k]
    if form in ("대신", "말고", "두고"):
        return False
    if form == "말" and m.tags[k] == "VX":
        return False
    if form == "없이":
        return _wrong_without(m, k)
    if form == "없":
        end = ending(m, k)
        return end is not None and m.forms[end] in ("으면", "면", "다면", "이") and not _good_next(m, end + 1)
    if about_yesterday(m, index):
        return False
    result = not negated(m, k)
    noun_before = m.forms[k - 1] if m.tags[k] in ("XSV", "XSA", "VCP") else ""
    if form in words.REFUSING or noun_before in words.REFUSING:
        result = not result if _refuses(m, k) else result
    end = ending(m, k)
    if _harms(m, k):
        result = not result
    if end is not None and m.tags[end] == "ETM" and m.forms[end] == "던":
        return False
    return result


def _refuses(m: Morphemes, k: int) -> bool:
    """Whether a word of refusal is one here: ``두고`` is, ``챙겨 두`` and ``쉬어 가`` are not."""
    form, tag = m.forms[k], m.tags[k]
    if form == "쉬":
        return k + 1 < m.size and m.forms[k + 1] == "게"
    return not (form in ("두", "놓", "버리") and tag == "VX")


def _wrong_without(m: Morphemes, k: int) -> bool:
    """Whether doing something without it is advised against: ``없이 나오지 마세요``, ``없이 걸으면 위험``."""
    then = _next_predicate(m, k + 1)
    if then is None:
        return False
    if negated(m, then):
        return True
    return _harms(m, then)


_IF = frozenset(("면", "으면", "다가는", "다간", "다가", "기"))
_ON_THE_WAY = frozenset(("고", "어", "어서", "아", "아서", "지", "게", "은", "ᆫ"))


def _harms(m: Morphemes, k: int) -> bool:
    """Whether doing what stands at ``k`` leads to harm: ``얇게 입고 나오면 춥``, ``끼지 않은 채 걸으면 위험``."""
    for step in range(k + 1, min(k + 16, m.size)):
        form, tag = m.forms[step], m.tags[step]
        if tag == "EC" and form in _IF:
            return any(
                m.forms[j] in words.BAD_OUTCOME and m.tags[j][0] in "VXN" and not negated(m, j)
                for j in range(step + 1, min(step + 8, m.size))
            )
        if tag == "EF" or (tag in ("EC", "ETM") and form not in _ON_THE_WAY):
            return False
    return False


def _good_next(m: Morphemes, index: int) -> bool:
    return index < m.size and m.forms[index] in ("좋", "되", "편하", "괜찮")


def about_yesterday(m: Morphemes, index: int) -> bool:
    """Whether the word at ``index`` is told of yesterday: ``어제는 추웠지만``, ``추웠던 어제``, ``어제의 추위``."""
    start = m.clause_start(index)
    for k in range(start, min(index, m.size - 1)):
        if m.forms[k] in words.YESTERDAY and m.tags[k + 1] in ("JX", "JKS", "JKG", "NNG"):
            return not any(m.forms[j] in words.TODAY for j in range(k + 1, index))
    return head(m, index) in words.YESTERDAY


def about_other_time(m: Morphemes, index: int) -> bool:
    """Whether the clause of ``index``, or the condition before it, is about another day or hour."""
    start = m.clause_start(index)
    for k in range(index - 1, start - 1, -1):
        if m.forms[k] in words.TODAY:
            return False
        if m.forms[k] in words.OTHER_TIME and m.tags[k][0] in "NM":
            return True
    if start and m.tags[start - 1] == "EC" and m.forms[start - 1] in ("면", "으면", "자", "면서", "으면서"):
        return True
    return head(m, index) in words.OTHER_TIME - words.SPAN
