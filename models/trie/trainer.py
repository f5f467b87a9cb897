"""Packed training behind TRL's own trainers: one call on a finished SFTTrainer or DPOTrainer.

TRL keeps its losses, metrics, evaluation and saving; only the forward pass under them changes, together with the order
of the rows (prompts shuffled, rows of a prompt side by side) and, for DPO, the reference log-probabilities, which are
computed here once instead of in every step.
"""

import types
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch.utils.data import Sampler
from tqdm.auto import tqdm
from trl import DPOTrainer

from models.memory import give_back
from models.trie.check import CannotPackError, base_causal_model, check_trainer
from models.trie.install import install
from models.trie.reference import load_reference, reference_key, reference_weights, save_reference
from models.trie.sampler import PromptSampler
from models.vocabulary import kept_words


def pack_trainer(
    trainer: Any,
    *,
    reference_cache: Path | None = None,
    precompute_reference: bool = True,
    drop: float | None = None,
    budget: int | None = None,
) -> None:
    """Make a trainer compute every shared token once. Call it after the trainer is built and before ``train``.

    Args:
        trainer: an ``SFTTrainer`` or ``DPOTrainer`` (or a subclass), changed in place. Build it with
            ``precompute_ref_log_probs=False``: TRL would compute the reference in its constructor, unpacked.
        reference_cache: folder that keeps reference log-probabilities between runs; None keeps none.
        precompute_reference: compute a DPO reference now, once; False leaves it to every step.
        drop: see :func:`models.trie.install.install`, also for ``budget``.
        budget: see ``drop``.

    Raises:
        CannotPackError: the model or a setting cannot go with it; the message names it and the way out.
    """
    check_trainer(trainer)
    install(trainer.model, drop=drop, budget=budget)
    reference_model = getattr(trainer, "ref_model", None)
    if reference_model is not None:
        install(trainer.accelerator.unwrap_model(reference_model), drop=drop, budget=budget)
    trainer._get_train_sampler = types.MethodType(_prompt_sampler, trainer)
    if not isinstance(trainer, DPOTrainer):
        return
    _weigh_pairs(trainer)
    trainer._precompute_ref_logps = lambda dataset, name, batch_size: add_reference(
        trainer, dataset, batch_size, reference_cache
    )
    if not precompute_reference or trainer.precompute_ref_logps or trainer.args.sync_ref_model:
        return
    args = trainer.args
    trainer.train_dataset = add_reference(
        trainer,
        trainer.train_dataset,
        args.precompute_ref_batch_size or args.per_device_train_batch_size,
        reference_cache,
    )
    size = args.precompute_ref_batch_size or args.per_device_eval_batch_size
    if isinstance(trainer.eval_dataset, dict):
        trainer.eval_dataset = {
            name: add_reference(trainer, dataset, size, reference_cache)
            for name, dataset in trainer.eval_dataset.items()
        }
    elif trainer.eval_dataset is not None:
        trainer.eval_dataset = add_reference(trainer, trainer.eval_dataset, size, reference_cache)
    trainer.precompute_ref_logps = True


def add_reference(trainer: Any, dataset: Any, batch_size: int, cache: Path | None) -> Any:
    """A tokenised preference dataset with columns ``ref_chosen_logps`` and ``ref_rejected_logps``, in nats.

    Raises:
        CannotPackError: the dataset has no length.
        ValueError: a file of the cache is damaged.
    """
    if not hasattr(dataset, "__len__"):
        raise CannotPackError("a streamed dataset has no reference to compute ahead: set precompute_reference=False")
    # one process computes, the others wait for its numbers: they need no shared folder and can never differ
    found = [_reference(trainer, dataset, batch_size, cache) if trainer.accelerator.is_main_process else None]
    chosen, rejected = broadcast_object_list(found)[0]
    return dataset.add_column("ref_chosen_logps", chosen).add_column("ref_rejected_logps", rejected)


def _reference(trainer: Any, dataset: Any, batch_size: int, cache: Path | None) -> tuple[list[float], list[float]]:
    args, model = trainer.args, trainer.ref_model or trainer.model
    columns = [dataset[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")]
    key = ""
    if cache is not None:
        adapter = "ref" if "ref" in getattr(model, "peft_config", {}) else None
        settings = {
            "max_length": args.max_length,
            "truncation_mode": args.truncation_mode,
            "ld_alpha": args.ld_alpha,
            "dtype": str(base_causal_model(trainer.accelerator.unwrap_model(model)).dtype),
            "autocast": str(trainer.accelerator.mixed_precision),
        }
        words = kept_words(trainer.accelerator.unwrap_model(model))
        if words is not None:
            settings["vocabulary"] = words.tolist()
        key = reference_key(reference_weights(model, adapter), zip(*columns, strict=True), settings)
        known = load_reference(cache, key, len(dataset))
        if known is not None:
            return known
    chosen, rejected = [0.0] * len(dataset), [0.0] * len(dataset)
    # rows of one prompt side by side, so that they meet in a batch
    order = sorted(range(len(dataset)), key=lambda row: (list(columns[0][row]), row))
    model.eval()
    starts = range(0, len(order), batch_size)
    for start in tqdm(starts, desc="reference log-probs", unit="batch", disable=args.disable_tqdm):
        rows = order[start : start + batch_size]
        inputs = trainer._prepare_inputs(trainer.data_collator([dataset[row] for row in rows]))
        for values, side in zip(trainer.compute_ref_log_probs(model, inputs), (chosen, rejected), strict=True):
            for row, value in zip(rows, values.float().tolist(), strict=True):
                side[row] = value
    give_back()
    if cache is not None:
        save_reference(cache, key, chosen, rejected)
    return chosen, rejected


def _prompt_sampler(trainer: Any, train_dataset: Any = None) -> Sampler[int] | None:
    dataset = trainer.train_dataset if train_dataset is None else train_dataset
    if trainer.args.train_sampling_strategy != "random" or not hasattr(dataset, "__len__"):
        sampler: Sampler[int] | None = type(trainer)._get_train_sampler(trainer, train_dataset)
        return sampler
    names = dataset.column_names
    if "prompt_ids" in names:
        prompts = [tuple(ids) for ids in dataset["prompt_ids"]]
    elif "labels" in names:
        prompts = [
            tuple(ids[: next((at for at, label in enumerate(labels) if label != -100), len(ids))])
            for ids, labels in zip(dataset["input_ids"], dataset["labels"], strict=True)
        ]
    else:
        prompts = [tuple(ids) for ids in dataset["input_ids"]]
    seed = trainer.args.seed if trainer.args.data_seed is None else trainer.args.data_seed
    args = trainer.args
    step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    return PromptSampler(prompts, seed, args.train_batch_size, step)


def _weigh_pairs(trainer: Any) -> None:
    """Make an accumulated DPO step the mean over its pairs, also when its last micro-batch is smaller.

    TRL averages each micro-batch over its pairs and the micro-batches over their number.
    """
    fetch, compute = trainer.get_batch_samples, trainer.compute_loss
    pairs_in_step = 0

    def get_batch_samples(*args: Any, **kwargs: Any) -> Any:
        nonlocal pairs_in_step
        samples, items = fetch(*args, **kwargs)
        pairs_in_step = sum(len(sample["input_ids"]) // 2 for sample in samples)
        return samples, items

    def compute_loss(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        loss = compute(model, inputs, return_outputs, num_items_in_batch)
        if not pairs_in_step or not trainer.model.training or not torch.is_grad_enabled() or return_outputs:
            return loss
        share = (len(inputs["input_ids"]) // 2) * trainer.current_gradient_accumulation_steps / pairs_in_step
        return loss if share == 1.0 else loss * share

    trainer.get_batch_samples, trainer.compute_loss = get_batch_samples, compute_loss
