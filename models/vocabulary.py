"""A head cut down to the words that the task can need: faster on a CPU, off unless the recipe says so.

A notice needs Korean syllables, digits and a few marks: some thousand of the 262,144 words that Gemma's head computes
for every token. With a cut head the softmax runs over the kept words alone: another model, a little, than the whole one
(what probability the others had is shared out among the kept), in training, decoding and serving alike. Only the head
is cut. Prompts are read with every word, and no weight is copied or saved: the kept words stand on the head as a list,
beside the adapter as ``vocabulary.json``, whose ``tokens`` other servers take too (vLLM: ``allowed_token_ids``).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch

from data.files import write_atomic

FILE = "vocabulary.json"
"""Of the kept words, in an adapter's folder."""

_MARKS = " .,!?~·…:;%°℃'\"()-/\n"
_BUFFER = "ondo_words"


Vocabulary = Literal["full", "task"]


class VocabularyError(ValueError):
    """A word is needed that was cut away, or a list of words does not fit the model."""


def task_words(tokenizer: Any, texts: Iterable[str]) -> list[int]:
    """Token ids to keep, ascending: what a Korean notice may be written with, and whatever ``texts`` contain.

    Kept are the tokens made of Hangul syllables, digits, spaces and a notice's punctuation alone, the pieces of
    characters (so that every syllable can still be written), and the special tokens.

    Args:
        tokenizer: of the base model.
        texts: what will be trained on, rejected notices included.
    """
    size = len(tokenizer)
    kept = {token for token in tokenizer.all_special_ids if token is not None}
    written = tokenizer.batch_decode([[token] for token in range(size)], clean_up_tokenization_spaces=False)
    kept |= {token for token, text in enumerate(written) if all(map(_may_stand_in_a_notice, text))}
    for text in texts:
        kept.update(tokenizer(text, add_special_tokens=False)["input_ids"])
    return sorted(kept)


def _may_stand_in_a_notice(char: str) -> bool:
    # U+FFFD is what part of a character decodes to
    return "가" <= char <= "힣" or char in "0123456789\ufffd" or char in _MARKS


def cut_vocabulary(model: Any, words: Iterable[int] | None) -> None:
    """Make the head of ``model`` know ``words`` alone, or all again (None). Changes the model in place.

    The packed pass (:mod:`models.trie`) and the decoder (:mod:`models.decode`) go by it; the model's own ``forward``
    does not.

    Args:
        model: a causal language model, plain or under PEFT.
        words: token ids.

    Raises:
        VocabularyError: no words, or one that the head does not have.
    """
    head = model.get_output_embeddings()
    if words is None:
        if kept_words(model) is not None:
            delattr(head, _BUFFER)
        return
    ids = torch.tensor(sorted(set(words)), dtype=torch.long)
    if not len(ids) or ids[0] < 0 or ids[-1] >= len(head.weight):
        raise VocabularyError(f"{len(ids)} words cannot be kept of a head of {len(head.weight)}")
    head.register_buffer(_BUFFER, ids.to(head.weight.device), persistent=False)


def choose_vocabulary(
    model: Any, tokenizer: Any, wanted: Vocabulary | None, texts: Iterable[str], *, packed: bool
) -> None:
    """Cut a model's head for training, or make it whole, as a recipe says.

    Args:
        model: changed in place.
        tokenizer: its tokenizer.
        wanted: None leaves a whole head whole, and cuts one that comes cut anew, from these texts too.
        texts: all that will be trained and validated on.
        packed: whether the training goes through the packed pass.

    Raises:
        VocabularyError: a cut head without the packed pass.
    """
    if wanted == "task" or (wanted is None and kept_words(model) is not None):
        if not packed:
            raise VocabularyError("vocabulary: a cut head needs packing: trie; or set vocabulary: full")
        cut_vocabulary(model, task_words(tokenizer, texts))
    else:
        cut_vocabulary(model, None)


def kept_words(model: Any) -> torch.Tensor | None:
    """Ids of the words that the head was cut down to, ascending, shape (K,); None for a whole one."""
    found: torch.Tensor | None = getattr(model.get_output_embeddings(), _BUFFER, None)
    return found


def positions(labels: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Where each label stands among ``words``, both shape (N,) and (K,).

    Raises:
        VocabularyError: one was cut away.
    """
    found = torch.searchsorted(words, labels.contiguous())
    missing = words[found.clamp(max=len(words) - 1)] != labels
    if missing.any():
        raise VocabularyError(
            f"token {int(labels[missing][0])} stands in a row but was cut from the vocabulary: "
            "train with vocabulary: full, or make the cut from these texts too"
        )
    return found


def save_words(model: Any, folder: Path) -> None:
    """Write the kept words into an adapter's folder; nothing for a whole head."""
    words = kept_words(model)
    if words is not None:
        tokens = words.tolist()
        content = {"of": len(model.get_output_embeddings().weight), "tokens": tokens}
        write_atomic(folder / FILE, json.dumps(content) + "\n")


def load_words(model: Any, folder: Path) -> None:
    """Cut the model's head as the adapter in ``folder`` was trained with; nothing for a whole one.

    Raises:
        VocabularyError: the file is damaged or of another model.
    """
    path = folder / FILE
    if not path.exists():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tokens, size = [int(token) for token in content["tokens"]], int(content["of"])
    except (ValueError, KeyError, TypeError) as error:
        raise VocabularyError(f"{path} is damaged: {error!r}") from error
    have = len(model.get_output_embeddings().weight)
    if size != have:
        raise VocabularyError(f"{path} is of a head of {size} words, this model has {have}")
    cut_vocabulary(model, tokens)
