"""Sampling from the whole distribution with one uniform number a token, drawn for each reading on its own.

The draw of a token inverts the distribution: the first word, in the vocabulary's order, at which the running sum of
probabilities passes u. A row's numbers depend on seed, reading and sample alone, so its answer does not depend on what
else is decoded beside it, up to the rounding of the logits.
"""

from hashlib import sha256

import torch

GROUP = 512
"""Words summed up before the running sum looks inside: a sum over the whole vocabulary in float32 would drift."""


def uniforms(count: int, *key: object) -> torch.Tensor:
    """``count`` numbers in [0, 1), float64, the same for the same key."""
    digest = sha256(":".join(map(str, key)).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    return torch.rand(count, dtype=torch.float64, generator=generator)


def draw(logits: torch.Tensor, temperature: float | torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """One word a row of ``softmax(logits / temperature)``.

    Args:
        logits: float32, shape (N, V); overwritten.
        temperature: above 0; one for all rows, or one a row, shape (N, 1).
        numbers: one in [0, 1) a row, shape (N,).

    Returns:
        Words, shape (N,), none of probability 0.
    """
    rows, words = logits.shape
    logits -= logits.amax(1, keepdim=True)
    weights = logits.div_(temperature).exp_()
    if words % GROUP:
        weights = torch.nn.functional.pad(weights, (0, -words % GROUP))
    padded = weights.view(rows, -1, GROUP)
    sums = padded.sum(2).double().cumsum(1)
    total = sums[:, -1:]
    target = torch.minimum(numbers.to(sums.device)[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    group = torch.searchsorted(sums, target, right=True)
    before = torch.where(group > 0, sums.gather(1, (group - 1).clamp(min=0)), 0)
    inside = padded.gather(1, group[:, :, None].expand(-1, -1, GROUP))[:, 0].double()
    running = inside.cumsum(1)
    word = torch.searchsorted(running, target - before, right=True)
    # rounding can push the target past the group's own sum: then its last word that can be drawn at all
    last = GROUP - 1 - (inside > 0).flip(1).int().argmax(1, keepdim=True)
    return (group * GROUP + torch.minimum(word, last))[:, 0]
