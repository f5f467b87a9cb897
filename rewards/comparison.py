"""What a clause compares with: yesterday, today or another time; and adjectives that compare by becoming."""

from rewards import words
from rewards.text import Morphemes


def becomes(m: Morphemes, index: int) -> bool:
    """Whether the adjective at ``index`` is a change: ``추워지``, ``포근해지``."""
    if m.forms[index].endswith(("워지", "해지", "아지")):
        return True
    return any(m.forms[k] == "지" and m.tags[k] == "VX" for k in range(index + 1, min(index + 4, m.size)))


def compares_at(m: Morphemes, k: int) -> bool:
    """Whether a phrase of comparison follows a noun at ``k``: 보다, 에 비해, 와 비교하면, 대비, 와 달리."""
    for step in range(k, min(k + 4, m.size)):
        form = m.forms[step]
        if form == "보다" or (form in words.COMPARING and (step > k or form == "대비")):
            return True
        if not (m.tags[step][0] == "J" or m.tags[step] in ("SP",)):
            return False
    return False


def standards(m: Morphemes, index: int) -> list[str]:
    """What the clause of ``index`` compares with: ``yesterday``, ``today`` or ``other``."""
    number = m.clause[index]
    if number not in m.compared:
        m.compared[number] = _standards(m, m.bounds[number], m.bounds[number + 1])
    return m.compared[number]


def _standards(m: Morphemes, start: int, end: int) -> list[str]:
    found: list[str] = []
    for k in range(start, end):
        form = m.forms[k]
        if form == "보다":
            if m.tags[k] == "JKB":
                found.append(_standard(m, start, k))
        elif form == "하루":
            if m.forms[k + 1 : k + 2] and m.forms[k + 1] in ("만", "새", "사이", "전", "만에"):
                found.append("yesterday")
        elif form in words.COMPARING and m.tags[k][0] in "VNM":
            found.append(_standard(m, start, k))
    return [standard for standard in found if standard]


def _standard(m: Morphemes, start: int, k: int) -> str:
    """The day named before the comparing word at ``k``, in its noun phrase."""
    for step in range(k - 1, max(start, k - 10) - 1, -1):
        form, tag = m.forms[step], m.tags[step]
        if form in words.YESTERDAY or (form == "하루" and m.forms[step + 1] == "전"):
            return "yesterday"
        if form in words.TODAY:
            return "today"
        if form in words.OTHER_TIME and tag[0] in "NM":
            return "other"
        if tag in ("JX", "JKS") and step < k - 1:
            break
    return ""


def has_comparison(m: Morphemes, index: int) -> bool:
    """Whether the clause of ``index`` compares with yesterday or today."""
    found = standards(m, index)
    return "yesterday" in found or "today" in found


def compared_with_other(m: Morphemes, index: int) -> bool:
    """Whether the clause of ``index`` compares with another time and with neither of the two days."""
    found = standards(m, index)
    return "other" in found and "yesterday" not in found and "today" not in found
