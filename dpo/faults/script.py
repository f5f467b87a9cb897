"""Faults of ``script``: a foreign word, another writing system, an emoji, a loop."""

from collections.abc import Iterator, Mapping
from random import Random

from data.reading import Reading
from dpo.faults.fault import Corrupt, fault, shuffled
from dpo.faults.korean import clause_spots, replace_noun

_LATIN = {
    "산책로": ("walking road", "로드"),
    "산책": ("walking", "워킹"),
    "벤치": ("bench", "벤치"),
    "겉옷": ("jacket", "재킷"),
    "외투": ("coat", "코트"),
    "모자": ("cap", "캡"),
    "장갑": ("glove", "글러브"),
    "옷차림": ("style", "스타일"),
    "기온": ("temperature", "템퍼러처"),
    "날씨": ("weather", "웨더"),
    "그늘": ("shade", "셰이드"),
    "바람": ("wind", "윈드"),
    "오늘": ("today", "투데이"),
    "실내": ("indoor", "인도어"),
    "물": ("water", "워터"),
    "추위": ("cold", "콜드"),
    "무더위": ("heat wave", "웨이브"),
    "더위": ("heat", "히트"),
    "목도리": ("muffler", "머플러"),
    "둘레길": ("course", "코스"),
    "나들이": ("picnic", "피크닉"),
    "햇볕": ("sun", "선"),
    "아이": ("kids", "키즈"),
    "길": ("road", "로드"),
    "연못": ("pond", "폰드"),
    "볕": ("sunshine", "선샤인"),
    "몸": ("body", "보디"),
}
"""Korean nouns, the foreign word that takes their place, and how that is read."""

_HANJA = {
    "산책": ("散策", "산책"),
    "외투": ("外套", "외투"),
    "기온": ("氣溫", "기온"),
    "건강": ("健康", "건강"),
    "오늘": ("今日", "금일"),
    "실내": ("室內", "실내"),
    "체온": ("體溫", "체온"),
    "장갑": ("掌匣", "장갑"),
    "모자": ("帽子", "모자"),
    "전날": ("前日", "전일"),
    "수분": ("水分", "수분"),
    "날씨": ("天氣", "천기"),
    "준비": ("準備", "준비"),
    "주의": ("注意", "주의"),
    "추위": ("寒冷", "한랭"),
    "더위": ("暑氣", "서기"),
    "바람": ("风", "풍"),
    "물": ("水", "수"),
    "겉옷": ("外衣", "외의"),
    "길": ("路", "로"),
    "햇볕": ("阳光", "양광"),
    "꽃": ("花", "화"),
    "아이": ("孩子", "해자"),
    "몸": ("身体", "신체"),
    "어제": ("昨日", "작일"),
    "하루": ("一日", "일일"),
}
_EMOJI = ("☀️", "😊", "🌳", "🌡️", "❄️", "🍂", "🌸", "🙂")


def _foreign(words: Mapping[str, tuple[str, str]]) -> Corrupt:
    """A fault that puts one foreign word in the place of its Korean one."""

    def corrupt(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
        known = [word for word in words if word in notice]
        for word in rng.sample(known, len(known)):
            foreign, read = words[word]
            changed = replace_noun(notice, word, foreign, count=1, read=read)
            if changed != notice:
                yield changed

    return corrupt


def _emoji(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    for emoji in shuffled(_EMOJI, rng):
        spots = [spot - 1 for spot in clause_spots(notice)]
        behind = [f"{notice} {emoji}", f"{notice[:-1]} {emoji}{notice[-1]}", f"{emoji} {notice}"]
        inside = [notice[:spot] + emoji + notice[spot:] for spot in rng.sample(spots, min(2, len(spots)))]
        yield from rng.sample(behind + inside, len(behind + inside))


def _repeated(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """A phrase said over again at once, as a degenerate model loops."""
    words = notice.split(" ")
    loops = []
    for size, times in ((1, 3), (3, 2), (2, 3), (4, 2)):
        for start in range(len(words) - size):
            phrase = words[start : start + size]
            if any(letter in word for word in phrase for letter in ".,!?0123456789") or "공원" in phrase[0]:
                continue
            if size == 1 and len(phrase[0]) == 1:
                continue  # 덜 덜 덜 may be meant
            loops.append(" ".join([*words[:start], *phrase * times, *words[start + size :]]))
    rng.shuffle(loops)
    loops.sort(key=lambda text: (len(text) - len(notice)) // 6)
    return iter(loops[:12])


def _jamo(notice: str, reading: Reading, rng: Random) -> Iterator[str]:
    """Chat jamo (ㅎㅎ, ㅠㅠ) behind a clause or the notice."""
    for jamo in shuffled(("ㅎㅎ", "ㅠㅠ", "ㅋㅋ", "ㅎ"), rng):
        yield f"{notice[:-1]} {jamo}{notice[-1]}"
        for spot in clause_spots(notice):
            yield f"{notice[:spot].rstrip(' ,')} {jamo} {notice[spot:]}"


FAULTS = (
    fault("foreign_word", "script", _foreign(_LATIN)),
    fault("hanja", "script", _foreign(_HANJA)),
    fault("emoji", "script", _emoji),
    fault("jamo", "script", _jamo),
    fault("repeated_phrase", "script", _repeated),
)
