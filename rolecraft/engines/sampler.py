"""Draws the next tokens of replies: temperature, top-p, repetition, what may not be said.

Knows no model: it sees a batch of logits and, of each row, what was written so far. Every row has
its own random numbers, so a seed is a reply whatever the other rows are; a draw changes nothing, so
one that is made again is the same.

A draw is a race: each candidate runs for a time that hangs on the seed, the step and its own id,
the likelier the shorter, and the first wins. That is a draw by share (Gumbel-max), but the last
bits of the shares, which the size of a batch changes, decide it only where two come in together;
a point on a line of shares would fall to another candidate whenever anything before it moved.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rolecraft.conversation import Sampling

if TYPE_CHECKING:
    import torch

# How many candidates may be struck out for repeating before the reply is ended instead.
_TRIES = 16
# The candidates looked at first. Sorting the whole vocabulary costs twenty times as much, and is
# done only for a row whose top-p reaches beyond them.
_NEAREST = 64
_BITS = 2**64 - 1
_TINY = 5e-324  # for a share that is too small to be a number


@dataclass(frozen=True)
class Vocabulary:
    """The ids that are no words: those that end a reply, say nothing, or only add white space."""

    stops: "torch.Tensor"
    silent: "torch.Tensor"  # special tokens and padding: never drawn
    blank: "torch.Tensor"  # drawn once something visible was said
    allowed: "torch.Tensor"  # [vocabulary] zeros, and minus infinity for the silent

    @classmethod
    def of(
        cls,
        pieces: Sequence[bytes],
        stops: Sequence[int],
        size: int,
        device: "torch.device | str" = "cpu",
    ) -> "Vocabulary":
        """From the bytes each id stands for; `size` counts the model's ids, padding included."""
        import torch

        texts = [*pieces[:size], *[b""] * (size - len(pieces))]
        silent = [i for i, text in enumerate(texts) if not text and i not in stops]
        # A control character is as invisible as a space.
        blank = [i for i, text in enumerate(texts) if text and not text.strip(_INVISIBLE)]
        allowed = torch.zeros(size)
        allowed[silent] = -torch.inf
        kinds = [torch.tensor(ids, dtype=torch.long) for ids in (list(stops), silent, blank)]
        return cls(*(tensor.to(device) for tensor in (*kinds, allowed)))


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
        self.sampling = sampling
        self.vocabulary = vocabulary
        self.piece_of = piece_of
        self.stops = vocabulary.stops.tolist()
        self.seed = seed

    def draw(self, logits: "torch.Tensor", written: str, seen: Sequence[int], spoken: bool) -> int:
        """The next token id from [vocabulary] logits, which stay as they are; see `draw`."""
        return draw(logits[None], [Draft(self, written, seen, spoken)])[0].token


@dataclass(frozen=True)
class Draft:
    """One row: how it is sampled, the text so far, its token ids, and whether it says something."""

    sampler: Sampler
    written: str
    seen: Sequence[int]
    spoken: bool

    def key(self, attempt: int) -> int:
        """The luck of a race, by the seed, the tokens before it and those struck out."""
        return _scatter(_scatter(_scatter(self.sampler.seed) + len(self.seen)) + attempt)

    def repeats(self, token: int) -> bool:
        """Whether the token would complete a run of characters that the text already holds."""
        size = self.sampler.sampling.no_repeat_ngram_size
        if not size or token in self.sampler.stops:
            return False
        text = self.written + self.sampler.piece_of(token)
        for end in range(max(size, len(self.written) + 1), len(text) + 1):
            if text.find(text[end - size : end], 0, end - 1) != -1:
                return True
        return False


@dataclass(frozen=True)
class Drawn:
    """A token and its log-probability in the model's own distribution, before any rule."""

    token: int
    logprob: float


def draw(logits: "torch.Tensor", drafts: Sequence[Draft]) -> list[Drawn]:
    """The next token of each row of [rows, vocabulary] logits, which stay as they are.

    Until something was spoken no stop and no white space is drawn, so that no reply is empty. A
    token that would repeat a run of characters is struck out; when nothing else is left, the reply
    ends. Logits that are no numbers give the log-probability nan; the token then means nothing.
    """
    import torch

    raw = logits.float()
    scores = raw + drafts[0].sampler.vocabulary.allowed
    for row, draft in enumerate(drafts):
        _bend(scores[row], draft)
    warm = [draft.sampler.sampling.temperature for draft in drafts]
    count = min(_NEAREST if any(warm) else _TRIES + 1, scores.shape[1])
    values, ids = scores.topk(count)
    facts = [values, raw.gather(1, ids), raw.logsumexp(-1, keepdim=True)]
    if any(warm):
        heat = torch.tensor([[one or 1.0] for one in warm], device=scores.device)
        facts.append((scores / heat).logsumexp(-1, keepdim=True))
    table = torch.cat(facts, dim=1).tolist()  # one wait for the device, however many rows
    nearest = ids.tolist()
    drawn = []
    for row, draft in enumerate(drafts):
        line, mass = table[row], table[row][2 * count]
        if math.isnan(mass):
            drawn.append(Drawn(nearest[row][0], mass))
            continue
        whole = count == scores.shape[1]
        place = _near(draft, nearest[row], line[:count], line[-1], whole)
        if place is None:
            token = _far(draft, scores[row])
            drawn.append(Drawn(token, float(raw[row, token]) - mass))
        elif place < 0:
            stop = draft.sampler.stops[0]
            drawn.append(Drawn(stop, float(raw[row, stop]) - mass))
        else:
            drawn.append(Drawn(nearest[row][place], line[count + place] - mass))
    return drawn


def _bend(scores: "torch.Tensor", draft: Draft) -> None:
    """Apply the rules of one row to its scores."""
    import torch

    vocabulary = draft.sampler.vocabulary
    if not draft.spoken:
        scores[vocabulary.stops] = -torch.inf
        if draft.seen:  # SentencePiece begins every text with a piece that is only a space
            scores[vocabulary.blank] = -torch.inf
    penalty = draft.sampler.sampling.repetition_penalty
    if penalty > 1.0 and draft.seen:
        ids = torch.tensor(sorted(set(draft.seen)), device=scores.device)
        old = scores[ids]
        scores[ids] = torch.where(old > 0, old / penalty, old * penalty)


def _near(
    draft: Draft, ids: list[int], values: list[float], mass: float, whole: bool
) -> int | None:
    """The place of a token among the nearest, -1 to end the reply; None to look further.

    `mass` is the logarithm of what all scores sum to at this temperature; `whole` says that
    nothing lies beyond `ids`.
    """
    sampling = draft.sampler.sampling
    places = [place for place, value in enumerate(values) if value > -math.inf]
    shares: dict[int, float] = {}
    if sampling.temperature > 0.0:
        shares = {p: math.exp(values[p] / sampling.temperature - mass) for p in places}
    left = 1.0  # what has not been struck out
    for attempt in range(min(_TRIES, len(places))):
        place = places[0]
        if shares:
            reached, kept = 0.0, 0
            # The likeliest stays in the race where rounding has left nothing behind what went.
            while kept < len(places) and (not kept or reached < sampling.top_p * left):
                reached += shares[places[kept]]
                kept += 1
            if kept == len(places) and reached < sampling.top_p * left and not whole:
                return None
            key = draft.key(attempt)
            times = [_time(key, ids[p]) / (shares[p] or _TINY) for p in places[:kept]]
            place = places[times.index(min(times))]
        if not draft.repeats(ids[place]):
            return place
        places.remove(place)
        left -= shares.get(place, 0.0)
    return -1 if draft.spoken else 0


def _time(key: int, token: int) -> float:
    """An exponential random number that hangs on these two alone."""
    return -math.log(((_scatter(key, token) >> 11) + 0.5) / 2.0**53)


def _scatter(key: int, place: int = 1) -> int:
    """The number at a place of the random numbers that begin with `key` (splitmix64)."""
    bits = (key + place * 0x9E3779B97F4A7C15) & _BITS
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _BITS
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _BITS
    return bits ^ (bits >> 31)


def _times(key: int, tokens: "torch.Tensor") -> "torch.Tensor":
    """The same for many tokens, in the signed integers that torch has."""

    def shifted(bits: "torch.Tensor", by: int) -> "torch.Tensor":
        return (bits >> by) & ((1 << (64 - by)) - 1)

    bits = tokens * _signed(0x9E3779B97F4A7C15) + _signed(key)
    bits = (bits ^ shifted(bits, 30)) * _signed(0xBF58476D1CE4E5B9)
    bits = (bits ^ shifted(bits, 27)) * _signed(0x94D049BB133111EB)
    return -((shifted(bits ^ shifted(bits, 31), 11).double() + 0.5) / 2.0**53).log()


def _signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


def _far(draft: Draft, scores: "torch.Tensor") -> int:
    """A token of the whole vocabulary, for a row whose top-p reaches beyond the nearest."""
    import torch

    sampling = draft.sampler.sampling
    for attempt in range(_TRIES):
        shares = torch.softmax(scores / sampling.temperature, dim=-1)
        ids = None
        if sampling.top_p < 1.0:
            shares, ids = shares.sort(descending=True, stable=True)
            shares[shares.cumsum(0) - shares >= sampling.top_p] = 0.0
        key = draft.key(attempt)
        kept = shares.nonzero().flatten()
        tokens = kept if ids is None else ids[kept]
        token = int(tokens[(_times(key, tokens) / shares[kept]).argmin()])
        if not draft.repeats(token):
            return token
        scores[token] = -torch.inf
    return draft.sampler.stops[0] if draft.spoken else int(scores.argmax())
