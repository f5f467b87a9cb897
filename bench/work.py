"""How much arithmetic a training step needs: multiplications of the model over unique tokens, forward and backward.

Counted as for the model-FLOPs utilisation of PaLM (Chowdhery et al. 2022, appendix B), with frozen base weights: a base
matrix is used forward and for the gradient of its input, an adapter matrix also for its own gradient, the head once a
distinct label in both directions, attention over the tokens a token sees.
"""

from typing import Any

import numpy as np
import torch

from models.trie.forward import IGNORED, Plan, plan_batch


def rows_and_labels(rows: Any) -> list[tuple[list[int], int]]:
    """Every token row of a data set and where its answer begins; two rows a pair."""
    if "labels" in rows.column_names:
        return [
            (row["input_ids"], next(at for at, label in enumerate(row["labels"]) if label != IGNORED)) for row in rows
        ]
    sides = ("chosen_ids", "rejected_ids")
    return [(row["prompt_ids"] + row[side], len(row["prompt_ids"])) for row in rows for side in sides]


def plan_rows(rows: Any) -> Plan:
    """The packed plan of a data set as one batch."""
    found = rows_and_labels(rows)
    width = max(len(tokens) for tokens, _ in found)
    ids, mask = np.zeros((len(found), width), dtype=np.int64), np.zeros((len(found), width), dtype=np.int64)
    labels = np.full((len(found), width), IGNORED, dtype=np.int64)
    for index, (tokens, start) in enumerate(found):
        ids[index, : len(tokens)], mask[index, : len(tokens)] = tokens, 1
        labels[index, start - 1 : len(tokens) - 1] = tokens[start:]
    (plan,) = plan_batch(ids, mask, labels)
    return plan


def training_flops(model: Any, plan: Plan) -> float:
    """Floating-point operations of one forward and backward pass over a plan, with LoRA on a frozen model."""
    config = model.config.get_text_config()
    head = model.get_output_embeddings().weight.numel()
    base = adapters = 0
    for name, module in model.base_model.named_modules():
        if isinstance(module, torch.nn.Linear) and ".lora_" not in name:
            base += module.weight.numel()
        elif isinstance(module, torch.nn.Linear) and name.endswith(".default"):
            adapters += module.weight.numel()
    depth = plan.trie.depth + 1
    seen = 0
    for layer in range(config.num_hidden_layers):
        sliding = config.layer_types[layer] == "sliding_attention" if getattr(config, "layer_types", None) else False
        seen += int(np.minimum(depth, config.sliding_window).sum() if sliding else depth.sum())
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    nodes, labels = len(plan.trie), len(plan.labels)
    return float(nodes * (4 * base + 6 * adapters) + labels * 4 * head + 12 * width * seen)
