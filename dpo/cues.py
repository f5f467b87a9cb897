"""How far trivial cues alone tell rejected from chosen notices: length, first word, last word.

A preference model that can win on such a cue learns the cue and not the rule. Each cue is a classifier that sees
nothing else, trained on some of the examples and tested on the others (ten folds by reading, so that no chosen notice
stands on both sides). Two numbers come out, both 0.5 where the cue knows nothing:

``alone``
    Accuracy on single notices, chosen and rejected in equal number: how well the cue recognises a rejected notice
    without its counterpart. Length: the best threshold, in the better direction. Words: a word counts as rejected when
    it closed (opened) more rejected than chosen notices; an unseen or even word counts half.

``paired``
    Accuracy on pairs: how often the cue picks the rejected notice of two. Length: always the longer or always the
    shorter one; words: the one whose word leans further to the rejected side. A tie counts half, so a cue that both
    notices share is worth 0.5.

A figure near 1 is right where the fault itself is the cue (a label *is* the first word, a missing full stop *is* the
last); what matters is that no cue separates the whole set.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, get_args

from data.reading import Reading
from dpo.pairs import Pair

Cue = Literal["length", "first_word", "last_word"]
CUES: tuple[Cue, ...] = get_args(Cue)
FOLDS = 10


@dataclass(frozen=True)
class Separation:
    """Accuracies in 0..1 of one cue on a set of pairs."""

    alone: float
    paired: float


@dataclass(frozen=True)
class CueReport:
    """The cues of a set of pairs, with the shares of rejected notices that are shorter, as long and longer."""

    pairs: int
    separations: dict[Cue, Separation]
    shorter: float
    equal: float
    longer: float

    def to_dict(self) -> dict[str, object]:
        """As JSON, rounded to three places."""
        cues: dict[str, object] = {
            cue: {"alone": round(separation.alone, 3), "paired": round(separation.paired, 3)}
            for cue, separation in self.separations.items()
        }
        shares = {"shorter": self.shorter, "equal": self.equal, "longer": self.longer}
        return {"pairs": self.pairs, **cues, "rejected_length": {name: round(s, 3) for name, s in shares.items()}}


Scorer = Callable[[str], float]
"""A notice in; positive when the cue takes it for rejected, further from 0 when it is surer."""


def cue_report(pairs: Sequence[Pair]) -> CueReport:
    """Measure every cue on a non-empty set of pairs. Deterministic: folds come from a hash of the reading."""
    if not pairs:
        raise ValueError("no pairs to measure cues on")
    differences = [len(pair.rejected) - len(pair.chosen) for pair in pairs]
    count = len(pairs)
    return CueReport(
        pairs=count,
        separations={cue: _separation(pairs, cue) for cue in CUES},
        shorter=sum(d < 0 for d in differences) / count,
        equal=sum(d == 0 for d in differences) / count,
        longer=sum(d > 0 for d in differences) / count,
    )


def cues_by_fault(pairs: Sequence[Pair]) -> dict[str, CueReport]:
    """A report for each fault that has pairs, in order of appearance."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.fault].append(pair)
    return {name: cue_report(members) for name, members in groups.items()}


def _fold(reading: Reading) -> int:
    return sha256(f"cues:{reading.yesterday}:{reading.today}".encode()).digest()[0] % FOLDS


def _separation(pairs: Sequence[Pair], cue: Cue) -> Separation:
    alone = paired = 0.0
    for fold in range(FOLDS):
        test = [pair for pair in pairs if _fold(pair.reading) == fold]
        train = [pair for pair in pairs if _fold(pair.reading) != fold]
        if not test:
            continue
        single, relative = _length_scorers(train) if cue == "length" else (_word_scorer(train, cue),) * 2
        for pair in test:
            alone += (_won(single(pair.rejected)) + _won(-single(pair.chosen))) / 2
            paired += _won(relative(pair.rejected) - relative(pair.chosen))
    return Separation(alone / len(pairs), paired / len(pairs))


def _won(score: float) -> float:
    return 1.0 if score > 0 else 0.5 if score == 0 else 0.0


def _length_scorers(train: Sequence[Pair]) -> tuple[Scorer, Scorer]:
    """The best threshold on length for single notices, and the better of "longer" and "shorter" for pairs."""
    if not train:
        return (lambda text: 0.0), (lambda text: 0.0)
    chosen = sorted(len(pair.chosen) for pair in train)
    rejected = sorted(len(pair.rejected) for pair in train)

    def advantage(threshold: int) -> int:
        """By how many more rejected than chosen notices are longer than ``threshold``."""
        return bisect_right(chosen, threshold) - bisect_right(rejected, threshold)

    best = max(sorted({*chosen, *rejected}), key=lambda threshold: abs(advantage(threshold)))
    sign = (advantage(best) > 0) - (advantage(best) < 0)
    trend = sum((len(p.rejected) > len(p.chosen)) - (len(p.rejected) < len(p.chosen)) for p in train)
    direction = (trend > 0) - (trend < 0)
    return (lambda text: sign * (len(text) - best - 0.5)), (lambda text: direction * len(text))


def _word_scorer(train: Sequence[Pair], cue: Cue) -> Scorer:
    """Leaning of a notice's first or last word: (rejected - chosen) / (rejected + chosen + 1) over the training set."""
    place = 0 if cue == "first_word" else -1
    rejected = Counter(_word(pair.rejected, place) for pair in train)
    chosen = Counter(_word(pair.chosen, place) for pair in train)

    def score(text: str) -> float:
        word = _word(text, place)
        return (rejected[word] - chosen[word]) / (rejected[word] + chosen[word] + 1)

    return score


def _word(text: str, place: int) -> str:
    words = text.split()
    return words[place] if words else ""
