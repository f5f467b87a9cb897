"""An evaluation as a value and as a file: which model wrote which notice for which reading, and the verdicts.

The file is the one thing that summaries, paired tests, plots and reports are made from; it holds no rate, so a measure
can be added later without generating again. Records are in the split's fixed order, one a line.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from data.files import write_atomic
from data.reading import Reading
from rewards.rubric import Rubric
from rewards.verdict import RULES, RuleResult, Verdict

FORMAT = 1


class EvaluationError(ValueError):
    """An evaluation is missing, damaged or of no use here; the message names it and the way out."""


@dataclass(frozen=True)
class Generation:
    """How the notices were written. ``temperature`` 0 is greedy; ``max_new_tokens`` counts the stop token."""

    samples: int = 1
    temperature: float = 0.0
    max_new_tokens: int = 96
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("samples", "max_new_tokens", "batch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")
        if self.samples > 1 and self.greedy:
            raise ValueError("greedy notices of one reading are all the same: set a temperature above 0")

    @property
    def greedy(self) -> bool:
        """Whether every reading has the one notice that the model holds most likely, token by token."""
        return self.temperature == 0


@dataclass(frozen=True)
class JudgedNotice:
    """One generated notice and its verdict.

    Attributes:
        text: decoded, without special tokens.
        tokens: generated tokens, the stop token included.
        finished: whether a stop token came before the limit.
        seconds: its share of the wall time; a wait only when one notice was decoded at once.
        verdict: what the judge says of the text.
    """

    text: str
    tokens: int
    finished: bool
    seconds: float
    verdict: Verdict


@dataclass(frozen=True)
class Record:
    """One reading and the notices written for it: one, or as many as samples were asked for."""

    reading: Reading
    answers: tuple[JudgedNotice, ...]


@dataclass(frozen=True)
class Evaluation:
    """What one model wrote for the readings of one split.

    Attributes:
        run: id of the run whose model this is; None outside a run.
        stage: ``base``, ``sft`` or ``dpo``.
        model: name of the base model.
        split: name of the split.
        split_size: readings of the whole split; more than there are records when only the first ones were taken.
        weights_hash: of the base model.
        adapter_hash: of the adapter's weights; None for a bare base model.
        template_hash: of the chat template.
        prompt_hash: of the system text and the form of the user text.
        rubric: the limits that the notices were judged by.
        generation: how they were written.
        device: where they were written; response times hold for it alone.
        created: ISO 8601, UTC.
        records: in the split's fixed order.
    """

    run: str | None
    stage: str
    model: str
    split: str
    split_size: int
    weights_hash: str
    adapter_hash: str | None
    template_hash: str
    prompt_hash: str
    rubric: Rubric
    generation: Generation
    device: str
    created: str
    records: tuple[Record, ...]

    @property
    def limited(self) -> bool:
        """Whether only the first readings of the split were taken."""
        return len(self.records) < self.split_size

    @property
    def file_name(self) -> str:
        """Its file in a run's ``eval`` folder."""
        return file_name(self.split, sampled=not self.generation.greedy)

    def to_dict(self) -> dict[str, Any]:
        """The JSON shape of the file."""
        return {
            "format": FORMAT,
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "rubric": asdict(self.rubric),
            "generation": asdict(self.generation),
            "records": [_record_to_dict(record) for record in self.records],
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Evaluation":
        """The evaluation that :meth:`to_dict` wrote.

        Raises:
            EvaluationError: another format, a key is missing, unknown or of the wrong kind, or no reading in it.
        """
        if content.get("format") != FORMAT:
            raise EvaluationError(f"format {content.get('format')!r} is not {FORMAT}: evaluate again")
        entries = {key: value for key, value in content.items() if key != "format"}
        names = {field.name for field in fields(Evaluation)}
        for key in sorted(names ^ set(entries)):
            raise EvaluationError(f"key {key!r} is {'missing' if key in names else 'unknown'}: evaluate again")
        try:
            entries["rubric"] = Rubric(**entries["rubric"])
            entries["generation"] = Generation(**entries["generation"])
        except (TypeError, ValueError) as error:
            raise EvaluationError(f"rubric or generation settings: {error}") from error
        records = []
        for number, record in enumerate(entries["records"], start=1):
            try:
                records.append(_record_from_dict(record))
            except (KeyError, TypeError, ValueError) as error:
                raise EvaluationError(f"record {number}: {type(error).__name__}: {error}") from error
        if not records:
            raise EvaluationError("holds no reading")
        return Evaluation(**entries | {"records": tuple(records)})


def file_name(split: str, *, sampled: bool = False) -> str:
    """The file of a split's evaluation: ``test.json``, or ``test-sampled.json`` when the notices were sampled."""
    return f"{split}-sampled.json" if sampled else f"{split}.json"


def save_evaluation(evaluation: Evaluation, folder: Path) -> Path:
    """Write an evaluation into a folder (``<run>/eval``), whole or not at all; returns the file's path.

    Raises:
        OSError: the folder is missing or the disk is full; what stood there still stands.
    """
    content = evaluation.to_dict()
    lines = [json.dumps(record, ensure_ascii=False) for record in content.pop("records")]
    head = json.dumps(content, ensure_ascii=False, indent=1).removesuffix("\n}")
    path = folder / evaluation.file_name
    write_atomic(path, f'{head},\n "records": [\n' + ",\n".join(lines) + "\n ]\n}\n")
    return path


def load_evaluation(path: Path) -> Evaluation:
    """Read an evaluation.

    Raises:
        EvaluationError: there is none, or it cannot be read; names the file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvaluationError(f"no evaluation in {path}: run launch/evaluate.py first") from None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise EvaluationError(f"{path}: expected an object")
    try:
        return Evaluation.from_dict(content)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}") from error


def _record_to_dict(record: Record) -> dict[str, Any]:
    return {
        "yesterday": record.reading.yesterday,
        "today": record.reading.today,
        "answers": [
            {
                "text": answer.text,
                "tokens": answer.tokens,
                "finished": answer.finished,
                "seconds": answer.seconds,
                "verdict": answer.verdict.to_dict(),
            }
            for answer in record.answers
        ],
    }


def _record_from_dict(content: dict[str, Any]) -> Record:
    answers = tuple(
        JudgedNotice(**answer | {"verdict": _verdict_from_dict(answer["verdict"])}) for answer in content["answers"]
    )
    if not answers:
        raise ValueError("no answer")
    return Record(Reading(int(content["yesterday"]), int(content["today"])), answers)


def _verdict_from_dict(content: dict[str, Any]) -> Verdict:
    if set(content["rules"]) != set(RULES):
        raise ValueError(f"judged by other rules ({', '.join(content['rules'])}): evaluate again")
    rules = tuple(RuleResult(name=name, **content["rules"][name]) for name in RULES)
    return Verdict(rules, dict(content["soft"]))
