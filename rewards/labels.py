"""The rule ``label``: the text is the bare notice; and the bare notice inside a text that is not."""

import re
from collections.abc import Callable

from rewards import words
from rewards.verdict import RuleResult

_NAME = rf"(?:{'|'.join(sorted(words.LABELS, key=len, reverse=True))})"
_ROLE = rf"(?:{'|'.join(words.ROLES)})"
_TEXT = rf"(?:{'|'.join(sorted(words.TEXT_NOUNS, key=len, reverse=True))})"
_PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "<": ">",
    "【": "】",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "（": "）",
    "［": "］",
}
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "＂": "＂", "´": "´"}
_OPEN = "".join(map(re.escape, _PAIRS))
_CLOSE = "".join(map(re.escape, _PAIRS.values()))

_SPECIAL = re.compile(r"<[^<>\s가-힣]{1,30}>|\[/?(?:INST|EOS|BOS|SEP|CLS|PAD|UNK|END)\]|<<[^<>]*>>|\|[a-z_]+\|", re.I)
_ELLIPSIS = re.compile(r"\.(?:\s?\.)+|…|‥|。。+|[·・]{2,}|⋯")
_LIST_MARK = re.compile(
    r"^(?:\d{1,2}[.)](?!\d)\s*|[-–—+](?=\s|[가-힣\"'(\[])\s*|[•▪■□●○◆◇▶►▷‣※·∙◦→★☆➤✓✔①-⑳]\s*|[가-하][.)]\s|\(\d{1,2}\)\s*)"
)
_MARKDOWN = re.compile(r"[*#`_|{}<>]|~~")
_FRONT = re.compile(rf"^(?:[가-힣]+ ){{0,3}}?{_NAME}\s*(?:[::=|]|-{{1,2}}>?(?=\s)|[–—→>»)]|\n)\s*")
_ROLE_FRONT = re.compile(rf"^{_ROLE}\b\s*[::=>-]*\s*", re.I)
_COLON_FRONT = re.compile(r"^[가-힣A-Za-z ()\[\]/·]{1,16}[::](?!\d)\s*")
_SENTENCE_FRONT = re.compile(r"^[^::]*[다요죠]\s*[::]")
_BARE_FRONT = re.compile(
    r"^(?:출력|답변|응답|메시지|안내문|정답|결과|전광판)\s+(?=(?:어제|오늘|전날|전일|하루|기온|공원|영하|약)(?:[가-힣]|\s))"
)
_BRACKET_FRONT = re.compile(rf"^[{_OPEN}][^{_OPEN}{_CLOSE}\n]{{1,16}}[{_CLOSE}]\s*[::-]?\s*(?=\S)")
_BEHIND = re.compile(
    rf"(?<=[.!?])\s*(?:(?:[{_OPEN}][^{_OPEN}{_CLOSE}]{{1,30}}[{_CLOSE}]|(?:[가-힣]+ )?{_NAME}|{_ROLE})\s*[:.]?|"
    rf"[-–—→~=]+\s*[^.!?\n]{{1,20}})$",
    re.I,
)
_BEHIND_INSIDE = re.compile(rf"\s*[{_OPEN}]\s*(?:[가-힣]+ ){{0,2}}{_NAME}\s*[{_CLOSE}](?=[.!?]?$)")
_NAME_COLON = re.compile(rf"(?<![가-힣A-Za-z])(?:{_NAME}|{_ROLE})\s*[::](?!\d)", re.I)
_DEAR = r"(?:네|예|넵|물론(?:입니다|이죠|이에요|이지요)|그럼요|좋습니다|좋아요|확인했습니다)"
_IS = r"(?:입니다|이에요|예요|이랍니다|이옵니다|인데요)"
_META = (
    rf"{_TEXT}{_IS}(?=\s*[.!?:：~]|\s*$)",
    rf"^(?:다음|아래|여기|이상|위)(?:은|는|가|이|의|에)? (?:[가-힣]+ ){{0,5}}(?:{_TEXT}|안내|공지)(?:{_IS}|\s*[:：])",
    rf"(?:^|[.!?]\s+)(?:다음|아래|위|이)의? {_TEXT}(?:을|를|은|는|이|가|도) ",
    r"(?:다음|아래|위)(?:과|와) 같(?:습니다|이|은|아요)",
    rf"(?:^|[.!?]\s*){_DEAR}[,.!~](?=\s|$)",
    r"알겠습니다|알겠어요|요청하신|요청하셨|요청에 (?:따라|맞)|조건에 (?:맞|따라)|말씀하신 (?:대로|조건|내용)",
    rf"{_TEXT}(?:을|를|은|는)? ?(?:작성|생성|만들|제안|제시|써 |정리)",
    r"(?:작성|생성|제시|제안|정리)(?:해|하여)? ?(?:드리|드렸|보았|봤|했|하겠)|(?:작성|생성)(?:한|된|하였)",
    r"(?:답변|도와|만들어|제공|출력|써)(?:해|하여)? ?드리(?:겠습니다|겠어요)",
    r"(?:안내|답변|말씀|알려)(?:해|하여)? ?드(?:립니다|릴게요|려요|리겠습니다|리겠어요)[.!](?=\s*\S)",
    r"도움이 (?:되|됐|필요)|추가로 (?:필요|궁금|수정)|(?:더|다시) 필요하시|(?:수정|변경)이 필요|원하시면 ",
    r"말씀해 (?:주세요|주십시오|주시면)|글자 ?수|[0-9]+ ?(?:글자|자)(?:입니다|로|이내|[)\]])|한 문장으로",
)
"""Talk about the text instead of the text; any one of them is enough."""
_ALTERNATIVE = (
    r"[(\[]\s*(?:또는|혹은|[Oo][Rr])\b[^)\]]*[)\]]",
    r"[.!?]\s*(?:[\"']?(?:또는|혹은)(?=\s)|/)",
    r"(?:또는|혹은)(?:\s*[:：)]|\s*$|,? (?:다음|이렇|아래))",
    r"(?:^|\n)(?:또는|혹은)\s",
)


def label(text: str, plain: bool) -> RuleResult:
    """The text is the bare notice: no label, talk about it, alternative, wrapping, Markdown, token or ellipsis."""
    for what, find in _WORD_CHECKS if plain else _CHECKS:
        found = find(text)
        if found:
            return RuleResult("label", False, found, f"{what}: {found!r}")
    return RuleResult("label", True, None, None)


def _first(*patterns: re.Pattern[str]) -> Callable[[str], str | None]:
    def find(text: str) -> str | None:
        for pattern in patterns:
            match = pattern.search(text)
            if match:
                return match[0].strip() or match[0]
        return None

    return find


def _wrapping(text: str) -> str | None:
    """The quotes or brackets that stand around the whole text, or the one that stands alone at an end of it."""
    inner = text.rstrip(".!? ")
    if not inner:
        return None
    first, last = inner[0], inner[-1]
    for opening, closing in (_PAIRS | _QUOTES).items():
        if first == opening:
            closed = _closed_at(inner, opening, closing)
            if closed is None or closed == len(inner) - 1:
                return first + (closing if closed else "")
        if last == closing:
            count = inner.count(closing)
            if count % 2 if opening == closing else inner.count(opening) < count:
                return last
    return None


def _closed_at(text: str, opening: str, closing: str) -> int | None:
    """Where the bracket or quote that opens the text is closed."""
    if opening == closing:
        again = text.find(closing, 1)
        if again == 1:  # doubled quotes
            again = len(text) - 1 if text.endswith(closing) and len(text) > 2 else -1
        inside_last = text.endswith(closing) and text.count(closing) == 2
        return len(text) - 1 if inside_last else (again if again > 0 else None)
    depth = 0
    for index, character in enumerate(text):
        depth += (character == opening) - (character == closing)
        if depth == 0:
            return index
    return None


_CHECKS: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("a special token", _first(_SPECIAL)),
    ("Markdown or a list mark", _first(_MARKDOWN, _LIST_MARK)),
    ("a label in front", _first(_FRONT, _ROLE_FRONT, _COLON_FRONT, _BARE_FRONT)),
    ("a label", _first(_NAME_COLON)),
    ("an alternative", _first(*map(re.compile, _ALTERNATIVE))),
    ("quotes or brackets around the text", _wrapping),
    ("a bracketed label", _first(_BRACKET_FRONT)),
    ("a label behind", _first(_BEHIND, _BEHIND_INSIDE)),
    ("talk about the text", _first(*map(re.compile, _META))),
    ("an ellipsis", _first(_ELLIPSIS)),
)

_WORD_CHECKS = tuple(check for check in _CHECKS if check[0] in ("an alternative", "talk about the text"))
"""What may still stand in a text that :data:`_PLAIN` matches."""
_WRAPS = "".join({*_PAIRS, *_PAIRS.values(), *_QUOTES, *_QUOTES.values()})
_PICTURE = re.compile(
    "\\s?[\u2060-\u206f\u2190-\u2211\u2213-\u23ff\u2500-\u27bf\u2900-\u2bff\u200b-\u200f\ufe0e\ufe0f\ufeff\U0001f000-\U0001faff]+"
)
"""Emoji, pictures and invisible characters, with the blank before them."""
_ALTERNATIVE_MARK = re.compile(r"\s*[(\[]?\s*(?:또는|혹은)\s*[)\]:]+\s*|\s*[(\[]\s*(?:또는|혹은)\b[^)\]]*[)\]]")


def bare(text: str) -> str:
    """The text without labels, quotes and brackets around it, Markdown, ellipses, special tokens and pictures."""
    text = _SPECIAL.sub("", text)
    text = _MARKDOWN.sub("", text)
    text = _PICTURE.sub("", text).strip()
    text = _ELLIPSIS.sub(" ", text).strip()
    before = None
    while text != before:
        before = text
        for pattern in (_LIST_MARK, _BRACKET_FRONT, _FRONT, _ROLE_FRONT, _COLON_FRONT, _BARE_FRONT):
            shorter = pattern.sub("", text, count=1).strip()
            talk = pattern is _COLON_FRONT and _SENTENCE_FRONT.match(text)
            if not (talk or (pattern is _BRACKET_FRONT and _wrapping(text))):
                text = shorter
        text = _ALTERNATIVE_MARK.sub(" ", text).strip()
        text = _BEHIND_INSIDE.sub("", _BEHIND.sub("", text)).strip()
        if _wrapping(text):
            text = _unwrapped(text)
    return text


def _unwrapped(text: str) -> str:
    """The text without the wrapping at its ends, the closing mark kept."""
    inner = text.rstrip(".!? ")
    mark = text[len(inner) :].strip()
    inner = inner.strip(_WRAPS + " ") if inner[0] in _WRAPS else inner.rstrip(_WRAPS + " ")
    return inner + mark if not inner.endswith((".", "!", "?")) else inner


_PLAIN = re.compile(
    r"(?!답변|답|대답|출력|메시지|안내문|응답|정답|결과|전광판)[가-힣0-9]"
    r"(?:(?!\.\s?\.|[.!?] *\S|\d[.)])(?:[가-힣0-9 .,!?%℃]|~(?!~)))*[.!?]$"
)


def is_plain(text: str) -> bool:
    """Whether nothing that :func:`bare` would take away stands in the text: the common case, decided at once."""
    return _PLAIN.match(text) is not None
