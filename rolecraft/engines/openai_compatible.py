"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, SGLang, transformers serve.

Knows no character. Time-outs, bounded retries with jitter and the wire format are the official
client's; this module turns its errors into plain words and its stream into pieces.
"""

import random
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from rolecraft.conversation import Finish, Identity, Message, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.errors import EngineFailed

TIMEOUT_S = 60.0
CONNECT_S = 5.0
RETRIES = 2

_ASKED_EMOTION = "这一次请以{opening}开头，用这种情绪回答。"


class OpenAICompatibleEngine:
    """An engine behind `base_url`; `model` is the name the server knows it by."""

    def __init__(self, card: EngineCard, model: str, api_key: str, base_url: str | None) -> None:
        import httpx
        import openai

        self.card = card
        self.model = model
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=RETRIES,
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
        )

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None = None,
        opening: str = "",
        character: str = "",
    ) -> "RemoteGeneration":
        """Ask the server; an `adapter` is sent as the model's name, as vLLM wants it."""
        sent = [{"role": m.role, "content": m.content} for m in messages]
        if opening:
            sent.insert(-1, {"role": "system", "content": _ASKED_EMOTION.format(opening=opening)})
        seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        asked = {
            "model": adapter or self.model,
            "messages": sent,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        identity = Identity(self.card.name, adapter or self.model)
        return RemoteGeneration(self._client, asked, opening, identity, seed)


class RemoteGeneration:
    """A streamed answer of a server."""

    def __init__(
        self, client: Any, asked: dict[str, Any], opening: str, identity: Identity, seed: int
    ) -> None:
        self.prompt_tokens = 0
        self.reply_tokens = 0
        self.finish: Finish = "stop"
        self.identity = identity
        self.seed = seed
        self._client = client
        self._asked = asked
        self._opening = opening
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Close the connection at the next piece; servers stop the model then."""
        self._cancelled.set()

    def __iter__(self) -> Iterator[str]:
        import openai

        try:
            with self._client.chat.completions.create(**self._asked) as chunks:
                yield from self._without_opening(self._pieces(chunks))
        except openai.OpenAIError as error:
            self.finish = "error"
            raise EngineFailed(in_words(error, self.identity.engine)) from error

    def _pieces(self, chunks: Any) -> Iterator[str]:
        for chunk in chunks:
            if self._cancelled.is_set():
                self.finish = "user_stop"
                return
            if chunk.usage:
                self.prompt_tokens = chunk.usage.prompt_tokens
                self.reply_tokens = chunk.usage.completion_tokens
            for choice in chunk.choices:
                if choice.finish_reason == "length":
                    self.finish = "length"
                if choice.delta.content:
                    self.reply_tokens += 0 if chunk.usage else 1
                    yield choice.delta.content

    def _without_opening(self, pieces: Iterator[str]) -> Iterator[str]:
        """Drop the asked label where the server repeats it: the caller already has it."""
        held = ""
        for piece in pieces:
            held += piece
            if self._opening.startswith(held.lstrip()) and held.lstrip() != self._opening:
                continue
            yield held.lstrip().removeprefix(self._opening) if self._opening else held
            yield from pieces
            return
        if held and not self._opening.startswith(held):
            yield held


def in_words(error: Exception, engine: str) -> str:
    """What went wrong at a server and what to do, for the person who waits."""
    import openai

    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"{engine}: the key was refused. Check OPENAI_API_KEY and OPENAI_BASE_URL."
    if isinstance(error, openai.NotFoundError):
        return f"{engine}: the server does not know this model. Check its name in the catalogue."
    if isinstance(error, openai.RateLimitError):
        return f"{engine}: the server is busy or the quota is used up. Try again in a minute."
    if isinstance(error, openai.APITimeoutError):
        return f"{engine}: no answer within {TIMEOUT_S:.0f} s. Try again or choose another engine."
    if isinstance(error, openai.APIConnectionError):
        return f"{engine}: the server cannot be reached. Check OPENAI_BASE_URL and the network."
    if isinstance(error, openai.BadRequestError):
        return f"{engine}: the server refused the request ({_reason(error)}). Shorten the talk."
    if isinstance(error, openai.APIStatusError):
        return f"{engine}: the server answered {error.status_code}. Try again later."
    return f"{engine}: the connection broke off ({type(error).__name__}). Try again."


def _reason(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message", "bad request"))[:200]
