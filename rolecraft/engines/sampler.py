"""Draws the next token of one reply: temperature, top-p, repetition, stops.

Knows no model: it sees one row of logits at a time and the text written so far.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rolecraft.conversation import Sampling

if TYPE_CHECKING:
    import torch

# How many candidates may be struck out for repeating before the best of the rest is taken.
_TRIES = 16


class Sampler:
    """The sampling of one request. `piece_of(id)` is the text a token adds."""

    def __init__(
        self,
        sampling: Sampling,
        seed: int,
        stops: Sequence[int],
        piece_of: Callable[[int], str],
    ) -> None:
        import torch

        self._torch = torch
        self.sampling = sampling
        self.stops = list(stops)
        self._piece_of = piece_of
        self._random = torch.Generator().manual_seed(seed)

    def draw(
        self, logits: "torch.Tensor", written: str, seen: Sequence[int], may_stop: bool
    ) -> int:
        """The next token id.

        `logits` is [vocabulary], `written` the reply so far, `seen` its token ids. While
        `may_stop` is false no stop token is drawn, so that no reply is empty. A token that would
        complete a run of characters the reply already holds is struck out and drawn again.
        """
        torch = self._torch
        scores = logits.float().cpu().clone()
        if not may_stop:
            scores[self.stops] = -torch.inf
        penalty = self.sampling.repetition_penalty
        if penalty > 1.0 and seen:
            ids = torch.tensor(sorted(set(seen)))
            old = scores[ids]
            scores[ids] = torch.where(old > 0, old / penalty, old * penalty)
        for _ in range(_TRIES):
            token = self._one(scores)
            if token in self.stops or not self._repeats(written, self._piece_of(token)):
                return token
            scores[token] = -torch.inf
        return self._one(scores)

    def _one(self, scores: "torch.Tensor") -> int:
        torch = self._torch
        if self.sampling.temperature == 0.0:
            return int(scores.argmax())
        probabilities = torch.softmax(scores / self.sampling.temperature, dim=-1)
        ordered, ids = probabilities.sort(descending=True)
        # Keep the smallest set whose mass reaches top-p: drop what comes after it was reached.
        ordered[ordered.cumsum(0) - ordered >= self.sampling.top_p] = 0.0
        place = torch.multinomial(ordered, 1, generator=self._random)
        return int(ids[place])

    def _repeats(self, written: str, piece: str) -> bool:
        size = self.sampling.no_repeat_ngram_size
        if not size or not piece:
            return False
        text = written + piece
        for end in range(max(size, len(written) + 1), len(text) + 1):
            if text.find(text[end - size : end], 0, end - 1) != -1:
                return True
        return False
