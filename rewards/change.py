"""The rules of the change: delta and direction."""

import re

from rewards import words
from rewards.text import Figure, Text
from rewards.verdict import RuleResult

_DAY = re.compile(
    r"(?:어제|전날|전일|오늘|하루 전|지금|현재)(?:의|이|가|도)?(?: 기온(?:은|이)?)? ?(?:약 )?$|(?:어제|전날)(?:은|는) ?$|오늘(?:은|는)? 기온(?:은|이) ?$"
)
_BESIDE_SIZE = re.compile(
    r"^(?:나|쯤|가량| ?정도|씩)?(?: 더(?= ))?(?:는|은|가|이|만큼|를|만)? ?(?:더 |훌쩍 |껑충 |뚝 |가까이 )?"
)


def delta(text: Text, yesterday: int, today: int) -> RuleResult:
    """The size of the change is right, and every other temperature is true."""
    change = abs(today - yesterday)
    values = [_shown(figure.value) for figure in text.figures]
    sizes = [figure for figure in text.figures if _is_size(text.whole, figure)]
    for figure in text.figures:
        after, before = text.whole[figure.end :], text.whole[: figure.start]
        if words.WRONG_AMOUNT.match(after):
            return _fail(values, f"{_shown(figure.value)} 도 is stated as another amount: {after.split()[0]!r}")
        if words.OTHER_TIME.search(before):
            return _fail(values, f"{_shown(figure.value)} 도 is a figure for another time")
        if figure in sizes and figure.value != change:
            return _fail(values, f"the change is given as {_shown(figure.value)}, it is {change}")
        if figure.value not in (yesterday, today, change):
            return _fail(values, f"{_shown(figure.value)} 도 is neither a temperature of the two days nor the change")
    if change == 0:
        if not words.SAME.search(text.whole):
            return _fail(values, "nothing says that the temperature is the same")
        return RuleResult("delta", True, values, None)
    if not words.YESTERDAY.search(text.whole):
        return _fail(values, "no comparison with yesterday")
    if not sizes:
        return _fail(values, f"the change of {change} degrees is not given in digits")
    return RuleResult("delta", True, values, None)


def direction(text: Text, yesterday: int, today: int) -> RuleResult:
    """The comparison says the right direction, or none at delta 0."""
    expected = (today > yesterday) - (today < yesterday)
    claims = _claims(text)
    if words.REVERSED.search(text.whole):
        claims = {-claim for claim in claims}
    if expected == 0:
        return _direction(claims, not claims, "a change is claimed where there is none")
    if not claims:
        return _direction(claims, False, "the comparison states no direction")
    return _direction(claims, claims == {expected}, "the comparison says the wrong direction")


def _claims(text: Text) -> set[int]:
    """Directions (1 up, -1 down) claimed in the stretch that states the change."""
    whole = text.whole
    sizes = [figure for figure in text.figures if _is_size(whole, figure)]
    stretches = [whole[figure.end : figure.end + 12] for figure in sizes]
    claims: set[int] = set()
    for stretch in stretches:
        found = [
            (match.start(), sign)
            for sign, pattern in (
                (1, words.UP_VERB),
                (-1, words.DOWN_VERB),
                (1, words.WARMER),
                (-1, words.COLDER),
            )
            if (match := pattern.search(stretch))
        ]
        if found:
            claims.add(min(found)[1])
    if not sizes:
        match = re.search(r"(?:어제|전날|전일)(?:보다|에 비해| ?대비)[^,.]{0,24}", whole)
        stretch = match[0] if match else ""
        for sign, verb, feel in ((1, words.UP_VERB, words.WARMER), (-1, words.DOWN_VERB, words.COLDER)):
            if verb.search(stretch) or feel.search(stretch):
                claims.add(sign)
    return claims


def _is_size(whole: str, figure: Figure) -> bool:
    """Whether a figure stands where the change is stated, not as the temperature of a day."""
    after, before = whole[figure.end :], whole[: figure.start]
    if figure.signed or _DAY.search(before) or re.match(r"(?:였|이었|인 |이던|로 |로,|의 |에서|까지|라|이|에 )", after):
        return False
    beside = _BESIDE_SIZE.match(after)
    stretch = after[beside.end() if beside else 0 :][:10]
    return any(
        pattern.search(stretch) for pattern in (words.UP_VERB, words.DOWN_VERB, words.WARMER, words.COLDER)
    ) or bool(re.search(r"차이|변화", stretch))


def _direction(claims: set[int], passed: bool, reason: str) -> RuleResult:
    return RuleResult("direction", passed, sorted(claims), None if passed else reason)


def _fail(measured: list[float | int], reason: str) -> RuleResult:
    return RuleResult("delta", False, measured, reason)


def _shown(value: float) -> float | int:
    return int(value) if value.is_integer() else value
