"""Held-out questions asked of a tuned base, and how near the replies come to the written ones.

Three sets, as in the paper: CUS compares replies to general instructions with the character's own
answers (style), RAW with what the other characters answered (content without this voice; neither
the cast nor the release holds plain answers), SPE replies to specific questions with the written
answer (knowledge). Knows no training.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolecraft.characters.model import Character
from rolecraft.conversation import Budget, Message
from rolecraft.emotions import split_opening
from rolecraft.evaluation.rouge import best
from train.cast import Cast
from train.imagine import Answered, talk

SETS = ("RAW", "CUS", "SPE")


@dataclass(frozen=True)
class Asked:
    """One prompt and what its reply is compared with, by set."""

    character: str
    prompt: tuple[Message, ...]
    references: dict[str, tuple[str, ...]]


def asked(
    folder: Path, budget: Budget, held: Sequence[str], per_character: int, seed: int
) -> list[Asked]:
    """The held-out prompts of a folder: the `held` instructions and the test questions."""
    rng = random.Random(f"{seed}/asked")
    cast = Cast(rng, folder)
    found: list[Asked] = []
    for character in cast.characters:
        general = list(_general(cast, character, held, budget))
        specific = list(_specific(cast, character, budget))
        for items in (general, specific):
            found += rng.sample(items, min(per_character, len(items)))
    return found


def _general(
    cast: Cast, character: Character, held: Sequence[str], budget: Budget
) -> Iterator[Asked]:
    for one in character.general:
        if one.instruction not in held:
            continue
        others = tuple(
            answer.text
            for other in cast.characters
            if other.id != character.id
            for told in other.general
            if told.instruction == one.instruction
            for answer in told.answers
        )
        exchange = Answered(
            cast.instructions[one.instruction]["zh"], cast.noise(character, 2), "", ""
        )
        own = tuple(answer.text for answer in one.answers)
        references = {"CUS": own, "RAW": others} if others else {"CUS": own}
        yield Asked(character.id, talk(character, [exchange], budget=budget)[:-1], references)


def _specific(cast: Cast, character: Character, budget: Budget) -> Iterator[Asked]:
    for one in character.questions_of("test"):
        exchange = cast.asked(character, one)
        prompt = talk(character, [exchange], budget=budget)[:-1]
        yield Asked(character.id, prompt, {"SPE": (one.answer,)})


def replies(
    model: Any, tokenizer: Any, prompts: Sequence[tuple[Message, ...]], batch: int, limit: int
) -> list[str]:
    """The most likely reply to each prompt, without its emotion; batches are padded on the left."""
    import torch

    encoded = [tokenizer.encode_chat(prompt) for prompt in prompts]
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place]))
    said = [""] * len(encoded)
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        longest = max(len(encoded[place]) for place in places)
        ids = torch.zeros(len(places), longest, dtype=torch.long, device=model.device)
        mask = torch.zeros_like(ids)
        for row, place in enumerate(places):
            ids[row, -len(encoded[place]) :] = torch.tensor(encoded[place])
            mask[row, -len(encoded[place]) :] = 1
        with torch.inference_mode():
            made = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False,
                no_repeat_ngram_size=6, eos_token_id=list(tokenizer.stop_ids),
                pad_token_id=tokenizer.pad_id,
            )  # fmt: skip
        for row, place in enumerate(places):
            text = tokenizer.decode(made[row, longest:].tolist()).strip()
            said[place] = split_opening(text)[1].strip()
    return said


def scored(items: Sequence[Asked], said: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """F1 and recall of every reply, by set."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SETS}
    for item, reply in zip(items, said, strict=True):
        for name, references in item.references.items():
            found[name].append(best(reply, references))
    return found
