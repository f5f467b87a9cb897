"""Notices from a model: batched decoding, greedy or sampled, deterministic for a seed.

Decoding runs on a merged copy (adapter folded into the weights; float32 on a CPU, where small bfloat16 products are
slow). The model that was passed in, its mode and the global random state are left as they were, so that a training can
stop, look at its notices and go on as if it had not.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from data.reading import Reading
from models.template import prompt_ids, stop_token_id


@dataclass(frozen=True)
class Answer:
    """One generated notice.

    Attributes:
        text: decoded, without special tokens.
        tokens: generated tokens, the stop token included.
        finished: whether a stop token came before ``max_new_tokens``.
        seconds: wall time of the batch divided by its rows.
    """

    text: str
    tokens: int
    finished: bool
    seconds: float


def generate_notices(
    model: Any,
    tokenizer: Any,
    readings: Sequence[Reading],
    *,
    samples: int = 1,
    temperature: float = 0.0,
    max_new_tokens: int = 96,
    batch_size: int = 64,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[Answer]]:
    """Write notices for readings.

    Args:
        model: a causal language model, with or without a LoRA adapter.
        tokenizer: its tokenizer, with a chat template.
        readings: any number of them.
        samples: answers for each reading. Greedy answers are all the same, so they are decoded once.
        temperature: 0 decodes greedily; above 0 samples from the whole distribution.
        max_new_tokens: after so many an answer is cut off and ``finished`` is False.
        batch_size: rows decoded at once (readings times samples).
        seed: of the sampling.
        progress: called after every batch with readings done and readings in all.

    Returns:
        For each reading, in the order given, ``samples`` answers.

    Raises:
        ValueError: ``samples``, ``batch_size``, ``max_new_tokens`` or ``temperature`` out of range.
    """
    if min(samples, batch_size, max_new_tokens) < 1 or temperature < 0:
        raise ValueError("samples, batch_size and max_new_tokens must be at least 1, temperature at least 0")
    if not readings:
        return []
    decoded = samples if temperature > 0 else 1
    prompts = [prompt_ids(tokenizer, reading) for reading in readings]
    order = sorted(range(len(readings)), key=lambda index: len(prompts[index]))
    step = max(1, batch_size // decoded)
    answers: list[list[Answer]] = [[] for _ in readings]
    decoder = merged_copy(model)
    devices = [decoder.device] if decoder.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            batch = _decode(decoder, tokenizer, [prompts[row] for row in rows], decoded, temperature, max_new_tokens)
            for row, group in zip(rows, batch, strict=True):
                answers[row] = group * (samples // decoded)
            if progress is not None:
                progress(start + len(rows), len(order))
    return answers


def merged_copy(model: Any) -> Any:
    """A model for decoding: adapter merged, float32 on a CPU. Quantised models are returned as they are.

    A plain float32 model that nothing has patched is returned itself, not copied.
    """
    model = getattr(model, "module", model)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    if getattr(base, "is_quantized", False):
        return model
    target = torch.float32 if base.device.type == "cpu" else base.dtype
    if base is model and base.dtype == target and "forward" not in vars(base):
        return model.eval() if model.training else model
    # Trainers put their own forward on the instance; as a closure it would still run the original's weights.
    patched = {name: vars(base).pop(name) for name in ("forward", "_original_forward") if name in vars(base)}
    try:
        with torch.no_grad():
            clone = copy.deepcopy(model)
    finally:
        vars(base).update(patched)
    clone = clone.to(target)
    if hasattr(clone, "peft_config"):
        for name in [name for name in clone.peft_config if name != "default"]:
            clone.delete_adapter(name)
        clone = clone.merge_and_unload(adapter_names=["default"])
    return clone.eval().requires_grad_(False)


def _decode(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], samples: int, temperature: float, max_new_tokens: int
) -> list[list[Answer]]:
    started = time.perf_counter()
    width = max(map(len, prompts))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    stops = _stop_ids(model, tokenizer)
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
    output = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=max_new_tokens,
        num_return_sequences=samples,
        eos_token_id=stops,
        pad_token_id=pad,
        use_cache=True,
        **({"do_sample": False} | sampling),
    )
    generated = output[:, width:].tolist()
    seconds = (time.perf_counter() - started) / len(generated)
    rows = [_answer(tokenizer, row, stops, seconds) for row in generated]
    return [rows[start : start + samples] for start in range(0, len(rows), samples)]


def _answer(tokenizer: Any, row: list[int], stops: list[int], seconds: float) -> Answer:
    end = next((index for index, token in enumerate(row) if token in stops), None)
    kept = row if end is None else row[:end]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    return Answer(text, len(kept) + (end is not None), end is not None, seconds)


def _stop_ids(model: Any, tokenizer: Any) -> list[int]:
    """The template's stop token and whatever else the model itself ends on."""
    own = model.generation_config.eos_token_id
    own = [] if own is None else [own] if isinstance(own, int) else list(own)
    return sorted({stop_token_id(tokenizer), *own})
