"""The rules of the change: delta and direction."""

import re

from rewards import words
from rewards.comparison import becomes, compared_with_other, standards
from rewards.figures import Figure, figures
from rewards.grammar import about_other_time, about_yesterday, ending, head, negated, objects, subjects
from rewards.text import Morphemes, Text
from rewards.verdict import RuleResult

_YESTERDAY = re.compile(r"어제|전날|전일|하루 ?(?:전|만에|새|사이)")
_FROM_TO = re.compile(r"^ ?에서(?: ?오늘)?(?: ?영[하상])?[ \-−]*$")


def change(text: Text, yesterday: int, today: int) -> tuple[RuleResult, RuleResult]:
    """The results of ``delta`` and ``direction``, which read the same figures."""
    found = figures(text.seen, text.morphemes)
    return delta(text, found, yesterday, today), direction(text.morphemes, found, yesterday, today)


def delta(text: Text, found: list[Figure], yesterday: int, today: int) -> RuleResult:
    """The size of the change is right, and every other temperature is true."""
    size = abs(today - yesterday)
    values = [_shown(figure.value) for figure in found]
    wrong = untruth(text, found, yesterday, today)
    if wrong:
        return _fail(values, wrong)
    if size == 0:
        if not says_same(text.morphemes):
            return _fail(values, "nothing says that the temperature is the same")
        return RuleResult("delta", True, values, None)
    if not _YESTERDAY.search(text.seen):
        return _fail(values, "no comparison with yesterday")
    if not any(figure.role == "change" for figure in found):
        return _fail(values, f"the change of {size} degrees is not given in digits")
    return RuleResult("delta", True, values, None)


def untruth(text: Text, found: list[Figure], yesterday: int, today: int) -> str | None:
    """What the figures say that is not so, or None."""
    for number, figure in enumerate(found):
        wrong = _untruth(figure, yesterday, today) or _swapped(text.seen, found, number, yesterday, today)
        if wrong:
            return wrong
    return None


def _untruth(figure: Figure, yesterday: int, today: int) -> str | None:
    """Why the figure is untrue, or None."""
    size = abs(today - yesterday)
    shown = _shown(figure.value)
    true = {"change": {size}, "yesterday": {yesterday}, "today": {today}, "open": {yesterday, today, size}}
    if figure.amount:
        return f"{shown} degrees are stated as another amount: {figure.amount!r}"
    if figure.role == "other":
        return f"{shown} degrees are told of another time"
    if figure.value in true[figure.role]:
        return None
    if figure.role == "change":
        return f"the change is given as {shown}, it is {size}"
    if figure.role == "open":
        return f"{shown} degrees are neither a temperature of the two days nor the change"
    return f"{shown} degrees are told of {figure.role}, which had {next(iter(true[figure.role]))}"


def _swapped(text: str, found: list[Figure], number: int, yesterday: int, today: int) -> str | None:
    """Whether ``A도에서 B도로`` names the two days the wrong way round."""
    if yesterday == today or number + 1 >= len(found):
        return None
    one, two = found[number], found[number + 1]
    paired = one.role == two.role == "open" and _FROM_TO.match(text[one.end : two.start])
    if paired and text[two.end : two.end + 1] in "로까" and (one.value, two.value) == (today, yesterday):
        return "the temperatures of the two days have changed places"
    return None


def says_same(m: Morphemes) -> bool:
    """Whether a word for sameness is said and not denied."""
    for k in m.marked(words.SAME_):
        form, tag = m.forms[k], m.tags[k]
        if form == "같" and (tag != "VA" or not _alike(m, k)):
            continue
        if not negated(m, k):
            return True
    for k, form in enumerate(m.forms):
        if form in words.WITHOUT_CHANGE and _without(m, k):
            return True
        if form in words.LIKE and _likened_to_yesterday(m, k):
            return True
    return False


def _likened_to_yesterday(m: Morphemes, k: int) -> bool:
    """``어제처럼``, ``어제만큼``, ``어제와 같이``."""
    return any(m.forms[j] in words.YESTERDAY for j in range(max(0, k - 2), k)) and m.tags[k - 1] in ("NNG", "JKB", "JC")


def _alike(m: Morphemes, k: int) -> bool:
    """같 compares (어제와 같은) and does not guess (추울 것 같은) or liken (꿈 같은)."""
    return k > 0 and m.forms[k - 1] not in ("것", "듯", "거") and (m.tags[k - 1][0] != "N" or k < 2)


def _without(m: Morphemes, k: int) -> bool:
    if m.tags[k][0] == "V":
        return negated(m, k)
    following = [step for step in range(k + 1, min(k + 5, m.size)) if m.tags[step][0] in "VM"]
    return bool(following) and (m.forms[following[0]] in ("없", "없이") or negated(m, following[0]))


def direction(m: Morphemes, found: list[Figure], yesterday: int, today: int) -> RuleResult:
    """The comparison says the right direction, or none at delta 0."""
    expected = (today > yesterday) - (today < yesterday)
    told = told_signs(m, found)
    if expected == 0:
        return _direction(told, not told, "a change is claimed where there is none")
    if not told:
        return _direction(told, False, "the comparison states no direction")
    return _direction(told, told == [expected], "the comparison says the wrong direction")


def told_signs(m: Morphemes, found: list[Figure]) -> list[int]:
    """The directions that the comparison claims, 1 for up and -1 for down."""
    claims = _claims(m, found)
    return sorted({sign for sign, of_other in claims if not of_other} or {sign for sign, _ in claims})


_TELLING = words.UP_ | words.DOWN_ | words.WARM_ | words.COLD_ | words.HOT_NOUN_ | words.COLD_NOUN_ | words.RELENT_


def _claims(m: Morphemes, found: list[Figure]) -> list[tuple[int, bool]]:
    """Every claimed change: 1 for up, -1 for down, and whether it compares with another time than yesterday."""
    claims: list[tuple[int, bool]] = []
    for k in m.marked(_TELLING):
        against = standards(m, k)
        sign = _sign(m, found, k, against)
        if sign:
            reversed_ = "today" in against or ("yesterday" not in against and _of_yesterday(m, k))
            claims.append((-sign if reversed_ else sign, compared_with_other(m, k)))
    return claims


def _of_yesterday(m: Morphemes, k: int) -> bool:
    """``어제가 7도 높았``, ``7도 높았던 어제``: yesterday is the subject of the comparison."""
    if head(m, k) in words.YESTERDAY:
        return True
    for step in range(k - 1, m.clause_start(k), -1):
        if m.tags[step] in ("VA", "VV", "XR", "MAJ") or (m.tags[step] == "JKB" and m.forms[step] in ("로", "에서")):
            return False
        if m.tags[step] in ("JKS", "JX") and any(f in words.YESTERDAY for f in m.forms[max(0, step - 2) : step]):
            return True
    return False


def _sign(m: Morphemes, found: list[Figure], k: int, against: list[str]) -> int:
    """The direction that the word at ``k`` claims, 0 where it claims none."""
    marks, form, tag = m.marks[k], m.forms[k], m.tags[k]
    if negated(m, k):
        return 0
    measured = any(f.size and _same_stretch(m, f, k) for f in found)
    if tag[0] in "VX" and form in words.RELENT and not marks & (words.UP_ | words.DOWN_):
        return _relief(m, k) if measured or against else 0
    if marks & (words.HOT_NOUN_ | words.COLD_NOUN_) and tag[0] == "N":
        return _feared(m, k) if against else 0
    if marks & (words.UP_ | words.DOWN_) and tag[0] in "VNX":
        sign = 1 if marks & words.UP_ else -1
        return sign if _moves_temperature(m, found, k, measured, against) else 0
    if marks & (words.WARM_ | words.COLD_) and (tag in ("VA", "VV", "XR", "MAG")):
        sign = 1 if marks & words.WARM_ else -1
        if any(m.forms[j] == "덜" for j in range(max(0, k - 3), k)):
            sign = -sign
        return sign if _feels_change(m, k, measured, against) else 0
    return 0


def _same_stretch(m: Morphemes, figure: Figure, k: int) -> bool:
    return figure.after <= k and m.clause[min(figure.first, m.size - 1)] == m.clause[k]


def _moves_temperature(m: Morphemes, found: list[Figure], k: int, measured: bool, against: list[str]) -> bool:
    """Whether a word of rise or fall is said of the temperature, not of a hill, a voice, leaves or the sky."""
    if m.tags[k] == "NNG" and not (measured or against or _predicative(m, k)):
        return any(
            f.role == "change" and (_told_of(m, f, k) or (len(m.forms[k]) > 1 and 0 < k - f.after < 5)) for f in found
        )
    modified = head(m, k)
    if modified in words.YESTERDAY and "today" not in against:
        return measured and m.forms[k] in words.STATE_OF_HEIGHT
    of = [noun for noun in subjects(m, k) if noun not in ("도", "℃", "°C")]
    strange = [noun for noun in of[-1:] if noun not in words.TEMPERATURE and noun not in words.YESTERDAY]
    if measured:
        return not (strange and not against and m.tags[k] == "VV" and strange[0] in ("낙엽", "비", "눈"))
    if strange and not (strange[0] in ("공원", "폭", "정도") or m.marks[_index(m, strange[0], k)] & words.GAP_):
        return False
    if objects(m, k):
        return False
    if against:
        return True
    if about_other_time(m, k) or about_yesterday(m, k):
        return False
    if m.forms[k] in words.STATE_OF_HEIGHT and not becomes(m, k):
        return False
    told = any(m.clause[min(f.first, m.size - 1)] == m.clause[k] and f.after <= k for f in found)
    return told or any(noun in words.TEMPERATURE for noun in of)


def _told_of(m: Morphemes, figure: Figure, k: int) -> bool:
    """``오름폭이 6도``, ``상승 폭은 6도``: the noun at ``k`` names the change that the figure behind it measures."""
    return figure.first > k and m.clause[min(figure.first, m.size - 1)] == m.clause[k]


def _index(m: Morphemes, form: str, before: int) -> int:
    return max(k for k in range(before) if m.forms[k] == form)


def _predicative(m: Morphemes, k: int) -> bool:
    return k + 1 < m.size and m.tags[k + 1] in ("XSV", "XSA")


def _feels_change(m: Morphemes, k: int, measured: bool, against: list[str]) -> bool:
    """Whether a word of warmth or cold claims a change: where yesterday is compared, or as a comparative of today."""
    end = ending(m, k)
    adverb = end is None and any(form == "게" for form in m.forms[k + 1 : k + 3])
    modified = head(m, k)
    if modified in words.YESTERDAY and "today" not in against:
        return measured
    if measured:
        return True
    if modified is not None and modified not in words.WEATHER and not against:
        return False
    if against:
        return not (modified in words.COOL_PLACE and modified not in words.WEATHER)
    if adverb or about_yesterday(m, k) or about_other_time(m, k):
        return False
    comparative = becomes(m, k) or any(m.forms[j] in ("더", "덜") for j in range(max(0, k - 2), k))
    if end is not None and m.forms[end] in words.UNREAL:
        return False
    own = [noun for noun in subjects(m, k) if noun not in words.WEATHER and noun not in words.TEMPERATURE]
    return comparative and not own


def _relief(m: Morphemes, k: int) -> int:
    """Up when cold, or what has no name, gives way; down when heat or the temperature does."""
    said_of = subjects(m, k)
    marks = 0
    for noun in said_of:
        marks |= words.LEXICON.get(noun, 0)
    if marks & words.HOT_NOUN_:
        return -1
    if marks & words.COLD_NOUN_:
        return 1
    if m.forms[k] == "꺾이":
        return -1
    if m.forms[k] in ("누그러지", "누그러들", "풀리"):
        return 1
    return 0


def _feared(m: Morphemes, k: int) -> int:
    """The direction of ``추위가 심해졌``, ``더위가 기승을``; what gives way is judged at its verb."""
    sign = 1 if m.marks[k] & words.HOT_NOUN_ else -1
    if not (k + 1 < m.size and m.tags[k + 1] in ("JKS", "JX")):
        return 0
    for step in range(k + 2, min(k + 7, m.clause_end(k))):
        if m.forms[step] in words.INTENSIFY:
            return sign
    return 0


def _direction(claims: list[int], passed: bool, reason: str) -> RuleResult:
    return RuleResult("direction", passed, claims, None if passed else reason)


def _fail(measured: list[float | int], reason: str) -> RuleResult:
    return RuleResult("delta", False, measured, reason)


def _shown(value: float) -> float | int:
    return int(value) if value.is_integer() else value
