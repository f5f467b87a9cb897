"""LoRA adapters on disk: saved with the identity of their base model, and refused on any other.

Beside PEFT's own files an adapter folder holds ``ondo.json``: base model name, weights hash and template hash; and
``vocabulary.json`` when it was trained with a cut head (:mod:`models.vocabulary`).
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from data.files import write_atomic
from models.load import Loaded
from models.template import template_hash
from models.vocabulary import load_words, save_words

IDENTITY = "ondo.json"


class AdapterError(ValueError):
    """An adapter is missing, damaged, or belongs to another base model."""


def save_adapter(model: Any, loaded: Loaded, folder: Path) -> None:
    """Write the adapter ``default`` of a PEFT model, and only that one, as safetensors."""
    model.save_pretrained(folder, selected_adapters=["default"])
    identity = {
        "base_model": loaded.spec.name,
        "revision": loaded.spec.revision,
        "weights_hash": loaded.weights_hash,
        "template_hash": template_hash(loaded.tokenizer),
    }
    write_atomic(folder / IDENTITY, json.dumps(identity, indent=2) + "\n")
    save_words(model, folder)


def load_adapter(loaded: Loaded, folder: Path, *, trainable: bool = False) -> Any:
    """The base model with the adapter of ``folder`` on it, as a ``PeftModel`` whose adapter is named ``default``.

    Its head is cut as the adapter's was.

    Raises:
        AdapterError: there is no adapter, it belongs to another base model or chat template, or does not fit.
        models.vocabulary.VocabularyError: its cut does not fit.
    """
    from peft import PeftModel

    check_identity(loaded, folder)
    try:
        model = PeftModel.from_pretrained(loaded.model, str(folder), is_trainable=trainable)
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise AdapterError(f"adapter {folder} does not fit {loaded.spec.name}: {error}") from error
    load_words(model, folder)
    return model if trainable else model.eval()


def check_identity(loaded: Loaded, folder: Path) -> None:
    """Compare what ``ondo.json`` says with the base model at hand.

    Raises:
        AdapterError: they differ, or there is no adapter.
    """
    if not (folder / "adapter_config.json").is_file():
        raise AdapterError(f"no adapter in {folder}: adapter_config.json is missing")
    path = folder / IDENTITY
    if not path.is_file():
        base = _read(folder / "adapter_config.json", "base_model_name_or_path")["base_model_name_or_path"]
        if base != loaded.model.name_or_path:
            raise AdapterError(
                f"adapter {folder} was trained on {base!r}, not on {loaded.spec.name!r}: load that model"
            )
        return
    identity = _read(path, "weights_hash", "base_model", "template_hash")
    if identity["weights_hash"] != loaded.weights_hash:
        raise AdapterError(
            f"adapter {folder} was trained on {identity['base_model']!r} (weights {identity['weights_hash'][:12]}), "
            f"not on {loaded.spec.name!r} (weights {loaded.weights_hash[:12]}): load that base model"
        )
    if identity["template_hash"] != template_hash(loaded.tokenizer):
        raise AdapterError(f"adapter {folder} was trained with another chat template than {loaded.spec.name!r} has now")


def _read(path: Path, *needed: str) -> dict[str, Any]:
    """A JSON object that has the keys needed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AdapterError(f"{path} is damaged: {error}") from error
    missing = [key for key in needed if not isinstance(content, dict) or key not in content]
    if missing:
        raise AdapterError(f"{path} is damaged: it has no {', '.join(missing)}")
    return dict(content)
