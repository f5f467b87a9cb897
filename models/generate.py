"""Notices from a model: batched decoding, greedy or sampled, deterministic for a seed.

Decoding runs on a merged copy (adapter folded into the weights; float32 on a CPU), through :mod:`models.decode`. Greedy
answers are those of ``transformers.generate`` in float32, one prompt at a time. The model that was passed in, its mode
and the global random state are left as they were, so that a training can stop, look at its notices and go on as if it
had not.

Only the stop tokens of the model's own generation config apply; a repetition penalty or a top-k it may name do not,
because training and evaluation are about the model's distribution itself.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from data.reading import Reading
from models.decode import CannotDecodeError, Decoder, Row
from models.decode.sampling import draw, uniforms
from models.merge import merged_copy
from models.template import prompt_ids, stop_token_id
from models.vocabulary import kept_words


@dataclass(frozen=True)
class Answer:
    """One generated notice.

    Attributes:
        text: decoded, without special tokens.
        tokens: generated tokens, the stop token included.
        finished: whether a stop token came before ``max_new_tokens``.
        seconds: its share of the wall time: that of every step, divided by the answers the step worked on.
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
    batch_size: int = 128,
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
        batch_size: answers decoded at once; one that stops makes place for the next.
        seed: of the sampling. An answer depends on it, its reading and its number among the reading's answers, not on
            what else is decoded. A reading that stands twice in ``readings`` gets further answers.
        progress: called with readings done and readings in all whenever a reading's last answer is there.

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
    answers: list[dict[int, Answer]] = [{} for _ in readings]
    done = 0
    with torch.inference_mode():
        merged = merged_copy(model)
        stops = stop_ids(merged, tokenizer)
        plan = Plan(prompts, decoded, temperature, max_new_tokens, batch_size, seed, stops)
        for row in _rows(merged, plan, readings):
            answers[row.prompt][row.sample] = _answer(tokenizer, row)
            if len(answers[row.prompt]) == decoded:
                done += 1
                if progress is not None:
                    progress(done, len(readings))
    return [[found[sample % decoded] for sample in range(samples)] for found in answers]


@dataclass(frozen=True)
class Plan:
    """What is to be decoded, and how."""

    prompts: Sequence[list[int]]
    samples: int
    temperature: float
    max_new_tokens: int
    batch_size: int
    seed: int
    stops: list[int]


def _rows(model: Any, plan: Plan, readings: Sequence[Reading]) -> Iterator[Row]:
    try:
        decoder = Decoder(model)
    except CannotDecodeError as error:
        print(f"ondo: this model decodes through transformers.generate, which is slower: {error}", file=sys.stderr)
        return stock_rows(model, plan)

    def best(hidden: torch.Tensor, rows: Sequence[Row]) -> list[int]:
        return [int(token) for token in decoder.head.best(hidden)]

    numbers = _numbers(plan, readings) if plan.temperature > 0 else []

    def drawn(hidden: torch.Tensor, rows: Sequence[Row]) -> list[int]:
        now = torch.stack([numbers[row.prompt * plan.samples + row.sample][len(row.tokens)] for row in rows])
        return [int(token) for token in draw(decoder.head.logits(hidden), plan.temperature, now)]

    return decoder.run(
        plan.prompts,
        drawn if plan.temperature > 0 else best,
        samples=plan.samples,
        stops=plan.stops,
        max_new_tokens=plan.max_new_tokens,
        rows=plan.batch_size,
    )


def _numbers(plan: Plan, readings: Sequence[Reading]) -> list[torch.Tensor]:
    """The uniform numbers of every answer, readings times samples, each of shape (max_new_tokens,)."""
    seen: Counter[Reading] = Counter()
    found = []
    for reading in readings:
        for _ in range(plan.samples):
            found.append(uniforms(plan.max_new_tokens, plan.seed, reading.yesterday, reading.today, seen[reading]))
            seen[reading] += 1
    return found


def stock_rows(model: Any, plan: Plan) -> Iterator[Row]:
    """The same through ``transformers.generate``: padded batches, sampling from one seeded stream for all rows."""
    from transformers import GenerationConfig

    config = GenerationConfig(
        max_new_tokens=plan.max_new_tokens,
        num_return_sequences=plan.samples,
        eos_token_id=plan.stops,
        pad_token_id=plan.stops[0],
        do_sample=plan.temperature > 0,
        repetition_penalty=1.0,
        suppress_tokens=_cut_away(model),
        **({"temperature": plan.temperature, "top_k": 0, "top_p": 1.0} if plan.temperature > 0 else {}),
    )
    order = sorted(range(len(plan.prompts)), key=lambda index: len(plan.prompts[index]))
    step = max(1, plan.batch_size // plan.samples)
    device = model.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(plan.seed)
        for start in range(0, len(order), step):
            began = time.perf_counter()
            chosen = order[start : start + step]
            batch = [plan.prompts[index] for index in chosen]
            width = max(map(len, batch))
            ids = [[plan.stops[0]] * (width - len(prompt)) + prompt for prompt in batch]
            mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch]
            output = model.generate(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
                generation_config=config,
            )
            seconds = (time.perf_counter() - began) / len(output)
            for number, tokens in enumerate(output[:, width:].tolist()):
                end = next((index for index, token in enumerate(tokens) if token in plan.stops), None)
                kept = tokens if end is None else tokens[: end + 1]
                index, sample = divmod(number, plan.samples)
                yield Row(chosen[index], sample, kept, end is not None, seconds)


def _cut_away(model: Any) -> list[int] | None:
    """Words that the head was cut down by; None for a whole one."""
    words = kept_words(model)
    if words is None:
        return None
    return sorted(set(range(len(model.get_output_embeddings().weight))) - set(words.tolist()))


def _answer(tokenizer: Any, row: Row) -> Answer:
    text = tokenizer.decode(row.tokens[:-1] if row.finished else row.tokens, skip_special_tokens=True)
    return Answer(text, len(row.tokens), row.finished, row.seconds)


def stop_ids(model: Any, tokenizer: Any) -> list[int]:
    """The template's stop token and whatever else the model itself ends on."""
    own = model.generation_config.eos_token_id
    own = [] if own is None else [own] if isinstance(own, int) else list(own)
    return sorted({stop_token_id(tokenizer), *own})
