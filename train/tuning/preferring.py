"""Pairs of better and worse replies as token ids, and what an adapter makes of them.

The ids are the chat's own, prompt and reply apart, so that a trainer learns exactly what the
engine meets. Knows no ratings and writes no file.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

from rolecraft.conversation import Message
from rolecraft.engines import chatglm3
from rolecraft.engines.tokenizer import ChatTokenizer
from train.tuning.rated import Preferred, shorten

Ids = dict[str, list[int]]  # prompt_ids, chosen_ids, rejected_ids: the columns that TRL reads


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What an adapter makes of some pairs, before and after it was tuned on preferences.

    Means over the pairs, in nats: `chosen` is log p(chosen), `margin` is what it has before
    log p(rejected). `moved` is the share of pairs whose margin grew. Where the margin grows while
    the chosen replies become less likely, an adapter has only learnt what not to say.
    """

    pairs: int
    preferred_before: float
    preferred_after: float
    margin_before: float
    margin_after: float
    chosen_before: float
    chosen_after: float
    moved: float


def encoded(pair: Preferred, tokenizer: ChatTokenizer, longest: int) -> Ids | None:
    """A pair as ids; its prompt gives way where it is too long. None when that does not suffice."""
    line = tokenizer.encode("\n")
    replies = [[*tokenizer.encode(one), tokenizer.eos_id] for one in (pair.chosen, pair.rejected)]
    messages: list[Message] = list(pair.prompt)
    while True:
        prompt = [*tokenizer.encode_chat(messages), *line]
        if len(prompt) + max(map(len, replies)) <= longest:
            return {"prompt_ids": prompt, "chosen_ids": replies[0], "rejected_ids": replies[1]}
        if not shorten(messages):
            return None


def held_out(pair: Preferred, share: float, seed: int) -> bool:
    """Whether a pair is kept from training; the same in every run."""
    mark = hashlib.sha256(f"{seed}/{pair.key}".encode()).digest()
    return int.from_bytes(mark) / 2**256 < share


def verdict(model: Any, before: str, after: str, pairs: Sequence[Ids], batch: int) -> Verdict:
    """Compare two attached adapters on these pairs."""
    said = [likelihoods(model, name, pairs, batch) for name in (before, after)]
    first, second = ([chosen - rejected for chosen, rejected in one] for one in said)
    count = len(pairs)
    chosen_before, chosen_after = (sum(chosen for chosen, _ in one) / count for one in said)
    return Verdict(
        count,
        sum(one > 0 for one in first) / count,
        sum(one > 0 for one in second) / count,
        round(sum(first) / count, 4),
        round(sum(second) / count, 4),
        round(chosen_before, 4),
        round(chosen_after, 4),
        sum(new > old for old, new in zip(first, second, strict=True)) / count,
    )


def likelihoods(
    model: Any, adapter: str | None, pairs: Sequence[Ids], batch: int
) -> list[tuple[float, float]]:
    """log p(chosen) and log p(rejected) of each pair under an attached adapter."""
    chatglm3.activate(model, adapter)
    found: list[tuple[float, float]] = []
    for start in range(0, len(pairs), batch):
        part = pairs[start : start + batch]
        both = (_said(model, part, column) for column in ("chosen_ids", "rejected_ids"))
        found += zip(*both, strict=True)
    return found


def _said(model: Any, pairs: Sequence[Ids], column: str) -> list[float]:
    """The log-probability of a reply of each pair, after its prompt."""
    import torch

    rows = [[*one["prompt_ids"], *one[column]] for one in pairs]
    length = max(map(len, rows))
    ids = torch.zeros(len(rows), length, dtype=torch.long, device=model.device)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):  # padding follows, so that positions stay as they are
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    found = []
    with torch.inference_mode():
        hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        for place, (row, one) in enumerate(zip(rows, pairs, strict=True)):
            begin = len(one["prompt_ids"])
            logits = model.lm_head(hidden[place, begin - 1 : len(row) - 1]).float()
            told = logits.log_softmax(-1).gather(1, ids[place, begin : len(row), None])
            found.append(float(told.sum()))
    return found
