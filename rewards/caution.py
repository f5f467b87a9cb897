"""Cautions against cold and heat: whether a text gives one."""

from rewards import words
from rewards.grammar import about_yesterday, advised, negated
from rewards.text import Morphemes
from rewards.words import ABSTAIN_, COLD_CAUTION_, COLD_VERB_, HEAT_CAUTION_, REST_, THICK_

_WATER = "물"
_SPORTS = frozenset(("테니스", "농구", "배드민턴", "족구", "풋살", "스쿼시", "배구", "하프"))
_BY_STATUE = frozenset(("앞", "옆", "밑", "곁", "뒤", "아래", "주변", "둘레", "제막식", "사진"))


def against_cold(m: Morphemes) -> str | None:
    """The word that cautions against cold, or None."""
    for k, marks in enumerate(m.marks):
        if marks & COLD_CAUTION_ and m.tags[k][0] in "NX" and _cold_noun(m, k):
            return m.forms[k]
        if marks & COLD_VERB_ and m.tags[k] in ("VV", "VA", "XR", "MAG") and _cold_verb(m, k):
            return m.forms[k]
        if marks & THICK_ and _dressed(m, k):
            return m.forms[k]
        if marks & ABSTAIN_ and _abstains(m, k):
            return m.forms[k]
        if _lingering(m, k):
            return m.forms[k]
    return None


def against_heat(m: Morphemes) -> str | None:
    """The word that cautions against heat, or None."""
    for k, marks in enumerate(m.marks):
        form, tag = m.forms[k], m.tags[k]
        if marks & HEAT_CAUTION_ and tag[0] in "NM" and advised(m, k) and not _left(m, k) and not _shadeless(m, k):
            return form
        if form == _WATER and tag == "NNG" and _to_drink(m, k) and advised(m, k):
            return form
        if marks & REST_ and tag in ("VV", "NNG") and _rests(m, k):
            return form
        if form == "시원" and _cool_place(m, k):
            return form
        if marks & ABSTAIN_ and _abstains(m, k):
            return form
        if _lingering(m, k):
            return form
    return None


def _cold_noun(m: Morphemes, k: int) -> bool:
    form, after = m.forms[k], m.forms[k + 1] if k + 1 < m.size else ""
    if form == "동상":
        return after not in _BY_STATUE and any(m.forms[j] in words.FROSTBITE for j in range(k + 1, m.clause_end(k)))
    if form == "코트" and k and (m.forms[k - 1] in _SPORTS or after in ("에서", "바닥")):
        return False
    if form == "감기" and m.tags[k] != "NNG":
        return False
    return advised(m, k)


def _cold_verb(m: Morphemes, k: int) -> bool:
    form = m.forms[k]
    if form == "녹이":
        return any(m.forms[j] in ("몸", "손", "손발", "발", "추위", "언") for j in range(max(0, k - 5), k))
    if form in ("얼", "꽁꽁"):
        return any(
            m.forms[j] in ("길", "손", "발", "손발", "귀", "바닥", "계단") for j in range(m.clause_start(k), k)
        ) and any(m.forms[j] in ("조심", "주의", "수") for j in range(k + 1, min(m.size, k + 8)))
    return not negated(m, k) or form in ("미끄러지", "미끄럽")


def _dressed(m: Morphemes, k: int) -> bool:
    """``따뜻하게 입으세요``, ``두꺼운 옷``: warm clothes as advice."""
    rest = m.forms[k + 1 : k + 4]
    if "게" in rest or (m.forms[k] in ("든든", "단단") and "히" in rest):
        then = k + 1 + rest.index("게") if "게" in rest else k + 1
        for step in range(then + 1, min(then + 6, m.size)):
            form, tag = m.forms[step], m.tags[step]
            if tag[0] == "V" or (tag == "NNG" and step + 1 < m.size and m.tags[step + 1] == "XSV"):
                if form in words.WELCOMING or form in words.UNWELCOME_HAIR:
                    return False
                return form in words.WEAR and not negated(m, step)
        return False
    for step in range(k + 1, min(k + 6, m.size)):
        if m.tags[step][0] == "N":
            return m.forms[step] in words.CLOTHES and m.forms[k] != "시원" and advised(m, step)
        if m.tags[step] not in ("XSA", "ETM", "SP", "MAG"):
            return False
    return False


def _abstains(m: Morphemes, k: int) -> bool:
    """``운동은 자제``, ``더위를 조심``, ``산책은 짧게``: less activity or care, in a matter of heat or cold."""
    form, tag = m.forms[k], m.tags[k]
    if negated(m, k) or about_yesterday(m, k):
        return False
    before = [m.forms[j] for j in range(_part_start(m, k), k) if m.tags[j][0] in "NVX"]
    if form == "짧":
        following = m.forms[k + 2 : k + 5]
        return m.forms[k + 1 : k + 2] == ["게"] and not any(f in words.UNWELCOME_HAIR for f in following)
    if form in ("잠깐", "잠시"):
        return m.forms[k + 1 : k + 2] == ["만"]
    if form == "무리":
        return any(f in words.NEGATING for f in m.forms[k + 1 : k + 5]) or "없이" in m.forms[k + 1 : k + 3]
    if form in ("서두르", "주저"):
        return False
    if form == "식히":
        return any(f in ("땀", "몸", "열", "더위", "열기", "체온") for f in before)
    if form == "살피":
        return any(f in ("건강", "몸", "안부", "상태") for f in before)
    if tag not in ("VV", "NNG", "XR"):
        return False
    if tag == "NNG" and not _acts(m, k):
        return False
    if form in ("조심", "주의", "유의") and not before:
        return True
    return any(f in words.AT_RISK for f in before)


def _part_start(m: Morphemes, k: int) -> int:
    """Index behind the last connective or final ending before ``k``; modifying clauses stay in."""
    while k and m.tags[k - 1] not in ("EC", "EF", "SF"):
        k -= 1
    return k


def _acts(m: Morphemes, k: int) -> bool:
    """Whether a noun of action is done or asked for: ``주의하``, ``주의를 부탁``, ``자제 바랍니다``."""
    return k + 1 >= m.size or m.tags[k + 1] not in ("NNB", "XSN", "NNP")


def _lingering(m: Morphemes, k: int) -> bool:
    """``오래 머물지 마세요``: a caution against staying out."""
    if m.forms[k] not in (
        "머무르",
        "머물",
        "뛰",
        "달리",
        "걷",
        "나오",
        "나가",
        "있",
        "나서",
        "놀",
        "뛰놀",
        "서",
        "앉",
        "무리하",
        "쏘이",
        "쐬",
    ):
        return False
    if m.tags[k][0] != "V" or not negated(m, k):
        return False
    before = m.forms[max(m.clause_start(k), k - 6) : k]
    return any(
        f in ("오래", "오랫동안", "무리", "무리하", "길", "땡볕", "뙤약볕", "햇볕", "한낮", "심하", "격하", "밖")
        for f in before
    )


def _left(m: Morphemes, k: int) -> bool:
    """``그늘에서 나와``: leaving it is advised."""
    rest = m.forms[k + 1 : k + 5]
    return ("에서" in rest[:1] and any(f in ("나오", "벗어나", "나가", "떠나") for f in rest[1:])) or "벗어나" in rest


def _shadeless(m: Morphemes, k: int) -> bool:
    return m.forms[k] in ("그늘", "쉼터") and any(
        f in ("없", "적", "부족", "드물", "드리우") for f in m.forms[k + 1 : k + 4]
    )


def _to_drink(m: Morphemes, k: int) -> bool:
    """Water for people: a word of its own with a word of drinking or carrying in its clause or the next."""
    if m.starts[k] and m.text[m.starts[k] - 1] not in " '\"(":
        return False
    if k + 1 < m.size and m.tags[k + 1] in ("NNG", "XSN") and m.starts[k + 1] == m.ends[k]:
        return m.forms[k + 1] in ("병", "통", "컵")
    for step in range(k + 1, min(k + 9, m.size)):
        if m.forms[step] in ("위", "밑", "속", "가", "소리", "빛", "결", "길", "주", "뿌리", "흐르", "맑"):
            return False
        if m.forms[step] in words.DRINKING:
            return True
        if m.tags[step] in ("VV", "EF", "SF"):
            return False
    return False


def _rests(m: Morphemes, k: int) -> bool:
    if m.tags[k] == "NNG":
        return advised(m, k)
    if negated(m, k) or (k > 1 and any(f in ("숨", "목소리", "목") for f in m.forms[max(0, k - 3) : k])):
        return False
    if k and m.tags[k - 1] == "MAG" and m.forms[k - 1] in ("안", "못"):
        return False
    return not (
        k + 2 < m.size and m.forms[k + 1] == "는" and m.forms[k + 2] in ("날", "시간", "주말", "토요일", "일요일")
    )


def _cool_place(m: Morphemes, k: int) -> bool:
    for step in range(k + 1, min(k + 5, m.size)):
        if m.tags[step][0] == "N":
            return (
                m.forms[step] in words.COOL_PLACE
                and m.forms[step] not in ("물줄기", "물소리", "나무", "분수")
                and advised(m, step)
            )
    return False
