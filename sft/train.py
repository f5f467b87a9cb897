"""Stage 1: supervised fine-tuning of LoRA adapters on written notices, with TRL's ``SFTTrainer``."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import get_peft_model
from transformers import TrainerCallback, set_seed
from trl import SFTTrainer

from data.examples import TRAIN_FILE, VALIDATION_FILE, ExampleFile, load_examples
from eval.callback import NoticeEvaluation
from eval.card import finish_card
from eval.track import show_curves
from models.arguments import ModelArguments, RunArguments
from models.load import Loaded, load_base
from models.lora import LoraArguments
from models.rows import answer_rows
from models.runs import Run, file_hash
from models.stage import Stage, fit
from models.tracking.lineage import node
from models.trie import pack_trainer
from models.vocabulary import choose_vocabulary
from sft.config import SftConfig


@dataclass(frozen=True)
class Settings:
    """Everything a recipe of stage 1 says."""

    config: SftConfig
    model: ModelArguments
    lora: LoraArguments
    run: RunArguments

    @property
    def parts(self) -> tuple[Any, ...]:
        """The dataclasses, in the order of :data:`TYPES`."""
        return self.config, self.model, self.lora, self.run


TYPES = (SftConfig, ModelArguments, LoraArguments, RunArguments)


@dataclass(frozen=True)
class SftData:
    """What is trained and validated on."""

    train: ExampleFile
    validation: ExampleFile
    train_file: Path
    validation_file: Path


def load_data(config: SftConfig) -> SftData:
    """Read and judge both chat files.

    Raises:
        OSError: a file cannot be read.
        ValueError: invalid rows, or the two files share a reading; names file and line.
    """
    files = [
        TRAIN_FILE if config.train_file is None else Path(config.train_file),
        VALIDATION_FILE if config.validation_file is None else Path(config.validation_file),
    ]
    train, validation = (load_examples(file, config.on_invalid) for file in files)
    lines = {example.reading: example.line for example in train.examples}
    for example in validation.examples:
        if example.reading in lines:
            raise ValueError(
                f"{files[1]}:{example.line}: this reading stands in {files[0]}:{lines[example.reading]} too; "
                "validation must not be trained on"
            )
    return SftData(train, validation, *files)


def build_trainer(
    settings: Settings, data: SftData, loaded: Loaded, run: Run, callbacks: Sequence[TrainerCallback] = ()
) -> SFTTrainer:
    """TRL's trainer on our token rows, packed when the recipe says so, with the notices judged at every evaluation."""
    config = dataclasses.replace(settings.config)
    config.output_dir, config.report_to = str(run.checkpoints), []
    config.hub_model_id = config.hub_model_id or run.id
    config.packing = False  # type: ignore[assignment] # TRL's own packing
    set_seed(config.seed)
    model = get_peft_model(loaded.model, settings.lora.peft_config())
    texts = [example.notice for file in (data.train, data.validation) for example in file.examples]
    packed = settings.config.packing == "trie"
    choose_vocabulary(model, loaded.tokenizer, config.vocabulary, texts, packed=packed)
    rows = {
        name: answer_rows(loaded.tokenizer, [(e.reading, e.notice) for e in file.examples], config.max_length)
        for name, file in (("train", data.train), ("validation", data.validation))
    }
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=rows["train"],
        eval_dataset=None if config.eval_strategy == "no" else rows["validation"],
        processing_class=loaded.tokenizer,
        callbacks=list(callbacks),
    )
    if packed:
        pack_trainer(trainer, budget=settings.config.token_budget)
    if config.generate_validation:
        readings = [example.reading for example in data.validation.examples]
        trainer.add_callback(NoticeEvaluation(trainer, loaded.tokenizer, readings))
    return trainer


def run_sft(settings: Settings, callbacks: Sequence[TrainerCallback] = (), group: str | None = None) -> Run:
    """Train and leave a finished run; see :func:`models.stage.fit` for what happens when it is interrupted.

    Raises:
        ValueError: settings, data, model and adapter that do not go together.
        OSError: a file cannot be read or written.
    """
    data = load_data(settings.config)
    loaded = load_base(settings.model.spec(settings.config.trust_remote_code))
    stage = Stage(
        name="sft",
        parts=settings.parts,
        run=settings.run,
        seed=settings.config.seed,
        entries={
            "data": {
                "train": {"file": str(data.train_file), "sha256": file_hash(data.train_file)},
                "validation": {"file": str(data.validation_file), "sha256": file_hash(data.validation_file)},
                "examples": len(data.train.examples),
            },
        },
        group=group,
        inputs=(
            node("examples", "examples", "dataset", data.train_file),
            node("validation examples", "examples-validation", "dataset", data.validation_file),
        ),
    )
    run = fit(
        stage,
        loaded,
        lambda run: build_trainer(settings, data, loaded, run, callbacks),
        show=lambda run, trainer, tracking: show_curves(trainer, tracking, run),
    )
    finish_card(run, settings.config)
    return run


def dry_run(settings: Settings) -> None:
    """Print what :func:`run_sft` would train on, for how many steps, without loading weights or writing a file."""
    config, data = settings.config, load_data(settings.config)
    examples = len(data.train.examples)
    a_step = config.per_device_train_batch_size * config.gradient_accumulation_steps * config.world_size
    steps = (
        config.max_steps if config.max_steps > 0 else math.ceil(math.ceil(examples / a_step) * config.num_train_epochs)
    )
    model = settings.model
    print(f"base model:  {model.base_model} ({model.dtype}, quantization {model.quantization})")
    print(f"adapter:     LoRA rank {settings.lora.lora_r} on {' '.join(settings.lora.lora_target_modules)}")
    print(f"train:       {examples} examples of {data.train_file}")
    print(f"validation:  {len(data.validation.examples)} examples of {data.validation_file}")
    for row in (*data.train.invalid, *data.validation.invalid):
        print(f"invalid row: {row}")
    print(f"training:    {steps} steps of {a_step} examples, learning rate {config.learning_rate:g}")
    print(f"packing:     {config.packing}")
