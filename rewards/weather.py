"""What a text says of the day's weather as a fact: hot, cold, mild or cool."""

from rewards import words
from rewards.grammar import about_other_time, about_yesterday, ending, head, negated, subjects
from rewards.text import Morphemes

HOT = frozenset(("덥", "무덥", "후텁지근", "후덥지근", "뜨겁", "찌"))
COLD = frozenset(("춥", "쌀쌀", "싸늘", "매섭", "스산", "혹독"))
MILD = frozenset(("따뜻", "따듯", "포근", "온화", "훈훈", "따스", "푸근", "온난"))
COOL = frozenset(("시원", "선선", "서늘"))
_FELT = frozenset(("느끼", "느껴지"))


def called(m: Morphemes, stems: frozenset[str], heads: frozenset[str] = words.WEATHER) -> int | None:
    """Index of the word that calls today's weather by one of ``stems``; None when none does.

    A warm cup, room or coat, warmth as advice (``따뜻하게 입으세요``), denied, conditional and yesterday's warmth are
    not the weather.
    """
    for k, form in enumerate(m.forms):
        if form in stems and m.tags[k] in ("VA", "XR", "VV") and _is_fact(m, k, heads):
            return k
    return None


def called_noun(m: Morphemes, mark: int) -> int | None:
    """Index of the noun (더위, 한파) with ``mark`` that names today's weather; None when none does."""
    for k in m.marked(mark):
        if m.tags[k][0] == "N" and not about_yesterday(m, k) and not _gone(m, k):
            return k
    return None


def _is_fact(m: Morphemes, k: int, heads: frozenset[str]) -> bool:
    if negated(m, k) or about_yesterday(m, k) or about_other_time(m, k):
        return False
    if any(m.forms[j] == "덜" for j in range(max(0, k - 2), k)):
        return False
    end = ending(m, k)
    if end is None:
        return _felt_adverb(m, k)
    form, tag = m.forms[end], m.tags[end]
    if form in words.UNREAL or (form == "게" and not _felt_adverb(m, k)):
        return False
    if any(m.forms[j] in ("보이", "듯하", "듯싶") for j in range(k + 1, end)):
        return False
    if tag == "ETM":
        noun = head(m, k)
        if form in ("ᆯ", "을", "던", "었던") or noun in words.HEDGE or noun is None:
            return False
        return noun in heads and not _wished(m, end) and not _indoors(m, k)
    if tag == "ETN":
        return False
    if tag == "EC" and form in ("고", "며", "으며"):
        noun = head(m, k)
        if noun is not None and noun not in heads:
            return False
    return all(noun in heads or noun in words.TEMPERATURE for noun in subjects(m, k)[-1:]) and not _indoors(m, k)


def _felt_adverb(m: Morphemes, k: int) -> bool:
    """``따뜻하게 느껴지``: an adverb that states after all."""
    return any(form in _FELT for form in m.forms[k + 1 : k + 4])


def _wished(m: Morphemes, end: int) -> bool:
    """``따뜻한 하루 보내세요``: a wish, no fact."""
    return any(
        m.forms[j] in words.SPENDING and m.tags[j][0] in "VN" for j in range(end + 1, min(end + 6, m.size))
    ) and any(m.forms[j] in words.SPAN for j in range(end + 1, min(end + 3, m.size)))


def _indoors(m: Morphemes, k: int) -> bool:
    """Whether a place that is not the open air stands in the clause: ``실내는``, ``그늘에서는``."""
    start = m.clause_start(k)
    return any(m.forms[j] in words.INDOORS and m.tags[j][0] == "N" and m.tags[j + 1][0] == "J" for j in range(start, k))


def _gone(m: Morphemes, k: int) -> bool:
    """``추위는 물러가고``, ``더위 대신``, ``추위는 없으니``: it is not there, or only feared."""
    for step in range(k + 1, min(k + 6, m.size)):
        form, tag = m.forms[step], m.tags[step]
        if form in words.RELENT and form not in ("녹", "줄", "약하"):
            return not negated(m, step)
        if form in ("대신", "없이", "없", "아니", "잊", "타", "모르", "그립", "걱정"):
            return form != "걱정" or any(f in ("없", "없이") for f in m.forms[step + 1 : step + 4])
        if tag in ("EC", "EF", "SF", "ETM"):
            return False
    return False
