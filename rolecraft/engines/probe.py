"""A fixed prompt, and what its logits must do when an adapter comes.

An adapter that was not trained, or that is not applied, goes unnoticed otherwise: the base answers
in its place.
"""

import torch

from rolecraft.errors import CheckpointError

_LENGTH = 8  # tokens


def probe_ids(vocab_size: int, device: torch.device) -> torch.Tensor:
    """The fixed prompt: tokens from all over the vocabulary."""
    length = min(_LENGTH, vocab_size)
    return torch.arange(length, device=device) * (vocab_size // length)


def check_change(adapter: str, change: float) -> None:
    """Refuse an adapter by the largest change of a logit. Raises CheckpointError."""
    if 0 < change < float("inf"):
        return
    found = "leaves every logit as it was" if change == 0 else "makes logits that are no numbers"
    raise CheckpointError(
        f"The adapter {adapter} {found}. Train it, or copy the trained weights again."
    )
