"""Draws the next token of one reply: temperature, top-p, repetition, what may not be said.

Knows no model: it sees one row of logits at a time and the text written so far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rolecraft.conversation import Sampling

if TYPE_CHECKING:
    import torch

# How many candidates may be struck out for repeating before the reply is ended instead.
_TRIES = 16


@dataclass(frozen=True)
class Vocabulary:
    """The ids that are no words: those that end a reply, say nothing, or only add white space."""

    stops: "torch.Tensor"
    silent: "torch.Tensor"  # special tokens and padding: never drawn
    blank: "torch.Tensor"  # drawn once something visible was said

    @classmethod
    def of(cls, pieces: Sequence[bytes], stops: Sequence[int], size: int) -> "Vocabulary":
        """From the bytes each id stands for; `size` counts the model's ids, padding included."""
        import torch

        texts = [*pieces[:size], *[b""] * (size - len(pieces))]
        silent = [i for i, text in enumerate(texts) if not text and i not in stops]
        # A control character is as invisible as a space.
        blank = [i for i, text in enumerate(texts) if text and not text.strip(_INVISIBLE)]
        kinds = (list(stops), silent, blank)
        return cls(*(torch.tensor(ids, dtype=torch.long) for ids in kinds))


_INVISIBLE = bytes(range(33)) + b"\x7f"


class Sampler:
    """The sampling of one request. `piece_of(id)` is the text that a token would add."""

    def __init__(
        self,
        sampling: Sampling,
        seed: int,
        vocabulary: Vocabulary,
        piece_of: Callable[[int], str],
    ) -> None:
        import torch

        self._torch = torch
        self.sampling = sampling
        self._vocabulary = vocabulary
        self._stops = set(vocabulary.stops.tolist())
        self._piece_of = piece_of
        self._random = torch.Generator().manual_seed(seed)

    def draw(self, logits: "torch.Tensor", written: str, seen: Sequence[int], spoken: bool) -> int:
        """The next token id.

        `logits` is [vocabulary], `written` the reply so far, `seen` its token ids. Until
        something was `spoken` no stop and no white space is drawn, so that no reply is empty.
        A token that would complete a run of characters the reply already holds is struck out;
        when nothing else is left, the reply ends. Raises ValueError for logits that are no
        numbers.
        """
        torch = self._torch
        scores = logits.float().cpu().clone()
        if scores.isnan().any():
            raise ValueError("the model computed values that are no numbers (try dtype bfloat16)")
        scores[self._vocabulary.silent] = -torch.inf
        if not spoken:
            scores[self._vocabulary.stops] = -torch.inf
            if seen:  # SentencePiece begins every text with a piece that is only a space
                scores[self._vocabulary.blank] = -torch.inf
        penalty = self.sampling.repetition_penalty
        if penalty > 1.0 and seen:
            ids = torch.tensor(sorted(set(seen)))
            old = scores[ids]
            scores[ids] = torch.where(old > 0, old / penalty, old * penalty)
        for _ in range(_TRIES):
            token = self._one(scores)
            if token in self._stops or not self._repeats(written, self._piece_of(token)):
                return token
            scores[token] = -torch.inf
        return int(self._vocabulary.stops[0]) if spoken else self._one(scores)

    def _one(self, scores: "torch.Tensor") -> int:
        torch = self._torch
        if self.sampling.temperature == 0.0:
            return int(scores.argmax())
        probabilities = torch.softmax(scores / self.sampling.temperature, dim=-1)
        ordered, ids = probabilities.sort(descending=True, stable=True)
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
