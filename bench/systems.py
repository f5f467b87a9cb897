"""The systems that are compared, each as its users run it, and one measured run of one of them.

* ``trl_stock``: TRL as it comes: float32 weights under bfloat16 autocast, activation checkpointing, batch of 8, and for
  DPO a reference pass in every step.
* ``trl_best``: bfloat16 weights (float32 where the machine is much faster), no checkpointing, reference computed
  before, the fastest batch (and for SFT TRL's own packing, if it is faster) as found on this machine, and freed memory
  kept for the next batch, as ondo's stages do: by default half of TRL's time goes into fresh memory for its logits.
* ``ondo``: the same trainers behind ``pack_trainer``, reference computed before, freed memory kept.

A run is one optimiser step over the rows it is given, in micro-batches of the system's size, timed from the start of
the training loop to its end. Loading and the reference are not timed, nor is the first micro-batch of a process that
keeps its memory: it is computed once before. Without that the first touch of the memory would be a tenth of so short a
run; for ``trl_stock`` every batch is the first in this sense.
"""

import gc
import resource
import tempfile
import time
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from bench.cases import Case
from bench.work import plan_rows, rows_and_labels, training_flops
from models.dtype import usual_dtype
from models.load import ModelSpec, load_base
from models.lora import LoraArguments
from models.memory import keep_freed
from models.trie import pack_trainer
from models.vocabulary import Vocabulary, choose_vocabulary

STOCK_BATCH = 8
_ADAPTER_SCALE = 0.01


@dataclass(frozen=True)
class Settings:
    """How a system runs: ``batch`` items a micro-batch; ``row_tokens`` of TRL's packed rows, or 0; the head's words."""

    system: str
    batch: int
    row_tokens: int = 0
    vocabulary: Vocabulary = "full"

    def __str__(self) -> str:
        packed = f", packing to {self.row_tokens} tokens" if self.row_tokens else ""
        return f"batch {self.batch}{packed}"


@dataclass(frozen=True)
class Measured:
    """One run: seconds, items, their tokens (each row's own, padding not counted), the work over unique tokens."""

    seconds: float
    items: int
    tokens: int
    flops: float
    peak_memory_mb: float


class _Rows(DPOTrainer):
    """TRL's trainer on rows that are tokens already."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


class _Clock(TrainerCallback):
    """Seconds of the training loop."""

    seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._started = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self._started


def build_trainer(settings: Settings, case: Case, model_name: str, rows: Any, folder: str, exact: bool = False) -> Any:
    """The system's trainer over token rows; its adapters are moved off their start, off the DPO reference too.

    ``exact``: in float32, without autocast or checkpointing, whatever the system.
    """
    stock = settings.system == "trl_stock" and not exact
    loaded = load_base(ModelSpec(model_name, dtype="float32" if stock or exact else usual_dtype()))
    torch.manual_seed(0)
    model = get_peft_model(loaded.model, LoraArguments().peft_config())
    per_step = max(1, -(-len(rows) // settings.batch))
    arguments: dict[str, Any] = {
        "output_dir": folder,
        "use_cpu": not torch.cuda.is_available(),
        "per_device_train_batch_size": settings.batch,
        "per_device_eval_batch_size": settings.batch,
        "gradient_accumulation_steps": 1 if settings.row_tokens else per_step,
        "num_train_epochs": 1,
        "lr_scheduler_type": "constant",
        "learning_rate": 1e-5,
        "max_length": settings.row_tokens or None,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **({} if stock else {"bf16": False, "gradient_checkpointing": False}),
    }
    common: dict[str, Any] = {"model": model, "processing_class": loaded.tokenizer, "train_dataset": rows}
    if case.is_dpo:
        trainer: Any = _Rows(args=DPOConfig(**arguments), eval_dataset=rows, **common)
    else:
        packing = {"packing": True, "eval_packing": False} if settings.row_tokens else {}
        trainer = SFTTrainer(args=SFTConfig(**arguments, **packing), eval_dataset=rows, **common)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B.default" in name:
                value += _ADAPTER_SCALE * torch.randn(value.shape, generator=generator)
    if settings.system == "ondo":
        texts = [text for item in case.items for text in item[1:]]
        choose_vocabulary(model, loaded.tokenizer, settings.vocabulary, texts, packed=True)
        pack_trainer(trainer)
    elif settings.system == "trl_best" and case.is_dpo:
        trainer._precompute_model_hash = None
        trainer.train_dataset = trainer.eval_dataset = trainer._precompute_ref_logps(rows, "train", settings.batch)
        trainer.precompute_ref_logps = True
    return trainer


def run(settings: Settings, case: Case, model_name: str, first: int, count: int) -> Measured:
    """Train one step over ``count`` items from item ``first`` on."""
    if settings.system != "trl_stock":
        keep_freed()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer, rows = _prepare(settings, case, model_name, first, count, folder)
        if settings.system != "trl_stock":
            _warm(trainer)
        clock = _Clock()
        trainer.add_callback(clock)
        trainer.train()
        assert trainer.state.global_step >= 1
        flops = training_flops(trainer.model.get_base_model(), plan_rows(rows))
        del trainer
        gc.collect()
    return Measured(
        seconds=clock.seconds,
        items=count,
        tokens=sum(len(tokens) for tokens, _ in rows_and_labels(rows)),
        flops=flops,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _warm(trainer: Any) -> None:
    """Compute the gradient of the first micro-batch and forget it."""
    inputs = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainer.model.train()
    trainer.compute_loss(trainer.model, inputs).backward()
    trainer.model.zero_grad()


def check(
    settings: Settings, case: Case, model_name: str, first: int, count: int, exact: bool = False
) -> dict[str, float]:
    """What the system makes of ``count`` items before any training: the loss, and for DPO the mean log-probs.

    ``exact``: as in :func:`build_trainer`.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer, _ = _prepare(settings, case, model_name, first, count, folder, exact)
        found = trainer.evaluate()
        del trainer
        gc.collect()
    wanted = ["eval_loss", "eval_logps/chosen", "eval_logps/rejected", "eval_rewards/margins"]
    return {name.removeprefix("eval_"): found[name] for name in wanted if name in found}


def _prepare(
    settings: Settings, case: Case, model_name: str, first: int, count: int, folder: str, exact: bool = False
) -> tuple[Any, Dataset]:
    rows = case.rows(_tokenizer(model_name), first, count)
    return build_trainer(settings, case, model_name, rows, folder, exact), rows


_tokenizers: dict[str, Any] = {}


def _tokenizer(model_name: str) -> Any:
    if model_name not in _tokenizers:
        _tokenizers[model_name] = load_base(ModelSpec(model_name)).tokenizer
    return _tokenizers[model_name]
