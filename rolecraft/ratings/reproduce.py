"""A stored reply is made again from its own prompt, sampling and seed, and compared.

Knows no page and no database: what was stored of the reply and the way to an engine are passed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rolecraft.conversation import Identity, Message, Sampling
from rolecraft.emotions import opening, split_opening
from rolecraft.engines.base import Engine
from rolecraft.errors import EngineNotFound, EngineUnavailable

Verdict = Literal["same", "different", "other_weights", "engine_gone", "recorded", "erased"]
_CUT_SHORT = ("user_stop", "disconnect", "error", "restart")


@dataclass(frozen=True)
class Again:
    """What came of making a reply again; `text` is the new one, None where none was made."""

    verdict: Verdict
    text: str | None = None
    emotion: str | None = None
    identity: Identity | None = None


def again(trace: Mapping[str, Any], engine_named: Callable[[str], Engine]) -> Again:
    """Make the reply of a trace (`Shown.trace`) again. Raises `EngineFailed` when it breaks off.

    Other weights under the same name are said so, whatever text they give.
    """
    if trace["source"] != "live" or trace["seed"] is None:
        return Again("recorded")
    if not trace["prompt"]:
        return Again("erased")
    try:
        engine = engine_named(trace["model"]["engine"])
    except (EngineNotFound, EngineUnavailable):
        return Again("engine_gone")
    made = _make(trace, engine, "")
    if made.verdict == "different" and trace["emotion"]:
        # the emotion may have been asked for; nothing that is stored says so
        asked = _make(trace, engine, opening(trace["emotion"]))
        made = asked if asked.verdict == "same" else made
    return made


def _make(trace: Mapping[str, Any], engine: Engine, begun: str) -> Again:
    messages = [Message(**one) for one in trace["prompt"]]
    sampling = replace(Sampling(**trace["sampling"]), seed=trace["seed"])
    generation = engine.stream(messages, sampling, None, begun, trace["character"])
    emotion, text = split_opening(begun + "".join(generation))
    text, identity = text.strip(), generation.identity
    if _other(identity, trace["model"]):
        return Again("other_weights", text, emotion, identity)
    wanted = trace["reply_text"]
    same = text.startswith(wanted) if trace["finish"] in _CUT_SHORT else text == wanted
    same = same and emotion == trace["emotion"]
    return Again("same" if same else "different", text, emotion, identity)


def _other(identity: Identity, model: Mapping[str, str]) -> bool:
    """Whether other weights go by the name now, or the same ones held or read in another way."""
    hashes = (model["base_sha256"], model["adapter_sha256"])
    if (identity.base_sha256, identity.adapter_sha256) != hashes:
        return True
    ways = ("dtype", "quant", "tokenizer_sha256")  # an early reply does not say
    return bool(model["dtype"]) and any(getattr(identity, one) != model[one] for one in ways)
