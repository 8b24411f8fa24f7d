"""The frozen values of a talk: messages, passages, sampling, replies, turns, conversations.

Knows no store, no model and no page. New values are made from old ones, none is changed in place.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

Role = Literal["system", "user", "assistant", "observation"]
Finish = Literal["stop", "length", "user_stop", "disconnect", "error"]
BY_HAND = "encoder"  # the base of a reply that a person wrote: an encoder only found it


@dataclass(frozen=True)
class Message:
    """One message of a rendered prompt; `role` is only the slot, never the persona."""

    role: Role
    content: str


@dataclass(frozen=True)
class Passage:
    """A piece of a character's profile, script or answers, as it was retrieved."""

    field: str
    text: str
    similarity: float
    used: bool = True


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. Defaults are the paper's (top-p 0.7, temperature 0.95)."""

    temperature: float = 0.95
    top_p: float = 0.7
    max_new_tokens: int = 128
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0  # characters; 0 allows repetition
    seed: int | None = None

    def __post_init__(self) -> None:
        limits = {
            "temperature": (0.0, 2.0),
            "top_p": (0.01, 1.0),
            "max_new_tokens": (1, 2048),
            "repetition_penalty": (1.0, 2.0),
            "no_repeat_ngram_size": (0, 64),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; choose a value from {low} to {high}.")


@dataclass(frozen=True)
class Budget:
    """How much prompt an engine can take.

    `tokens` bounds the whole prompt by `count`; `passage_chars` cuts each passage; a full persona
    spells out rules and biography for large models, a short one fits small ones.
    """

    tokens: int = 6000
    passage_chars: int = 400
    full_persona: bool = True
    emotion_rule: bool = False
    emotions: bool = True
    count: Callable[[str], int] = len


@dataclass(frozen=True)
class Identity:
    """What exactly answered: enough to tell two engines of one name apart."""

    engine: str
    base: str
    base_sha256: str = ""
    adapter: str | None = None
    adapter_sha256: str = ""
    dtype: str = ""  # how the weights were held: "bfloat16"; empty where it is not known
    quant: str = ""  # "nf4" or "int8"; empty for none
    tokenizer_sha256: str = ""


@dataclass(frozen=True)
class Reply:
    """A finished reply with everything that made it. Whatever is rated points at its `sha256`."""

    text: str
    emotion: str | None
    passages: tuple[Passage, ...]
    identity: Identity
    sampling: Sampling
    seed: int
    prompt: tuple[Message, ...]
    prompt_tokens: int
    reply_tokens: int
    first_token_ms: float
    total_ms: float
    finish: Finish
    conditions: str = ""  # what was set apart from the engine's own way: "retrieval=off", …

    @property
    def sha256(self) -> str:
        """Hash of the whole reply in canonical JSON (sorted keys, UTF-8)."""
        body = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()


@dataclass(frozen=True)
class Turn:
    """What the visitor said and, once there is one, what the character answered."""

    user: str
    reply: Reply | None = None


@dataclass(frozen=True)
class Conversation:
    """One path through a talk: the greeting that opened it and the turns up to now."""

    character: str
    greeting: str = ""
    turns: tuple[Turn, ...] = field(default=())

    def ask(self, text: str) -> "Conversation":
        """The same conversation with one more open turn."""
        return replace(self, turns=(*self.turns, Turn(text)))

    def answer(self, reply: Reply) -> "Conversation":
        """The same conversation with its last open turn answered."""
        return replace(self, turns=(*self.turns[:-1], replace(self.turns[-1], reply=reply)))
