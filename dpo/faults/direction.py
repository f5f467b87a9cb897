"""Faults of ``direction``: the change is told the wrong way round, or its way is left out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault
from dpo.faults.figures import Figure, change_figures, figures
from dpo.faults.korean import Morpheme, Token, agree, clauses, spell, tokens, word_end

_UPWARD = {
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
}
_DOWNWARD = {
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

_EASING = {"누그러지": "심해지", "수그러들": "심해지"}
"""What cold does in a rise and heat in a fall, and what it does the other way round."""

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

_WARM = frozenset(("따뜻", "포근", "온화", "덥", "무덥"))
_COLD = frozenset(_FEELINGS) - _WARM

_ADVISED = frozenset(("겉옷", "옷", "외투", "옷차림", "차림", "차", "물", "커피", "음료", "실내"))
"""Nouns whose warmth or coolness is advice and tells nothing of the day."""

_TELLING = re.compile(
    r"누그러|풀[려린리]|던 (?:어제|전날)|다가|꺾|물러|주춤|가[시셔]|덜 |수그러|순해|깊어|건너|되돌아|거꾸로|무색|거짓말"
    r"|언제|더 |다시|계절|봄|여름|겨울|가을|한파|폭염|부채질|옷장|[해워아져][진졌져]"
)
"""Words that tell a reader which way the temperature went."""

_ADVERBS = {"껑충": "뚝", "뚝": "껑충", "훌쩍": "뚝", "성큼": "뚝", "덜": "더"}

Edit = tuple[int, int, list[Morpheme]]
"""Tokens ``start`` to ``end`` and what is written in their place."""


def _opposite(found: Sequence[Token], index: int, verbs: Mapping[str, str], feelings: frozenset[str]) -> Edit | None:
    token = found[index]
    end = word_end(found, index)
    if end < len(found) and found[end - 1].form == "게":
        return None  # advice: 따뜻하게 입으세요
    rest = [t.morpheme for t in found[index + 1 : end]]
    if [form for form, _ in rest[:2]] in (["어", "서"], ["어", "오르"]):
        rest = rest[2:]  # 올라서면서, 뛰어올라: one verb to the reader, three morphemes to the tagger
    if token.form in verbs and token.is_a("VV", "VA", "NNG", "XR"):
        return index, end, [(verbs[token.form], token.tag), *rest]
    described = found[end].form if end < len(found) else ""
    if token.form in feelings and token.is_a("VA", "XR") and described not in _ADVISED:
        following = rest[1:] if rest and rest[0] == ("하", "XSA") else rest
        return index, end, [*_FEELINGS[token.form], *following]
    if token.form in _ADVERBS and token.is_a("MAG"):
        return index, end, [(_ADVERBS[token.form], token.tag)]
    return None


def _reverse(notice: str, first: int, last: int, verbs: Mapping[str, str], feelings: frozenset[str]) -> str:
    """The notice with all ``verbs`` and ``feelings`` between code points ``first`` and ``last`` turned round."""
    found = tokens(notice)
    edits = []
    done = 0
    for index, token in enumerate(found):
        if index < done or not first <= token.start < last:
            continue
        edit = _opposite(found, index, verbs, feelings)
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
    # 올랐어도 쌀쌀하니: what tells the other way is no part of the change
    verbs, feelings = (_UPWARD, _WARM) if reading.delta > 0 else (_DOWNWARD, _COLD)
    everything = partial(_reverse, notice, verbs=verbs | _EASING, feelings=feelings)
    only_verbs = partial(_reverse, notice, verbs=verbs, feelings=frozenset())
    for figure in change_figures(notice, reading):
        clause = next((c.end for c in clauses(notice) if c.strong and c.end > figure.end), len(notice))
        clause = min(clause, notice.find(",", figure.end) % (len(notice) + 1))
        word = figure.end + len((re.match(r"\S*( \S+)?", notice[figure.end :]) or [""])[0])
        # The feeling turned with the verb reads best; where safety forbids it, the verb alone, then all of the text.
        yield everything(figure.start, clause)
        yield everything(figure.start, word)
        yield only_verbs(figure.start, clause)
        yield only_verbs(0, clause)
        yield everything(0, clause)
        yield everything(0, len(notice))
        yield only_verbs(0, len(notice))


def _claimed_change(notice: str, rng: Random) -> Iterator[str]:
    """At delta 0: a change of unsaid size beside the word for sameness."""
    ways = (
        ("조금 올라", "조금 오른"),
        ("살짝 높아져", "살짝 높아진"),
        ("조금 내려", "조금 내린"),
        ("다소 낮아져", "다소 낮아진"),
    )
    for linking, modifying in rng.sample(ways, len(ways)):
        for match in re.finditer(r"(비슷|같|동일)(한|은) (?=영하 |\d)", notice):
            contrast = match[1] + ("하지만" if match[2] == "한" else "지만")
            yield f"{notice[: match.start()]}{contrast} {modifying} {notice[match.end() :]}"
        for match in re.finditer(r"비슷해 ", notice):
            yield f"{notice[: match.start()]}비슷하지만 {linking} {notice[match.end() :]}"


def _missing(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """The size of the change without its way: ``어제보다 10도 올라 포근하니`` becomes ``어제와 10도 차이가 나니``.

    What else in the notice gives the way away to a reader (another temperature, 추위가 누그러져) rules it out.
    """
    if len(list(figures(notice))) != 1:
        return
    for figure in change_figures(notice, reading):
        head = re.sub(r"보다( 기온이| 기온은)?( 약| 무려| 고작)? $", r"\1\2 ", notice[: figure.start])
        if len(head) < figure.start:
            compared = head.rstrip().removesuffix(" 고작").removesuffix(" 무려").removesuffix(" 약")
            compared = re.sub(r" 기온[이은]$", "", compared)
            head = compared + agree(compared, "와") + head[len(compared) :]
        if re.search(r"[을를] $", head):
            return  # 기온을 7도 웃돌아: the object cannot stay
        for told in (*_stated(notice, figure), *_modifying(notice, figure)):
            candidate = f"{head}{notice[figure.start : figure.end]} 차이가 {told}"
            if not _TELLING.search(candidate):
                yield candidate


def _stated(notice: str, figure: Figure) -> Iterator[str]:
    """What follows the size where a clause tells the change and how it feels: both give way to one verb."""
    for clause in clauses(notice):
        if clause.strong and clause.end > figure.end and "," not in notice[figure.end : clause.end]:
            ending = "지만" if notice[: clause.end].endswith("지만") else "으니"
            yield spell([("나", "VV"), ("었", "EP"), (ending, "EC")]) + notice[clause.end :]
            return


def _modifying(notice: str, figure: Figure) -> Iterator[str]:
    """What follows the size where the change modifies a noun: ``낮은 쌀쌀한 공원`` becomes ``나는 공원``."""
    found = tokens(notice)
    first = next(
        (i for i, t in enumerate(found) if t.start >= figure.end and t.form in {*_UPWARD, *_DOWNWARD, *_FEELINGS}), None
    )
    if first is None or "," in notice[figure.end : found[first].start]:
        return
    end = word_end(found, first)
    if not found[end - 1].is_a("ETM") or notice[found[end - 1].end :].startswith((" 뿐", " 만큼", " 정도")):
        return  # 낮을 뿐인데: no noun is described
    while end < len(found) and found[end].form in _FEELINGS and found[word_end(found, end) - 1].is_a("ETM"):
        end = word_end(found, end)
    yield "나는" + notice[found[end - 1].end :]


FAULTS = (
    fault("direction_reversed", "direction", _reversed),
    fault("direction_missing", "direction", _missing),
)
