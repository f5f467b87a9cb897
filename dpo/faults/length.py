"""Faults of ``length``: the same message said too briefly or at too great length."""

import re
from collections.abc import Iterator
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault
from dpo.faults.figures import change_figures
from dpo.faults.korean import after_modifier, clauses
from dpo.faults.wording import longer, much_longer, shorter
from rewards.rubric import DEFAULT_RUBRIC

_START = re.compile(r"어제|전날|하루 (?:만에|새|사이|전)|기온이 (?=어제|전날|하루)")
_TAILS = {
    "cold": ("공원에서 장갑을 끼세요.", "공원은 짧게 걸으세요.", "공원에서 보온에 유의하세요."),
    "mild": ("공원을 걸어 보세요.", "공원에서 쉬어 가세요.", "공원 산책을 즐기세요.", "공원으로 나오세요."),
    "hot": ("공원에서 물을 드세요.", "공원 그늘에서 쉬세요.", "공원에서 더위를 조심하세요."),
}


def _too_short(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """The comparison alone with a brief closing; where it cannot be cut out, the notice without small words."""
    rubric = DEFAULT_RUBRIC
    kind = "cold" if reading.today <= rubric.cold else "hot" if reading.today >= rubric.warm else "mild"
    starts = [match.start() for match in _START.finditer(notice) if not after_modifier(notice, match.start())]
    figure = change_figures(notice, reading)
    behind = figure[0].end if figure else 0
    for tail in rng.sample([*_TAILS[kind], *_own_tails(notice)], len(_TAILS[kind]) + len(_own_tails(notice))):
        for clause in clauses(notice):
            if clause.end < behind:
                continue
            for start in [0, *starts]:
                if start < behind or not figure:
                    yield clause.linked[start:].lstrip() + " " + tail
    yield from shorter(notice, rng)


def _own_tails(notice: str) -> list[str]:
    """The last words of the notice itself as a closing about the park."""
    words = notice.split(" ")
    return [f"공원에서 {' '.join(words[-count:])}" for count in (2, 3) if "공원" not in "".join(words[-count:])]


def _too_long(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    for candidate in much_longer(notice, rng):
        yield candidate
    for candidate in much_longer(notice, rng):
        yield from longer(candidate, rng)


FAULTS = (
    fault("too_short", "length", _too_short),
    fault("too_long", "length", _too_long),
)
