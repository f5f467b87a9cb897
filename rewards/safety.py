"""The rule ``safety``: nothing is wrong for today's temperature, and a caution stands at the extremes."""

from collections.abc import Callable

from rewards import words
from rewards.caution import against_cold, against_heat
from rewards.grammar import about_other_time, about_yesterday, advised, head, negated
from rewards.rubric import Rubric
from rewards.text import Morphemes
from rewards.verdict import RuleResult
from rewards.weather import COLD, COOL, HOT, MILD, called, called_noun
from rewards.words import COLD_NOUN_, GARMENT_, GOOD_, HEAT_MEASURE_, HOT_NOUN_, LIGHT_, THICK_, THIN_

Find = Callable[[Morphemes], int | None]
"""Index of the morpheme that is wrong, or None."""


def safety(m: Morphemes, today: int, rubric: Rubric) -> RuleResult:
    """No advice or description is wrong for today's temperature; a caution stands at the extremes."""
    wrong = wrong_for(m, today, rubric)
    if wrong is not None:
        word, reason = wrong
        return RuleResult("safety", False, word, f"{reason}: {word!r}")
    for due, name, caution in (
        (today <= rubric.severe_cold, "cold", against_cold),
        (today >= rubric.hot, "heat", against_heat),
    ):
        if due:
            found = caution(m)
            return RuleResult("safety", found is not None, found, None if found else f"no caution against the {name}")
    return RuleResult("safety", True, None, None)


def wrong_for(m: Morphemes, today: int, rubric: Rubric) -> tuple[str, str] | None:
    """A word of advice or description that is wrong for today's temperature and why, or None."""
    for applies, reason, find in (
        (True, "an official advisory is claimed", advisory),
        (today <= rubric.cold, "light clothing is advised in the cold", light_clothes),
        (today <= rubric.cold, "a measure against heat is advised in the cold", heat_measure),
        (today <= rubric.cold, "a cold day is called hot", hot_day),
        (today <= rubric.mild_denied, "the weather is called mild in hard frost", mild_day),
        (today >= rubric.warm, "warm clothing or a measure against cold is advised in the heat", warm_clothes),
        (today >= rubric.warm, "a hot day is called cold", cold_day),
        (today >= rubric.cool_denied, "a hot day is called cool", cool_day),
        (today >= rubric.hot, "great heat is called pleasant for a walk or exercise", pleasant_outing),
    ):
        wrong = find(m) if applies else None
        if wrong is not None:
            return m.text[m.starts[wrong] : m.ends[wrong]], reason
    return None


def advisory(m: Morphemes) -> int | None:
    """주의보, 특보, and 경보 when it is one of weather; denied ones are none."""
    for k in m.marked(words.ADVISORY_):
        around = m.forms[max(0, k - 2) : k] + m.forms[k + 1 : k + 5]
        if m.forms[k] == "경보" and not any(form in words.ISSUED for form in around):
            continue
        denied = any(form in ("아니", "없", "없이") for form in m.forms[k + 1 : k + 4])
        if not denied:
            return k
    return None


def light_clothes(m: Morphemes) -> int | None:
    """Short sleeves, thin or light clothes as advice; several thin layers are right."""
    for k, marks in enumerate(m.marks):
        if marks & LIGHT_ and advised(m, k) and not _under(m, k):
            return k
        if marks & THIN_ and m.tags[k] in ("VA", "XR") and _thin_advised(m, k):
            return k
    return None


def _under(m: Morphemes, k: int) -> bool:
    """``반팔 위에 겉옷을``: worn under something."""
    return any(form in ("위", "안") for form in m.forms[k + 1 : k + 3]) or any(
        form in words.LAYERS for form in m.forms[k + 1 : m.clause_end(k) + 4]
    )


def _thin_advised(m: Morphemes, k: int) -> bool:
    if any(form in words.LAYERS for form in m.forms[max(0, k - 3) : m.clause_end(k) + 8]):
        return False
    end = k + 1
    while end < m.size and m.tags[end] in ("XSA", "EP"):
        end += 1
    if end >= m.size:
        return False
    if m.forms[end] == "게":
        verb = end + 1
        while verb < m.size and m.tags[verb] in ("MAG", "JX"):
            verb += 1
        return verb < m.size and m.forms[verb] in ("입", "차려입", "걸치", "옷") and advised(m, end)
    if m.tags[end] != "ETM":
        return False
    noun = None
    step = end + 1
    while step < m.size and (m.tags[step][0] == "N" or m.tags[step] in ("XSN", "MM")):
        noun, step = step, step + 1
    if noun is None or m.forms[noun] not in words.CLOTHES or m.forms[noun] in words.WRAPPED_WARM:
        return False
    if m.forms[k] == "가볍" and m.forms[noun] in ("겉옷", "외투", "코트", "패딩", "점퍼"):
        return False
    return advised(m, noun)


def heat_measure(m: Morphemes) -> int | None:
    """Ice water, a parasol, air conditioning as advice."""
    return next((k for k in m.marked(HEAT_MEASURE_) if m.tags[k][0] == "N" and advised(m, k)), None)


def hot_day(m: Morphemes) -> int | None:
    """The day is called hot."""
    found = called_noun(m, HOT_NOUN_)
    return called(m, HOT) if found is None else found


def mild_day(m: Morphemes) -> int | None:
    """The weather is called 따뜻, 포근 or 온화."""
    return called(m, MILD)


def cold_day(m: Morphemes) -> int | None:
    """The day is called cold."""
    found = called_noun(m, COLD_NOUN_)
    return called(m, COLD) if found is None else found


def cool_day(m: Morphemes) -> int | None:
    """The weather, not a drink or the shade, is called 시원 or 선선."""
    return called(m, COOL, words.WEATHER_COOL)


def warm_clothes(m: Morphemes) -> int | None:
    """Coats, scarves, hand warmers, warm dressing as advice."""
    for k, marks in enumerate(m.marks):
        if marks & GARMENT_ and m.tags[k][0] == "N" and advised(m, k):
            return k
        flask = m.forms[k + 1 : k + 2] in (["병"], ["물병"])
        if m.forms[k] in ("보온", "난방", "온풍기") and m.tags[k] == "NNG" and not flask and advised(m, k):
            return k
        if marks & THICK_ and _warmly(m, k):
            return k
    return None


def _warmly(m: Morphemes, k: int) -> bool:
    """``따뜻하게 입``, ``두꺼운 옷``."""
    rest = m.forms[k + 1 : k + 4]
    if "게" in rest:
        verb = k + 2 + rest.index("게")
        while verb < m.size and m.tags[verb] in ("MAG", "JX"):
            verb += 1
        dressed = verb < m.size and m.forms[verb] in ("입", "차려입", "챙겨입", "껴입", "감싸", "무장", "갖춰입")
        return dressed and not negated(m, verb)
    noun = head(m, k)
    if noun is None or noun not in words.CLOTHES or m.forms[k] == "시원":
        return False
    at = max(j for j in range(m.size) if m.forms[j] == noun)
    return advised(m, at)


def pleasant_outing(m: Morphemes) -> int | None:
    """``산책하기 좋``, ``나들이에 최고``, ``운동하기 알맞``: the day is praised for exercise or a walk."""
    for k in m.marked(GOOD_):
        if m.tags[k] in ("MAG",) and m.forms[k] != "딱":
            continue
        best = "보다" in m.forms[max(0, k - 3) : k]  # 이보다 좋은 날은 없: denied, it is praise still
        if (negated(m, k) and not best) or about_yesterday(m, k) or about_other_time(m, k):
            continue
        if _praised_outing(m, k) and not _sheltered(m, k):
            return k
    return None


def _praised_outing(m: Morphemes, k: int) -> bool:
    """Whether the words of praise at ``k`` are said of an outing that stands right before them."""
    step = k - 1
    allowed = ("JKB", "JX", "JKS", "JKO", "MAG", "XSV", "ETN", "SP")
    while step >= 0 and k - step < 10:
        form, tag = m.forms[step], m.tags[step]
        if form in words.OUTING and tag[0] in "NV":
            return not (tag[0] == "N" and m.forms[step + 1] in ("은", "는", "을", "를") and "기" not in m.forms[step:k])
        if (
            tag in allowed
            or form in ("이", "더")
            or form in words.PURPOSE
            or form in ("길", "공원", "코스", "날씨", "때", "시간")
        ):
            step -= 1
            continue
        return False
    return False


def _sheltered(m: Morphemes, k: int) -> bool:
    """``실내에서 운동하기 좋은``: not of the open air, or of another hour (``산책하기 좋은 때는``)."""
    if head(m, k) in ("때", "시간", "시간대", "무렵", "실내", "시각"):
        return True
    return any(m.forms[j] in ("실내", "체육관", "실내체육관", "지하", "집") for j in range(max(0, k - 8), k))
