"""Base models by name: the embedded one, ``tiny-random``, a local folder, or a model hub id.

Every way in gives the same thing: the model, a tokenizer with a chat template, and a hash of the weights that adapters
and runs carry, so that an adapter is never put on another base model.
"""

import re
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import torch

from models.dtype import DtypeName
from models.embedded import EMBEDDED_NAME, embedded_folder
from models.quantize import Quantization, quantization_config
from models.runs import Run, RunError
from models.template import END_OF_TURN, GEMMA_TEMPLATE, START_OF_TURN, stop_token_id
from models.tiny import TINY_NAME, tiny_model, tiny_tokenizer

_DTYPES: dict[DtypeName, torch.dtype] = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_COMMIT = re.compile(r"[0-9a-f]{40}")


class ModelError(ValueError):
    """A base model cannot be loaded as asked; the message says why and the way out."""


@dataclass(frozen=True)
class ModelSpec:
    """Which base model, and how to load it.

    Attributes:
        name: ``embedded:gemma-3-270m``, ``tiny-random``, a local folder or a model hub id.
        revision: commit, tag or branch of a hub model.
        trust_remote_code: run Python code that comes with a hub model; asks for a full commit as revision.
        quantization: ``4bit`` (NF4) and ``8bit`` through bitsandbytes.
        dtype: of the weights; ``auto`` takes what the checkpoint says (float32 for ``tiny-random``).
    """

    name: str = EMBEDDED_NAME
    revision: str | None = None
    trust_remote_code: bool = False
    quantization: Quantization = "none"
    dtype: DtypeName = "bfloat16"


@dataclass(frozen=True)
class Loaded:
    """A base model ready for training or generation; ``weights_hash`` does not depend on dtype or quantisation."""

    model: Any
    tokenizer: Any
    weights_hash: str
    spec: ModelSpec


def load_base(spec: ModelSpec) -> Loaded:
    """Load a base model and its tokenizer.

    Raises:
        ModelError: unknown name, no usable chat template, code that is not trusted, quantisation that cannot be had.
        models.embedded.EmbeddedModelError: the embedded model's packages are missing or damaged.
    """
    if spec.name == TINY_NAME:
        loaded = _tiny(spec)
    elif spec.name == EMBEDDED_NAME:
        folder, weights_hash = embedded_folder()
        loaded = _from_pretrained(str(folder), spec, weights_hash)
    elif spec.name.startswith("embedded:"):
        raise ModelError(f"model {spec.name!r}: the embedded model is called {EMBEDDED_NAME}")
    elif Path(spec.name).is_dir():
        loaded = _from_pretrained(spec.name, spec, _folder_hash(Path(spec.name)))
    elif Path(spec.name).is_absolute() or spec.name.startswith((".", "~")):
        raise ModelError(f"model {spec.name!r}: no such folder")
    else:
        loaded = _from_pretrained(spec.name, spec, None)
    # PEFT copies this name into every adapter; a cache path would name a folder of this machine. The colon keeps it
    # from being looked up on the model hub at every save.
    name = "ondo:tiny-random" if spec.name == TINY_NAME else spec.name
    loaded.model.config._name_or_path = loaded.model.name_or_path = name
    loaded.model.eval()
    return loaded


def placed(loaded: Loaded, model: Any) -> Any:
    """The model on the GPU, if there is one; a quantised one was put there when it was loaded."""
    return model.to("cuda") if torch.cuda.is_available() and loaded.spec.quantization == "none" else model


def run_spec(run: Run, trust_remote_code: bool = False) -> ModelSpec:
    """How a run's base model was loaded. Whether its own code may run is said anew each time, never by the run.

    Raises:
        models.runs.RunError: the manifest does not say.
    """
    try:
        spec = ModelSpec(**run.manifest["base_spec"])
    except (KeyError, TypeError) as error:
        raise RunError(f"run {run.path}: its manifest does not say how the base model was loaded ({error})") from error
    return replace(spec, trust_remote_code=trust_remote_code)


def _tiny(spec: ModelSpec) -> Loaded:
    if spec.quantization != "none":
        raise ModelError(f"{TINY_NAME} cannot be quantised: set quantization: none")
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return Loaded(model.to(_DTYPES.get(spec.dtype, torch.float32)), tokenizer, digest.hexdigest(), spec)


def _from_pretrained(where: str, spec: ModelSpec, weights_hash: str | None) -> Loaded:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if spec.trust_remote_code and not Path(where).is_dir() and not _COMMIT.fullmatch(spec.revision or ""):
        raise ModelError(
            f"model {spec.name!r}: trust_remote_code runs code that comes with the model, so it asks for an exact "
            "revision: set revision to the full 40-digit commit that you have read"
        )
    if spec.quantization != "none" and spec.name == EMBEDDED_NAME and not torch.cuda.is_available():
        raise ModelError(f"{EMBEDDED_NAME} is small; quantising it needs a GPU: set quantization: none")
    dtype: Any = _DTYPES.get(spec.dtype, "auto")
    compute = _DTYPES.get(spec.dtype, torch.bfloat16)
    options: dict[str, Any] = {"dtype": dtype, "revision": spec.revision, "trust_remote_code": spec.trust_remote_code}
    quantized = quantization_config(spec.quantization, compute)
    if quantized is not None:
        options["quantization_config"] = quantized
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            where, revision=spec.revision, trust_remote_code=spec.trust_remote_code
        )
        model = AutoModelForCausalLM.from_pretrained(where, **{k: v for k, v in options.items() if v is not None})
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"model {spec.name!r} cannot be loaded: {error}") from error
    _give_template(tokenizer, spec.name)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if weights_hash is None:
        # A hub commit fixes the content of every file, and hashing 20 GB at every start is no one's wish.
        commit = getattr(model.config, "_commit_hash", None)
        weights_hash = sha256(f"{spec.name}@{commit or spec.revision}".encode()).hexdigest()
    return Loaded(model, tokenizer, weights_hash, spec)


def _give_template(tokenizer: Any, name: str) -> None:
    if tokenizer.chat_template is None:
        vocabulary = tokenizer.get_vocab()
        if START_OF_TURN not in vocabulary or END_OF_TURN not in vocabulary:
            raise ModelError(
                f"model {name!r} has no chat template, and its vocabulary has no {START_OF_TURN} for ours: "
                "take an instruction-tuned version, or add a chat_template.jinja to its folder"
            )
        tokenizer.chat_template = GEMMA_TEMPLATE
        tokenizer.eos_token = END_OF_TURN
    try:
        stop_token_id(tokenizer)
    except ValueError as error:
        raise ModelError(f"model {name!r}: {error}") from error


def _folder_hash(folder: Path) -> str:
    """SHA-256 over names and contents of a folder's weight files."""
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")])
    if not files:
        raise ModelError(f"model folder {folder}: holds no *.safetensors")
    digest = sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(path.name.encode() + file_digest(file, "sha256").digest())
    return digest.hexdigest()
