"""Faults of ``length``: the same message said too briefly or at too great length."""

import re
from collections.abc import Iterator
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault
from dpo.faults.figures import change_figures
from dpo.faults.korean import after_modifier, chain_start, clauses, past_marker, spell, tokens
from dpo.faults.wording import longer, much_longer
from rewards.rubric import DEFAULT_RUBRIC

_START = re.compile(r"어제|전날|하루 (?:만에|새|사이|전)|기온이 (?=어제|전날|하루)")
_TAILS = {
    "cold": (
        *(
            "공원에서 장갑을 끼세요.",
            "공원은 짧게 걸으세요.",
            "공원에서 보온에 유의하세요.",
            "공원에서 외투를 입으세요.",
        ),
        *(
            "공원에는 장갑이 필요합니다.",
            "공원에서 장갑을 껴 주세요.",
            "공원은 짧게 다녀갑시다.",
            "공원에서 보온에 힘쓰시죠.",
        ),
    ),
    "mild": (
        *("공원을 걸어 보세요.", "공원에서 쉬어 가세요.", "공원 산책을 즐기세요.", "공원으로 나오세요."),
        *("공원을 걸어 볼까요?", "공원에서 쉬어 갑시다.", "공원을 걷기 좋습니다.", "공원을 걸으시면 어떨까요?"),
    ),
    "hot": (
        *("공원에서 물을 드세요.", "공원 그늘에서 쉬세요.", "공원에서 더위를 조심하세요.", "공원 그늘에서 쉽시다."),
        *("공원에서 물을 챙겨 주세요.", "공원에는 물이 필요합니다.", "공원 그늘에서 쉬어 가시죠."),
    ),
}


def _too_short(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """The comparison alone with a brief closing."""
    rubric = DEFAULT_RUBRIC
    kind = "cold" if reading.today <= rubric.cold else "hot" if reading.today >= rubric.warm else "mild"
    tails = _TAILS[kind]
    openings = [*_clause_openings(notice, reading), *_comparisons(notice, reading)]
    for tail in rng.sample(tails, len(tails)):
        for opening in openings:
            if len(opening) + 1 + len(tail) < rubric.min_chars:
                yield f"{opening} {tail}"


def _clause_openings(notice: str, reading: Reading) -> Iterator[str]:
    """The clauses up to one that states the change, from the start or from the word for yesterday."""
    starts = [match.start() for match in _START.finditer(notice) if not after_modifier(notice, match.start())]
    change = change_figures(notice, reading)
    for clause in clauses(notice):
        for start in (0, *starts) if reading.delta else (0,):
            if start < clause.end and (not change or start < change[0].end <= clause.end):
                yield clause.linked[start:]


def _comparisons(notice: str, reading: Reading) -> Iterator[str]:
    """The comparison cut out where it modifies a noun: ``어제보다 8도 낮은 공원`` gives ``어제보다 8도 낮으니``."""
    found = tokens(notice)
    for figure in change_figures(notice, reading)[:1]:
        starts = [match.start() for match in _START.finditer(notice) if match.start() < figure.start]
        stem = [i for i, t in enumerate(found) if t.start >= figure.end and t.is_a("VV", "VA", "XSA", "XSV")]
        if not stem or not starts:
            continue
        first = chain_start(found, stem[0])
        morphemes = [t.morpheme for t in found[first : stem[0] + 1]]
        if (stem[0] + 1 < len(found)) and found[stem[0] + 1].form == "어" and found[stem[0] + 2].form == "지":
            morphemes += [found[stem[0] + 1].morpheme, found[stem[0] + 2].morpheme]
        yield notice[starts[-1] : found[first].start] + spell([*morphemes, *past_marker(morphemes), ("니", "EC")])


def _too_long(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    for candidate in much_longer(notice, rng):
        yield candidate
    for candidate in much_longer(notice, rng):
        yield from longer(candidate, rng)


FAULTS = (
    fault("too_short", "length", _too_short),
    fault("too_long", "length", _too_long),
)
