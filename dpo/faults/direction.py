"""Faults of ``direction``: the change is told the wrong way round, or its way is left out."""

import re
from collections.abc import Iterator, Sequence
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault
from dpo.faults.figures import change_figures
from dpo.faults.korean import Morpheme, Token, clauses, spell, tokens, word_end

_OPPOSITES = {
    "오르": "떨어지",
    "올라가": "내려가",
    "올라서": "내려서",
    "높": "낮",
    "높아지": "낮아지",
    "상승": "하락",
    "뛰": "떨어지",
    "뛰어오르": "떨어지",
    "치솟": "떨어지",
    "웃돌": "밑돌",
    "떨어지": "오르",
    "내리": "오르",
    "내려가": "올라가",
    "내려서": "올라서",
    "낮": "높",
    "낮아지": "높아지",
    "하락": "상승",
    "하강": "상승",
    "밑돌": "웃돌",
}
"""Verbs and nouns of change and their opposites; the tag stays."""

_FEELINGS: dict[str, tuple[Morpheme, ...]] = {
    "따뜻": (("쌀쌀", "XR"), ("하", "XSA")),
    "포근": (("쌀쌀", "XR"), ("하", "XSA")),
    "온화": (("쌀쌀", "XR"), ("하", "XSA")),
    "덥": (("선선", "XR"), ("하", "XSA")),
    "무덥": (("선선", "XR"), ("하", "XSA")),
    "쌀쌀": (("포근", "XR"), ("하", "XSA")),
    "선선": (("따뜻", "XR"), ("하", "XSA")),
    "서늘": (("따뜻", "XR"), ("하", "XSA")),
    "시원": (("덥", "VA-I"),),
    "춥": (("따뜻", "XR"), ("하", "XSA")),
}
"""Stems that tell how the day feels, and the feeling of the other direction."""

_ADVISED = frozenset(("겉옷", "옷", "외투", "옷차림", "차림", "차", "물", "커피", "음료", "실내"))
"""Nouns whose warmth or coolness is advice and tells nothing of the day."""

_ADVERBS = {"껑충": "뚝", "뚝": "껑충", "훌쩍": "뚝", "성큼": "뚝"}

Edit = tuple[int, int, list[Morpheme]]
"""Tokens ``start`` to ``end`` and what is written in their place."""


def _opposite(found: Sequence[Token], index: int, feelings: bool) -> Edit | None:
    token = found[index]
    end = word_end(found, index)
    if end < len(found) and found[end - 1].form == "게":
        return None  # advice: 따뜻하게 입으세요
    rest = [t.morpheme for t in found[index + 1 : end]]
    if [form for form, _ in rest[:2]] == ["어", "서"]:
        rest = rest[2:]  # 올라서면서: one verb to the reader, three morphemes to the tagger
    if token.form in _OPPOSITES and token.is_a("VV", "VA", "NNG", "XR"):
        return index, end, [(_OPPOSITES[token.form], token.tag), *rest]
    described = found[end].form if end < len(found) else ""
    if feelings and token.form in _FEELINGS and token.is_a("VA", "XR") and described not in _ADVISED:
        following = rest[1:] if rest and rest[0] == ("하", "XSA") else rest
        return index, end, [*_FEELINGS[token.form], *following]
    if token.form in _ADVERBS and token.is_a("MAG"):
        return index, end, [(_ADVERBS[token.form], token.tag)]
    return None


def _reverse(notice: str, first: int, last: int, feelings: bool) -> str:
    """The notice with every change told between code points ``first`` and ``last`` turned round."""
    found = tokens(notice)
    edits = []
    done = 0
    for index, token in enumerate(found):
        if index < done or not first <= token.start < last:
            continue
        edit = _opposite(found, index, feelings)
        if edit:
            edits.append(edit)
            done = edit[1]
    text = notice
    for start, end, morphemes in reversed(edits):
        text = text[: found[start].start] + spell(morphemes) + text[found[end - 1].end :]
    return text


def _reversed(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    if reading.delta == 0:
        yield from _claimed_change(notice, rng)
        return
    for figure in change_figures(notice, reading):
        clause = next((c.end for c in clauses(notice) if c.strong and c.end > figure.end), len(notice))
        clause = min(clause, notice.find(",", figure.end) % (len(notice) + 1))
        word = figure.end + len((re.match(r"\S*( \S+)?", notice[figure.end :]) or [""])[0])
        # The feeling turned with the verb reads best; where safety forbids it, the verb alone, then all of the text.
        yield _reverse(notice, figure.start, clause, feelings=True)
        yield _reverse(notice, figure.start, word, feelings=True)
        yield _reverse(notice, figure.start, clause, feelings=False)
        yield _reverse(notice, 0, clause, feelings=False)
        yield _reverse(notice, 0, clause, feelings=True)
        yield _reverse(notice, 0, len(notice), feelings=True)
        yield _reverse(notice, 0, len(notice), feelings=False)


def _claimed_change(notice: str, rng: Random) -> Iterator[str]:
    """At delta 0: a change of unsaid size beside the word for sameness."""
    ups = ["조금 올라", "살짝 높아져", "조금 내려", "다소 낮아져"]
    for change in rng.sample(ups, len(ups)):
        for match in re.finditer(r"(비슷한|같은|동일한|변함없는|변함없이) ", notice):
            stem = {"비슷한": "비슷하지만", "같은": "같지만", "동일한": "동일하지만"}.get(match[1], "변함없지만")
            past = {"올라": "오른", "높아져": "높아진", "내려": "내린", "낮아져": "낮아진"}[change.split()[1]]
            yield f"{notice[: match.start()]}{stem} {change.split()[0]} {past} {notice[match.end() :]}"
        for match in re.finditer(r"비슷해 ", notice):
            yield f"{notice[: match.start()]}비슷해도 {change} {notice[match.end() :]}"
        for match in re.finditer(r"그대로(라|이니|여서),? |차이가 없어 ", notice):
            yield f"{notice[: match.end()].rstrip(' ,')} {change} {notice[match.end() :]}"


def _missing(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """The size of the change without its way: ``10도 올라`` becomes ``10도 차이가 나``."""
    found = tokens(notice)
    for figure in change_figures(notice, reading):
        for index, token in enumerate(found):
            if token.start < figure.end or token.form not in {*_OPPOSITES, *_FEELINGS}:
                continue
            if not token.is_a("VV", "VA", "NNG", "XR") or "," in notice[figure.end : token.start]:
                break
            end = word_end(found, index)
            endings = [t.morpheme for t in found[index + 1 : end]]
            while endings and endings[0] in (("하", "XSV"), ("하", "XSA"), ("지", "VX")):
                endings = endings[1:]
            if len(endings) > 1 and endings[0] == ("어", "EC") and endings[1] == ("지", "VX"):
                endings = endings[2:]
            if re.search(r"[을를] $", notice[: figure.start]):
                break  # 기온을 7도 웃돌아: the object cannot stay
            rest = notice[found[end - 1].end :]
            yield f"{notice[: figure.end]} 차이가 {spell([('나', 'VV'), *endings])}{rest}"
            if endings and endings[-1][1] == "EC" and len(endings) == 1:
                yield f"{notice[: figure.end]}의 기온 차로{rest}"
            break


FAULTS = (
    fault("direction_reversed", "direction", _reversed),
    fault("direction_missing", "direction", _missing),
)
