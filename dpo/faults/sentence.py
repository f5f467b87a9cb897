"""Faults of ``one_sentence``: a second sentence, or a sentence that is not finished politely."""

from collections.abc import Iterator, Sequence
from random import Random

from data.reading import Reading
from dpo.faults.fault import Corrupt, fault, shuffled
from dpo.faults.korean import Clause, Morpheme, Token, clauses, spell, tokens

_APPENDED = (
    *("좋은 하루 보내세요.", "즐거운 하루 보내세요!", "오늘도 행복하세요!", "안전에 유의하세요.", "감기 조심하세요."),
    *("늘 건강하세요!", "감사합니다.", "오늘 하루도 힘내세요!", "편안한 하루 보내시기 바랍니다.", "함께해요!"),
    *("고맙습니다.", "환영합니다!", "기다리겠습니다.", "힘내세요!", "조심하세요!"),
)
_GREETINGS = ("안녕하세요! ", "안녕하세요. ", "반갑습니다! ", "좋은 아침입니다. ", "안녕하십니까? ")


_ADVISING = frozenset(("세요", "으세요", "ᆸ시오", "읍시오", "ᆸ시다", "읍시다", "죠", "어요", "ᆯ래요", "ᆯ까요"))
_ODD_STEMS = frozenset(("어떻",))
"""Stems whose other endings read oddly (어떰)."""
_PLAIN_STEMS = {"드시": ("마시", "VV"), "드세": ("마시", "VV")}
"""Stems that hold the honorific in themselves (드세요 is also read as 드세다), and the plain ones."""


def _divided(mark: str) -> Corrupt:
    """A fault that finishes a clause in the middle of the notice and goes on behind ``mark``."""

    def corrupt(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
        for clause in _by_strength(notice, rng):
            yield clause.finished + mark + notice[clause.end :].lstrip(" ,")

    return corrupt


def _by_strength(notice: str, rng: Random) -> list[Clause]:
    found = list(clauses(notice))
    strong = [clause for clause in found if clause.strong]
    weak = [clause for clause in found if not clause.strong]
    return rng.sample(strong, len(strong)) + rng.sample(weak, len(weak))


def _appended(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (f"{notice} {sentence}" for sentence in shuffled(_APPENDED, rng))


def _greeting(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (greeting + notice for greeting in shuffled(_GREETINGS, rng))


def _final_verb(notice: str) -> tuple[Sequence[Token], int, int] | None:
    """Tokens, index of the last verb's stem and of its final ending; None where no verb closes the notice."""
    found = tokens(notice)
    endings = [index for index, token in enumerate(found) if token.is_a("EF")]
    if not endings:
        return None
    end = start = endings[-1]
    while start and found[start - 1].word == found[end].word:
        start -= 1
    return found, start, end


def _reworded(notice: str, endings: Sequence[Sequence[Morpheme]]) -> Iterator[str]:
    """The notice with its final ending replaced, honorific and tense markers dropped, closed by a full stop."""
    final = _final_verb(notice)
    if final is None:
        return
    found, start, end = final
    stem = [_PLAIN_STEMS.get(t.form, t.morpheme) for t in found[start:end] if t.morpheme != ("시", "EP")]
    if not stem:
        return
    for ending in endings:
        word = spell([*stem, *ending])
        if word and word.count(" ") == sum(tag == "NNB" for _, tag in ending):
            yield notice[: found[start].start] + word + "."


def _acts(last: Token) -> bool:
    """Whether the last morpheme before an ending tells an action: a verb, an auxiliary or the honorific marker."""
    return last.is_a("VV", "VX", "XSV") or last.form in ("시", *_PLAIN_STEMS)


def _without_auxiliary(notice: str, *endings: Sequence[Morpheme]) -> Iterator[str]:
    """The notice closed by its main verb: ``걸어 보세요.`` with 기 becomes ``걷기.``; none without 보다 or 주다."""
    final = _final_verb(notice)
    if final is None:
        return
    found, start, _ = final
    if not (found[start].is_a("VX") and found[start].form in ("보", "주") and found[start - 1].is_a("EC")):
        return
    main = start - 1
    while found[main - 1].word == found[start - 1].word:
        main -= 1
    stem = [t.morpheme for t in found[main : start - 1]]
    for ending in endings:
        yield notice[: found[main].start] + spell([*stem, *ending]) + "."


def _noun_ending(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """A note instead of a sentence: ``걸어 보세요.`` becomes ``걷기.`` or ``걸을 것.``, ``좋습니다.`` ``좋음.``"""
    final = _final_verb(notice)
    if final is None or final[0][final[1]].form in _ODD_STEMS:
        return
    yield from _without_auxiliary(notice, [("기", "ETN")])
    found, start, end = final
    stative = any(t.form in ("겠", "었", "있", "없") for t in found[start:end])
    endings: list[list[Morpheme]] = [[("ᆷ", "ETN")]]
    if _acts(found[end - 1]) and found[end].form in _ADVISING and not stative:
        endings = [[("기", "ETN")], [("ᆯ", "ETM"), ("것", "NNB")]]
    yield from _reworded(notice, rng.sample(endings, len(endings)))


def _plain_ending(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """The plain style of an order or a remark: ``걸어 보자.``, ``걸어 봐라.``, ``좋다.``"""
    final = _final_verb(notice)
    if final is None or final[0][final[1]].form in _ODD_STEMS:
        return
    found, start, end = final
    acts = _acts(found[end - 1])
    endings: list[list[Morpheme]] = [[("ᆫ다", "EF")]] if acts else [[("다", "EF")]]
    if acts and found[end].form in _ADVISING:
        endings = rng.sample([[("어라", "EF")], [("자", "EF")]], 2)
        if found[start].form == "주":  # 씌워 주자 would be said to oneself
            yield from _without_auxiliary(notice, *endings)
    yield from _reworded(notice, endings)


def _unfinished(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """No closing mark, as when generation stops early: with or without the last word."""
    whole = notice.rstrip(".!?")
    words = whole.split(" ")
    cut = [" ".join(words[:-count]).rstrip(",") for count in (1, 2, 3)]
    yield from rng.sample([whole, *cut], 4)


FAULTS = (
    fault("sentence_split", "one_sentence", _divided(". ")),
    fault("sentence_run_on", "one_sentence", _divided(" ")),
    fault("sentence_spliced", "one_sentence", _divided(", ")),
    fault("sentence_appended", "one_sentence", _appended),
    fault("sentence_greeting", "one_sentence", _greeting),
    fault("ending_noun", "one_sentence", _noun_ending),
    fault("ending_plain", "one_sentence", _plain_ending),
    fault("ending_unfinished", "one_sentence", _unfinished),
)
