"""What the written examples cover and how varied they are: the figures of the dataset card."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from rapidfuzz import fuzz

from data.reading import BUCKETS, Bucket, bucket
from data.source import Notice
from rewards.judge import judge_batch

RISE_WAYS = {
    "오르다": r"오르|오른|올라(?!서|선|섰)|올랐",
    "올라서다": r"올라서|올라선|올라섰",
    "상승하다": r"상승",
    "높다": r"높은|높고|높습|높으|높네|높(?!아|여|였)",
    "높아지다": r"높아",
    "뛰다": r"뛴|뛰어|뛰었|뛰면|껑충",
    "치솟다": r"치솟",
    "웃돌다": r"웃도|웃돌|웃돈",
    "따뜻해지다": r"따뜻해|따뜻하",
    "포근해지다": r"포근해|포근하",
    "더워지다": r"더워|더운|덥",
    "덜 춥다": r"덜 춥|덜 추|덜 쌀쌀|덜 매",
    "누그러지다": r"누그러|풀려|풀린|풀리|풀렸",
}
"""Stems by which a notice states or describes a rise, each with the pattern that finds it."""

FALL_WAYS = {
    "내리다": r"내린|내려(?!가|간|갔|앉|앉)|내렸|내리",
    "내려가다": r"내려가|내려간|내려갔",
    "떨어지다": r"떨어",
    "낮다": r"낮은|낮고|낮습|낮으|낮네|낮(?!아|추|춰)",
    "낮아지다": r"낮아",
    "하락하다": r"하락",
    "하강하다": r"하강",
    "밑돌다": r"밑도|밑돌|밑돈",
    "추워지다": r"추워|추운|춥",
    "쌀쌀해지다": r"쌀쌀",
    "선선해지다": r"선선",
    "시원해지다": r"시원",
    "서늘해지다": r"서늘",
    "꺾이다": r"꺾",
}
"""Stems by which a notice states or describes a fall, each with the pattern that finds it."""

_FIGURE = re.compile(r"\d+")


@dataclass(frozen=True)
class Statistics:
    """Coverage and variety of one split. Shares lie in 0..1, similarities in 0..100 (rapidfuzz ratio)."""

    notices: int
    buckets: dict[Bucket, int]
    deltas: tuple[int, ...]
    coldest: int
    hottest: int
    passing: int
    lengths: tuple[int, int]
    state: float
    advice: float
    max_similarity: float
    most_similar: tuple[int, int]
    top_opening: tuple[str, float]
    rise_ways: dict[str, int]
    fall_ways: dict[str, int]


def mask_figures(text: str) -> str:
    """The text with every run of digits replaced by ``#``, so that notices compare by their wording."""
    return _FIGURE.sub("#", text)


def statistics(notices: Sequence[Notice]) -> Statistics:
    """Figures of a non-empty set of notices; the similarity is over all pairs, so the cost is quadratic."""
    verdicts = judge_batch([(n.text, n.reading.yesterday, n.reading.today) for n in notices])
    masked = [mask_figures(notice.text) for notice in notices]
    similarity, first, second = max(
        ((fuzz.ratio(masked[i], masked[j]), i, j) for i, j in combinations(range(len(masked)), 2)),
        default=(0.0, 0, 0),
    )
    openings = Counter(" ".join(text.split()[:3]) for text in masked)
    opening, times = openings.most_common(1)[0]
    counts = Counter(bucket(notice.reading) for notice in notices)
    temperatures = [t for n in notices for t in (n.reading.yesterday, n.reading.today)]
    lengths = [len(notice.text) for notice in notices]
    return Statistics(
        notices=len(notices),
        buckets={name: counts[name] for name in BUCKETS},
        deltas=tuple(sorted({abs(notice.reading.delta) for notice in notices})),
        coldest=min(temperatures),
        hottest=max(temperatures),
        passing=sum(verdict.passed for verdict in verdicts),
        lengths=(min(lengths), max(lengths)),
        state=sum(verdict.soft["state"] for verdict in verdicts) / len(notices),
        advice=sum(verdict.soft["advice"] for verdict in verdicts) / len(notices),
        max_similarity=similarity,
        most_similar=(notices[first].line, notices[second].line),
        top_opening=(opening, times / len(notices)),
        rise_ways=_ways([n for n in notices if n.reading.delta > 0], RISE_WAYS),
        fall_ways=_ways([n for n in notices if n.reading.delta < 0], FALL_WAYS),
    )


def _ways(notices: Sequence[Notice], patterns: dict[str, str]) -> dict[str, int]:
    counts = {way: sum(bool(re.search(p, n.text)) for n in notices) for way, p in patterns.items()}
    return {way: count for way, count in sorted(counts.items(), key=lambda item: -item[1]) if count}
