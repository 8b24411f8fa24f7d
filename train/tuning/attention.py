"""Attention of packed samples one by one, as kernels for variable lengths do it on a GPU.

For processors: transformers' own way is a mask over the whole row, most of which a packed row does
not need. Rows with a mask of their own are left to it. Knows no loss.
"""

import itertools
from typing import Any

import numpy as np
import torch

from train.documents import Rows

NAME = "by_sample"


def use(model: Any) -> None:
    """Let `model` attend sample by sample where `bounds` are given with the input."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    model.config._attn_implementation = NAME


def serves(model: Any, rows: Rows) -> bool:
    """Whether these rows are to be attended to sample by sample."""
    return model.config._attn_implementation == NAME and rows.mask is None


def inputs(rows: Rows) -> dict[str, Any]:
    """All rows one behind the other as a single one, and where its samples begin and end."""
    positions = rows.position_ids.reshape(1, -1)
    bounds = [*np.flatnonzero(positions[0] == 0).tolist(), positions.shape[1]]
    return {
        "input_ids": torch.from_numpy(rows.input_ids.reshape(1, -1)),
        "position_ids": torch.from_numpy(positions),
        # Any mask of four dimensions keeps transformers from drawing a full one.
        "attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool),
        "bounds": bounds,
    }


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    bounds: list[int] | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """[1, heads, length, width] in, [1, length, heads, width] out, as transformers wants it."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if bounds is None:
        attend: Any = sdpa_attention_forward
        return attend(module, query, key, value, attention_mask, **more)  # type: ignore[no-any-return]
    parts = [
        torch.nn.functional.scaled_dot_product_attention(
            query[:, :, begin:end],
            key[:, :, begin:end],
            value[:, :, begin:end],
            is_causal=True,
            scale=more.get("scaling"),
            enable_gqa=True,
        )
        for begin, end in itertools.pairwise(bounds)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None
