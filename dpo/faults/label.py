"""Faults of ``label``: what chat models put in front of, behind or around a notice."""

import re
from collections.abc import Iterator
from random import Random

from data.reading import Reading
from dpo.faults.fault import fault, shuffled
from dpo.faults.figures import figures
from dpo.faults.korean import agree, clause_spots, tokens

_FRONT = (
    *("출력: ", "답변: ", "답변 - ", "안내문: ", "[메시지] ", "메시지: ", "[안내] ", "문구: ", "[공원 안내] "),
    *("안내 문구: ", "출력 - ", "전광판: ", "정답: "),
)
_BEHIND = (" (안내문)", " [출력]", " (공원 안내 문구)", " [메시지]", " - 안내문", " (전광판 문구)", " (답변)")
_ROLES = ("assistant: ", "Output: ", "Answer: ", "assistant ", "Message: ", "[Output] ")
_META = (
    *("네, 알겠습니다. ", "다음은 공원 안내 문장입니다. ", "안내 문구를 작성했습니다. ", "물론입니다! "),
    *("네, 작성했습니다. ", "작성해 드립니다. "),
    *("다음은 요청하신 문장입니다: ", "아래와 같이 작성했습니다. ", "네, 안내해 드립니다. "),
)
_QUOTES = (('"', '"'), ("'", "'"))
_BRACKETS = (("[", "]"), ("(", ")"))
_ALTERNATIVES = (" (또는)", " (또는 다음과 같이)", " 또는:", " (혹은)")
_LIST_MARKS = ("- ", "1. ", "1) ", "- ")
_OTHER_NOUNS = {
    "산책": "달리기",
    "벤치": "정자",
    "겉옷": "점퍼",
    "외투": "코트",
    "모자": "양산",
    "장갑": "목도리",
    "목도리": "장갑",
    "물": "음료",
    "그늘": "쉼터",
    "나들이": "산책",
    "물병": "물통",
    "수분": "물",
    "양산": "모자",
    "코트": "외투",
    "담요": "겉옷",
    "산책로": "둘레길",
    "연못": "분수",
    "잔디밭": "벤치",
    "몸": "손",
    "여유": "휴식",
    "실내": "쉼터",
    "마스크": "모자",
    "바람": "공기",
    "볕": "햇살",
    "햇볕": "햇살",
    "길": "산책로",
    "옷차림": "차림",
    "활동": "운동",
    "운동": "달리기",
    "추위": "한기",
    "더위": "열기",
    "날씨": "공기",
}
"""Nouns and the alternative a model that cannot decide offers in brackets."""


def _front(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (label + notice for label in shuffled(_FRONT, rng))


def _behind(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (notice + label for label in shuffled(_BEHIND, rng))


def _role(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (role + notice for role in shuffled(_ROLES, rng))


def _meta(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (meta + notice for meta in shuffled(_META, rng))


def _around(*marks: tuple[str, str]) -> "_Around":
    return _Around(marks)


class _Around:
    """Puts one of several pairs of marks around the whole notice."""

    def __init__(self, marks: tuple[tuple[str, str], ...]) -> None:
        self.marks = marks

    def __call__(self, notice: str, reading: Reading, rng: Random) -> Iterator[str]:
        return (left + notice + right for left, right in rng.sample(self.marks, len(self.marks)))


def _alternatives(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    found = tokens(notice)
    inside = []
    for index, token in enumerate(found):
        other = _OTHER_NOUNS.get(token.form)
        alone = index + 1 < len(found) and found[index + 1].tag.startswith("J") and found[index + 1].word == token.word
        if other and token.is_a("NNG") and alone and other not in notice:
            particle = found[index + 1]
            rest = notice[particle.end :]
            inside.append(f"{notice[: token.end]} (또는) {other}{agree(other, particle.form)}{rest}")
    behind = [notice + mark for mark in shuffled(_ALTERNATIVES, rng)]
    yield from rng.sample(inside + behind, len(inside + behind))


def _list_mark(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    return (mark + notice for mark in shuffled(_LIST_MARKS, rng))


def _ellipsis(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    places = clause_spots(notice)
    for spot in rng.sample(places, len(places)):
        yield notice[:spot].rstrip(" ,") + rng.choice(("... ", "… ")) + notice[spot:]
    for match in re.finditer(r", ", notice):
        yield notice[: match.start()] + "... " + notice[match.end() :]
    yield notice.rstrip(".") + "..."


def _markdown(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    candidates = [f"**{notice}**", f"# {notice}", f"`{notice}`", f"> {notice}", f"**안내:** {notice}"]
    for figure in figures(notice):
        candidates.append(f"{notice[: figure.start]}**{notice[figure.start : figure.end]}**{notice[figure.end :]}")
    if "공원" in notice:
        candidates.append(notice.replace("공원", "**공원**", 1))
    return iter(rng.sample(candidates, len(candidates)))


FAULTS = (
    fault("label_front", "label", _front),
    fault("label_behind", "label", _behind),
    fault("role_word", "label", _role, "script"),
    fault("meta_talk", "label", _meta, "one_sentence"),
    fault("alternatives", "label", _alternatives),
    fault("quotes", "label", _around(*_QUOTES)),
    fault("brackets", "label", _around(*_BRACKETS)),
    fault("list_mark", "label", _list_mark),
    fault("ellipsis", "label", _ellipsis),
    fault("markdown", "label", _markdown, "script"),
)
