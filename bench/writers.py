"""The ways of writing notices that are compared, and one timed run of one of them.

* ``one_by_one``: ``transformers.generate``, float32, adapter merged, one prompt at a time. What exactness refers to.
* ``first``: ``transformers.generate`` as first written: bfloat16 as loaded, adapter not merged, batches of 32.
* ``best_32``, ``best_100``: ``transformers.generate`` at its best: float32, adapter merged, prompts sorted by length.
* ``ondo``: ``models.generate.generate_notices``.

All are greedy and stop at the same tokens. A run is timed from the loaded model and the readings to the finished
tokens; merging the adapter is part of it wherever it is merged.
"""

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model

from data.reading import Reading
from models.adapter import load_adapter
from models.generate import generate_notices, stop_ids
from models.load import ModelSpec, load_base, run_spec
from models.lora import LoraArguments
from models.merge import merged_copy
from models.runs import open_run
from models.template import prompt_ids

WRITERS = ("one_by_one", "first", "best_32", "best_100", "ondo")
_BATCHES = {"one_by_one": 1, "first": 32, "best_32": 32, "best_100": 100}
_ADAPTER_SCALE = 0.001


@dataclass(frozen=True)
class Subject:
    """What is decoded.

    Attributes:
        model: base model, which gets an adapter of small random weights, unless ``run`` is given.
        run: directory of a trained run.
        max_new_tokens: where a notice is cut off.
        batch_size: answers at once for ondo.
    """

    model: str
    run: Path | None
    max_new_tokens: int
    batch_size: int


@dataclass(frozen=True)
class Written:
    """One run: seconds, the notices with their token counts and whether they came to an end."""

    seconds: float
    notices: tuple[tuple[str, int, bool], ...]
    peak_memory_mb: float

    @property
    def tokens(self) -> int:
        """Tokens of all notices, stop tokens included."""
        return sum(tokens for _, tokens, _ in self.notices)


_prepared: dict[Subject, tuple[Any, Any]] = {}


def write(writer: str, subject: Subject, readings: Sequence[Reading]) -> Written:
    """Write the readings' notices once."""
    model, tokenizer = _prepare(subject)
    started = time.perf_counter()
    if writer == "ondo":
        answers = generate_notices(
            model, tokenizer, readings, max_new_tokens=subject.max_new_tokens, batch_size=subject.batch_size
        )
        notices = [(answer.text, answer.tokens, answer.finished) for (answer,) in answers]
    else:
        used = model if writer == "first" else merged_copy(model)
        notices = _stock(used, tokenizer, readings, _BATCHES[writer], subject.max_new_tokens)
    seconds = time.perf_counter() - started
    return Written(seconds, tuple(notices), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _prepare(subject: Subject) -> tuple[Any, Any]:
    if subject not in _prepared:
        if subject.run is not None:
            run = open_run(subject.run)
            loaded = load_base(run_spec(run))
            model = load_adapter(loaded, run.adapter)
        else:
            loaded = load_base(ModelSpec(subject.model))
            torch.manual_seed(0)
            model = get_peft_model(loaded.model, LoraArguments().peft_config()).eval()
            with torch.no_grad():
                for name, value in model.named_parameters():
                    if "lora_B" in name:
                        value += _ADAPTER_SCALE * torch.randn(value.shape)
        _prepared[subject] = model, loaded.tokenizer
    return _prepared[subject]


def _stock(
    model: Any, tokenizer: Any, readings: Sequence[Reading], batch: int, max_new_tokens: int
) -> list[tuple[str, int, bool]]:
    prompts = [prompt_ids(tokenizer, reading) for reading in readings]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    stops, pad = stop_ids(model, tokenizer), tokenizer.pad_token_id
    found: dict[int, tuple[str, int, bool]] = {}
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = [prompts[index] for index in order[start : start + batch]]
            width = max(map(len, chosen))
            output = model.generate(
                input_ids=torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in chosen]),
                attention_mask=torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in chosen]),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=stops,
                pad_token_id=pad,
            )
            for index, tokens in zip(order[start : start + batch], output[:, width:].tolist(), strict=True):
                end = next((at for at, token in enumerate(tokens) if token in stops), None)
                text = tokenizer.decode(tokens[:end], skip_special_tokens=True)
                found[index] = (text, len(tokens) if end is None else end + 1, end is not None)
    return [found[index] for index in range(len(prompts))]
