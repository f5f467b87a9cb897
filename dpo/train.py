"""Stage 2: DPO from a finished SFT run, with that same policy as the reference, on verified pairs."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback, set_seed

from data.examples import load_examples
from data.reading import Reading
from dpo.config import DpoConfig
from dpo.faults import FAULTS, select_faults
from dpo.load import fault_counts, load_pairs
from dpo.make import Made, make_pairs
from dpo.pair_files import write_pair_files
from dpo.pairs import Pair, pair_line
from dpo.trainer import FAULT, PAIR, PairCollator, PairTrainer
from eval.callback import NoticeEvaluation
from eval.card import finish_card
from eval.track import show_curves
from models.adapter import load_adapter
from models.arguments import RunArguments
from models.embedded import cache_root
from models.load import Loaded, load_base, run_spec
from models.processes import broadcast, wait_for_all
from models.rows import preference_rows
from models.runs import Run, RunError, file_hash, newest_run, open_run
from models.stage import Stage, fit
from models.tracking.lineage import Node, node
from models.tracking.run import Tracking
from models.trie import pack_trainer
from models.vocabulary import choose_vocabulary

PAIRS = "pairs.jsonl"
"""The pairs a run learns from, in its directory; when they were made there, with the report of their making."""

TYPES = (DpoConfig, RunArguments)


@dataclass(frozen=True)
class Settings:
    """Everything a recipe of stage 2 says; the base model and the adapter's shape come from the SFT run."""

    config: DpoConfig
    run: RunArguments

    @property
    def parts(self) -> tuple[Any, ...]:
        """The dataclasses, in the order of :data:`TYPES`."""
        return self.config, self.run


@dataclass(frozen=True)
class DpoData:
    """Pairs to learn from and to watch while training; ``report`` is None when the pairs come from a file."""

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    report: dict[str, Any] | None


def parent_run(settings: Settings) -> Run:
    """The SFT run to go on from.

    Raises:
        RunError: there is none, it is unfinished, or it is of another stage.
    """
    sft = settings.config.sft
    if sft is None:
        return newest_run("sft", settings.run.folder)
    run = open_run(sft)
    if run.stage != "sft":
        raise RunError(f"run {sft} is a {run.stage} run; DPO goes on from an SFT run")
    return run


def load_data(config: DpoConfig, parent: Run) -> DpoData:
    """Read a pair file, or make pairs from the examples the SFT run learnt from; validation pairs are always made.

    Raises:
        OSError: a file cannot be read.
        ValueError: the SFT run's files are not what they were, a pair breaks its contract, or one is validated on.
    """
    watched = make_pairs(_examples(parent, "validation"), **_how(config)).pairs
    if config.pairs is not None:
        pairs, description = tuple(load_pairs(Path(config.pairs))), None
    else:
        made = pairs_of(config, parent)
        pairs, description = made.pairs, made.description
    both = {pair.reading for pair in pairs} & {pair.reading for pair in watched}
    if both:
        told = ", ".join(f"{reading.yesterday} -> {reading.today}" for reading in sorted(both))
        where = parent.manifest["data"]["validation"]["file"]
        raise ValueError(
            f"{config.pairs or 'the pairs made here'}: {told} stands in {where} too; validation must not be trained on"
        )
    return DpoData(pairs, watched, description)


def pairs_of(config: DpoConfig, parent: Run) -> Made:
    """Pairs from the examples the SFT run learnt from and, when the recipe says so, from pool cells.

    Raises:
        OSError: the SFT run's file cannot be read.
        ValueError: it has changed since, or a fault is unknown.
    """
    written = _examples(parent, "train")
    return make_pairs(written, pool=config.pool, per_pool_cell=config.per_pool_cell, **_how(config))


def _how(config: DpoConfig) -> dict[str, Any]:
    faults = FAULTS if config.faults is None else select_faults(config.faults)
    return {"per_example": config.per_example, "faults": faults, "seed": config.seed}


def _examples(parent: Run, name: str) -> list[tuple[Reading, str]]:
    recorded = parent.manifest["data"][name]
    path = Path(recorded["file"])
    if file_hash(path) != recorded["sha256"]:
        raise ValueError(
            f"{path} has changed since the SFT run {parent.id}, so its pairs would not be what the policy was taught: "
            "run launch/sft.py again"
        )
    return [(example.reading, example.notice) for example in load_examples(path, "drop").examples]


def build_trainer(
    settings: Settings, data: DpoData, parent: Run, loaded: Loaded, run: Run, callbacks: Sequence[TrainerCallback] = ()
) -> PairTrainer:
    """The trainer, with the SFT adapter as policy and a frozen copy of it as reference."""
    config = dataclasses.replace(settings.config)
    config.output_dir, config.report_to = str(run.checkpoints), []
    config.hub_model_id = config.hub_model_id or run.id
    packed = config.packing == "trie"
    config.precompute_ref_log_probs = not packed  # packed, it is computed by pack_trainer
    set_seed(config.seed)
    model = load_adapter(loaded, parent.adapter, trainable=True)
    pairs = (*data.train, *data.validation)
    texts = [notice for pair in pairs for notice in (pair.chosen, pair.rejected)]
    choose_vocabulary(model, loaded.tokenizer, config.vocabulary, texts, packed=packed)
    names = sorted({pair.fault for pair in pairs})
    rows = {
        name: pair_rows(loaded, part, names, config.max_length)
        for name, part in (("train", data.train), ("validation", data.validation))
    }
    trainer = PairTrainer(
        faults=names,
        chosen_logp_limit=config.chosen_logp_limit,
        model=model,
        args=config,
        data_collator=PairCollator(pad_token_id=loaded.tokenizer.pad_token_id),
        train_dataset=rows["train"],
        eval_dataset=None if config.eval_strategy == "no" else rows["validation"],
        processing_class=loaded.tokenizer,
        callbacks=list(callbacks),
    )
    if packed:
        pack_trainer(trainer, reference_cache=cache_root() / "reference", budget=config.token_budget)
    if config.generate_validation:
        readings = list(dict.fromkeys(pair.reading for pair in data.validation))
        trainer.add_callback(NoticeEvaluation(trainer, loaded.tokenizer, readings))
    return trainer


def pair_rows(loaded: Loaded, pairs: Sequence[Pair], faults: Sequence[str], max_length: int | None) -> Dataset:
    """Token rows of pairs, with the number of each pair and of its fault."""
    triples = [(pair.reading, pair.chosen, pair.rejected) for pair in pairs]
    rows = preference_rows(loaded.tokenizer, triples, max_length)
    rows = rows.add_column(FAULT, [faults.index(pair.fault) for pair in pairs])
    return rows.add_column(PAIR, list(range(len(pairs))))


def run_dpo(settings: Settings, callbacks: Sequence[TrainerCallback] = (), group: str | None = None) -> Run:
    """Train and leave a finished run; see :func:`models.stage.fit` for what happens when it is interrupted.

    Raises:
        ValueError: settings, runs, pairs and models that do not go together.
        OSError: a file cannot be read or written.
        dpo.trainer.WrongReferenceError: policy and reference differ before the first step.
    """
    config = settings.config
    parent = parent_run(settings)
    config.sft = str(parent.path)
    data = load_data(config, parent)
    loaded = load_base(run_spec(parent, config.trust_remote_code))
    stage = Stage(
        name="dpo",
        parts=settings.parts,
        run=settings.run,
        seed=config.seed,
        entries={
            "data": {
                "pairs": len(data.train),
                "validation_pairs": len(data.validation),
                "file": None if config.pairs is None else config.pairs,
                "by_fault": fault_counts(list(data.train)),
                "sha256": sha256("".join(map(pair_line, data.train)).encode()).hexdigest(),
            },
            "parent_adapter_sha256": file_hash(parent.adapter / "adapter_model.safetensors"),
        },
        parent=parent,
        group=group,
        inputs=lineage_inputs(config, parent),
    )

    def build(run: Run) -> PairTrainer:
        broadcast(lambda: write_pair_files(run.path / PAIRS, data.train, data.report))
        wait_for_all()
        return build_trainer(settings, data, parent, loaded, run, callbacks)

    run = fit(
        stage,
        loaded,
        build,
        conclude=lambda trainer: {"displacement": trainer.displacement},
        outputs=lambda run: [] if config.pairs else [pairs_node(run.path / PAIRS)],
        show=lambda run, trainer, tracking: _show(run, trainer, tracking, data),
    )
    finish_card(run, config)
    return run


def _show(run: Run, trainer: PairTrainer, tracking: Tracking, data: DpoData) -> None:
    tracking.table("pairs", MARGIN_COLUMNS, margin_rows(data.validation, trainer.margins))
    show_curves(trainer, tracking, run)


def lineage_inputs(config: DpoConfig, parent: Run) -> tuple[Node, ...]:
    """What the adapter comes from: the SFT run's examples and adapter, and the pairs when they are a file."""
    return (*pair_sources(parent), *([pairs_node(Path(config.pairs))] if config.pairs else []))


def pair_sources(parent: Run) -> tuple[Node, ...]:
    """What pairs are made from: the examples of an SFT run, and, through their choice, its adapter."""
    files = parent.manifest["data"]
    return (
        node("examples", "examples", "dataset", Path(files["train"]["file"])),
        node("validation examples", "examples-validation", "dataset", Path(files["validation"]["file"])),
        node("parent adapter", "sft-adapter", "model", parent.adapter),
    )


def pairs_node(path: Path) -> Node:
    """A pair file in a lineage."""
    return node("pairs", "pairs", "dataset", path)


MARGIN_COLUMNS = ("fault", "rule", "yesterday", "today", "chosen", "rejected", "margin")


def margin_rows(pairs: Sequence[Pair], margins: Mapping[int, float]) -> list[tuple[Any, ...]]:
    """Pairs as rows of :data:`MARGIN_COLUMNS`, the least well ranked first; margins by their number, in nats."""
    order = sorted(margins, key=lambda number: margins[number])
    return [
        (p.fault, p.rule, p.reading.yesterday, p.reading.today, p.chosen, p.rejected, margins[number])
        for number, p in ((number, pairs[number]) for number in order)
    ]


def dry_run(settings: Settings) -> None:
    """Print what :func:`run_dpo` would train on, without loading weights or writing a file."""
    config = settings.config
    parent = parent_run(settings)
    data = load_data(config, parent)
    print(f"SFT run:     {parent.path} (base model {parent.manifest['base_model']})")
    print(f"pairs:       {len(data.train)} from {config.pairs or 'the examples of the SFT run'}")
    for name, count in fault_counts(list(data.train)).items():
        print(f"             {count:5d} {name}")
    print(f"validation:  {len(data.validation)} pairs")
    weights = config.loss_weights or [1.0] * len(config.loss_type)
    losses = ", ".join(f"{weight:g} x {loss}" for loss, weight in zip(config.loss_type, weights, strict=True))
    print(f"training:    loss {losses}; beta {config.beta:g}, learning rate {config.learning_rate:g}")
    print(f"packing:     {config.packing}")
