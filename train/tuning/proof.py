"""Proof that a finished adapter speaks: its logits differ, and it says its own name.

Loads base and adapter anew from their folders, as the chat does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Character
from rolecraft.conversation import Budget, Message, Passage
from rolecraft.engines import chatglm3
from rolecraft.knowledge.passages import profile_passage
from train.imagine import Answered, talk
from train.tuning.config import Config

QUESTIONS = ("你叫什么名字？", "请问怎么称呼你？", "你是谁呀？")


class Probed(Protocol):
    """What a configuration tells of the base and of who is asked for a name."""

    @property
    def base(self) -> str: ...
    @property
    def characters(self) -> str: ...
    @property
    def probe_characters(self) -> int: ...


def prove(config: Config, folder: Path, budget: Budget, device: str) -> dict[str, Any]:
    """How far the logits move, and how many characters tell their names with and without it.

    Raises CheckpointError for an adapter that changes nothing.
    """
    quantization = config.quantization or None
    model = chatglm3.load_model(config.base, None, config.dtype, device, quantization)
    chatglm3.attach(model, folder, "tuned")
    proved: dict[str, Any] = {"logits_change": chatglm3.proof(model, "tuned").logits_change}
    if config.probe_characters:
        adapters = {"named": "tuned", "named_by_base": None}
        proved["identity"] = identity(model, config, budget, adapters)
    return proved


def identity(
    model: Any, config: Probed, budget: Budget, adapters: Mapping[str, str | None]
) -> dict[str, int]:
    """How often characters tell their names with each of the attached adapters, under its key."""
    people = _people(config)
    found = {"asked": len(people) * len(QUESTIONS)}
    for key, adapter in adapters.items():
        chatglm3.activate(model, adapter)
        found[key] = sum(
            _name(one) in _answer(model, config.base, budget, one, question)
            for one in people
            for question in QUESTIONS
        )
    return found


def _people(config: Probed) -> list[Character]:
    people = read_shelf(config.characters).characters
    return [one for one in people if one.profile.get("name")][: config.probe_characters]


def _name(character: Character) -> str:
    return character.profile["name"]


def _answer(model: Any, base: str, budget: Budget, character: Character, question: str) -> str:
    """The most likely reply, as the chat would ask for it."""
    import torch

    told = Passage("profile.name", profile_passage("name", _name(character)), 0.6)
    exchange = Answered(question, (told,), "", "")
    prompt: tuple[Message, ...] = talk(character, [exchange], budget=budget)[:-1]
    tokenizer = chatglm3.load_tokenizer(base)
    ids = torch.tensor([tokenizer.encode_chat(prompt)], device=model.device)
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=40,
            do_sample=False,
            eos_token_id=list(tokenizer.stop_ids),
            pad_token_id=tokenizer.pad_id,
        )
    return tokenizer.decode(made[0, ids.shape[1] :].tolist())
