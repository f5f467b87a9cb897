"""Quantised loading through bitsandbytes: NF4 (4-bit) or LLM.int8 (8-bit), following the QLoRA recipe.

QLoRA: Dettmers et al. 2023, arXiv:2305.14314 (NF4, double quantisation, bfloat16 computation).
LLM.int8: Dettmers et al. 2022, arXiv:2208.07339.
"""

from typing import Any, Literal, get_args

import torch

Quantization = Literal["none", "8bit", "4bit"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)


def quantization_config(quantization: Quantization, compute: torch.dtype) -> Any:
    """The ``BitsAndBytesConfig`` of a name, or None for ``none``.

    Raises:
        ValueError: no such name.
    """
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig
    match quantization:
        case "none":
            return None
        case "8bit":
            return configuration(load_in_8bit=True)
        case "4bit":
            return configuration(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=compute,
            )
    raise ValueError(f"quantization {quantization!r}: expected one of {', '.join(QUANTIZATIONS)}")
