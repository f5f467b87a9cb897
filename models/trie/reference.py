"""Reference log-probabilities of preference pairs: computed once with the packed pass, kept on disk, found by key.

The key is a hash over everything the numbers depend on: the weights and adapters (their values), which adapter is the
reference, the token ids of every pair in order, how rows are cut, and the dtype. The chat template acts only through
the token ids, so it is covered by them.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from data.files import write_atomic


def hash_tensors(named: Iterable[tuple[str, torch.Tensor]]) -> str:
    """SHA-256 over names, shapes, dtypes and values, independent of order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(named, key=lambda item: item[0]):
        flat = tensor.detach().contiguous().cpu()
        digest.update(f"{name} {tuple(flat.shape)} {flat.dtype}\n".encode())
        digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.ndim else repr(flat.item()).encode())
    return digest.hexdigest()


def reference_weights(model: torch.nn.Module, adapter: str | None) -> list[tuple[str, torch.Tensor]]:
    """The named tensors that make the reference: the base model's, and those of one adapter when there is one."""
    named = model.state_dict().items()
    if not hasattr(model, "peft_config"):
        return list(named)
    adapters: Any = model.peft_config
    others = [f".{name}." for name in adapters if name != adapter]
    return [(name, value) for name, value in named if not any(other in name for other in others)]


def reference_key(
    weights: Iterable[tuple[str, torch.Tensor]], pairs: Iterable[Sequence[Sequence[int]]], settings: dict[str, Any]
) -> str:
    """Key of the reference log-probs of ``pairs`` (prompt, chosen, rejected ids) under ``weights`` and ``settings``."""
    digest = hashlib.sha256(hash_tensors(weights).encode())
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for pair in pairs:
        digest.update(json.dumps([list(map(int, part)) for part in pair]).encode())
    return digest.hexdigest()


def load_reference(folder: Path, key: str, size: int) -> tuple[list[float], list[float]] | None:
    """Cached (chosen, rejected) log-probs of ``size`` pairs, or None when there are none.

    Raises:
        ValueError: the file is there but damaged or of another size; names the file, which is safe to delete.
    """
    path = folder / f"{key}.json"
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        chosen, rejected = ([float(value) for value in values[side]] for side in ("chosen", "rejected"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); delete it and it is computed again") from error
    if len(chosen) != size or len(rejected) != size or not all(map(math.isfinite, chosen + rejected)):
        raise ValueError(f"{path} does not hold two lists of {size} finite numbers; delete it and it is computed again")
    return chosen, rejected


def save_reference(folder: Path, key: str, chosen: Sequence[float], rejected: Sequence[float]) -> Path:
    """Write the log-probs of one key, whole or not at all (float32 survives the decimal text); returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.json"
    write_atomic(path, json.dumps({"chosen": list(chosen), "rejected": list(rejected)}))
    return path
