"""The forward pass of a native GLM for serving: rows by a token, or prompts by a block each.

The weights are those of the loaded model (q, k and v lie side by side, so that one product makes
all three); quantised layers are called as they are. Knows no request, no text and no sampling.
Attention caches are [layers, rows, keys and values, length, head]: the keys of all key-value heads,
then their values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from rolecraft.engines.stacks import Added, Applied, Joined


@dataclass(frozen=True)
class Block:
    """The next tokens of one text; `cache` is its own and holds the `start` tokens before."""

    ids: Sequence[int]
    start: int
    cache: torch.Tensor  # [layers, keys and values, length, head]
    voice: Applied | None

    @property
    def end(self) -> int:
        return self.start + len(self.ids)


class Network:
    """A GlmForCausalLM's weights, run without its wrappers. For the engine's thread."""

    def __init__(self, net: Any, length: int) -> None:
        config = net.config
        self.heads = config.num_attention_heads
        self.groups = config.num_key_value_heads
        self.head_dim = config.head_dim
        self.layers = len(net.model.layers)
        self.vocab_size = config.vocab_size
        self.dtype = net.dtype
        self.device = net.device
        # bitsandbytes' int8 looks for outliers on the host, which no CUDA graph can do.
        self.capturable = all(type(part).__name__ != "Linear8bitLt" for part in net.modules())
        self._embedding = net.model.embed_tokens.weight
        self._norm = _Norm(net.model.norm)
        self._head = net.lm_head
        self._blocks = [_Block(layer) for layer in net.model.layers]
        self._turns = self._rotations(net, length)

    def _rotations(self, net: Any, length: int) -> torch.Tensor:
        """[length, pairs] unit complex numbers: how far each pair of a head turns at each place."""
        rotary = net.model.rotary_emb
        inverse = rotary.inv_freq.float()
        angles = torch.arange(length, device=inverse.device).float()[:, None] * inverse
        return torch.polar(torch.full_like(angles, rotary.attention_scaling), angles)

    def empty_cache(self, rows: int, length: int) -> torch.Tensor:
        """Memory for the keys and values of `rows` texts."""
        shape = (self.layers, rows, 2 * self.groups, length, self.head_dim)
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def step(
        self,
        ids: torch.Tensor,
        places: torch.Tensor,
        cache: torch.Tensor,
        length: int,
        voices: Added | None,
    ) -> torch.Tensor:
        """Logits [rows, vocabulary] after one more token of each row.

        `ids` and `places` are [rows]: the token and where it stands in its text; row i's cache is
        `cache[:, i]`, of which nothing beyond `length` is looked at.
        """
        rows = torch.arange(ids.shape[0], device=ids.device)
        turns = self._turns[places].unsqueeze(1)
        mask = None
        if ids.shape[0] > 1 or length < cache.shape[3]:
            seen = torch.arange(length, device=ids.device) <= places[:, None]
            mask = torch.zeros(seen.shape, dtype=self.dtype, device=ids.device)
            mask = mask.masked_fill_(~seen, -torch.inf)[:, None, None]
        x = functional.embedding(ids, self._embedding)
        for layer, block in enumerate(self._blocks):
            heads, own = self._split(block.qkv(layer, block.before(x), voices), turns)
            cache[layer][rows, :, places] = own
            held = cache[layer, : ids.shape[0], :, :length]
            q = heads.view(ids.shape[0], self.groups, -1, self.head_dim)
            mixed = functional.scaled_dot_product_attention(
                q, held[:, : self.groups], held[:, self.groups :], attn_mask=mask
            )
            x = block.after(layer, x, mixed.reshape(ids.shape[0], -1), voices)
        return self.logits(x, voices)

    def read(self, blocks: Sequence[Block]) -> torch.Tensor:
        """What the model makes of all tokens of several texts, one text after the other: [tokens,
        hidden]. Each text sees itself alone.
        """
        tokens = [token for block in blocks for token in block.ids]
        places = [place for block in blocks for place in range(block.start, block.end)]
        counts = [len(block.ids) for block in blocks]
        ids = torch.tensor(tokens, device=self.device)
        turns = self._turns[torch.tensor(places, device=self.device)].unsqueeze(1)
        voices = Joined.of([(len(block.ids), block.voice) for block in blocks])
        masks = [self._mask(block) for block in blocks]
        x = functional.embedding(ids, self._embedding)
        for layer, weights in enumerate(self._blocks):
            heads, own = self._split(weights.qkv(layer, weights.before(x), voices), turns)
            gathered = []
            parts = zip(
                blocks, masks, torch.split(heads, counts), torch.split(own, counts), strict=True
            )
            for block, mask, queries, new in parts:
                block.cache[layer, :, block.start : block.end] = new.transpose(0, 1)
                gathered.append(self._attend(queries, block.cache[layer, :, : block.end], mask))
            mixed = torch.cat(gathered) if len(gathered) > 1 else gathered[0]
            x = weights.after(layer, x, mixed, voices)
        return x

    def _attend(
        self, queries: torch.Tensor, held: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """What [tokens, heads, head] queries gather, [tokens, all heads], of one text's keys and
        values, of which each key-value head serves several queries.

        A group stands where a batch has its rows, and its one head is shown as many: with a mask,
        the fused kernels of CUDA take no grouped heads.
        """
        count = queries.shape[0]
        q = queries.view(count, self.groups, -1, self.head_dim).permute(1, 2, 0, 3)
        shown = held[:, None].expand(-1, q.shape[1], -1, -1)
        mixed = functional.scaled_dot_product_attention(
            q, shown[: self.groups], shown[self.groups :], attn_mask=mask, is_causal=mask is None
        )
        return mixed.permute(2, 0, 1, 3).reshape(count, -1)

    def _mask(self, block: Block) -> torch.Tensor | None:
        """What the tokens of a block see of their text; None for a text from its beginning."""
        if not block.start:
            return None
        count, device = len(block.ids), self.device
        seen = torch.ones(count, block.end, dtype=torch.bool, device=device).tril(block.start)
        mask = torch.zeros(count, block.end, dtype=self.dtype, device=device)
        return mask.masked_fill_(~seen, -torch.inf)

    def logits(self, x: torch.Tensor, voices: Added | None) -> torch.Tensor:
        """Logits [rows, vocabulary] of [rows, hidden]."""
        x = self._norm(x)
        y: torch.Tensor = self._head(x)
        return voices.add((-1, "head"), x, y) if voices else y

    def _split(self, qkv: torch.Tensor, turns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries [tokens, heads, head] and keys with values [tokens, 2 groups, head], rotated."""
        heads = qkv.view(qkv.shape[0], -1, self.head_dim)
        turned = heads[:, : self.heads + self.groups, : 2 * self._turns.shape[1]]
        pairs = turned.view(*turned.shape[:-1], -1, 2)
        if pairs.dtype == torch.float32:
            torch.view_as_complex(pairs).mul_(turns)
        else:  # no complex numbers of half precision
            exact = torch.view_as_complex(pairs.float()) * turns
            turned.copy_(torch.view_as_real(exact).flatten(-2))
        return heads[:, : self.heads], heads[:, self.heads :]


class _Norm:
    """RMS norm, in float32 as GLM has it."""

    def __init__(self, norm: Any) -> None:
        self._weight, self._eps = norm.weight, norm.variance_epsilon

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        shape = (x.shape[-1],)
        if x.dtype == torch.float32:
            return functional.rms_norm(x, shape, self._weight, self._eps)
        wide = functional.rms_norm(x.float(), shape, None, self._eps)
        normed: torch.Tensor = self._weight * wide.to(x.dtype)
        return normed


class _Block:
    """One decoder layer."""

    def __init__(self, layer: Any) -> None:
        attention = layer.self_attn
        self.before = _Norm(layer.input_layernorm)
        self._between = _Norm(layer.post_attention_layernorm)
        self._separate = [attention.q_proj, attention.k_proj, attention.v_proj]
        self._fused = None
        if all(type(part) is torch.nn.Linear for part in self._separate):
            self._fused = _lay_side_by_side(self._separate)
        self._out = attention.o_proj
        self._up, self._down = layer.mlp.gate_up_proj, layer.mlp.down_proj

    def qkv(self, layer: int, x: torch.Tensor, voices: Added | None) -> torch.Tensor:
        """Queries, keys and values side by side."""
        if self._fused is None:
            y = torch.cat([part(x) for part in self._separate], dim=-1)
        else:
            y = functional.linear(x, *self._fused)
        return voices.add((layer, "qkv"), x, y) if voices else y

    def after(
        self, layer: int, x: torch.Tensor, mixed: torch.Tensor, voices: Added | None
    ) -> torch.Tensor:
        """The rest of the layer, from what attention gathered."""
        y = self._out(mixed)
        x = x + (voices.add((layer, "o"), mixed, y) if voices else y)
        normed = self._between(x)
        both = self._up(normed)
        both = voices.add((layer, "up"), normed, both) if voices else both
        gate, up = both.chunk(2, dim=-1)
        wide = functional.silu(gate).mul_(up)
        y = self._down(wide)
        return x.add_(voices.add((layer, "down"), wide, y) if voices else y)


def _lay_side_by_side(parts: list[Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """One weight and bias for several layers, which keep theirs as views of it: no memory twice."""
    weight = torch.cat([part.weight.detach() for part in parts])
    bias = None
    if parts[0].bias is not None:
        bias = torch.cat([part.bias.detach() for part in parts])
    start = 0
    for part in parts:
        end = start + part.out_features
        part.weight.data = weight[start:end]
        if bias is not None:
            part.bias.data = bias[start:end]
        start = end
    return weight, bias
