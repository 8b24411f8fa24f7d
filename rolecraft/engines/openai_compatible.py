"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, SGLang, Ollama, transformers.

Knows no character. Time-outs, bounded retries with jitter and the wire format are the official
client's; this module turns its errors into plain words and its stream into pieces.
"""

import queue
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rolecraft.conversation import Finish, Identity, Message, Sampling
from rolecraft.emotions import may_become_label, split_opening
from rolecraft.engines.base import EngineCard, Generation
from rolecraft.errors import EngineFailed, EngineRefused, RequestRefused

OPENAI = "https://api.openai.com/v1"
TIMEOUT_S = 60.0  # between two pieces
CONNECT_S = 5.0
RETRIES = 2  # of requests that got no answer; a broken answer is never asked for again

_ASKED_EMOTION = "这一次请以{opening}开头，用这种情绪回答。"


class OpenAICompatibleEngine:
    """An engine behind `base_url`; `model` is the name the server knows it by."""

    def __init__(
        self,
        card: EngineCard,
        model: str,
        api_key: str,
        base_url: str | None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        stop: Sequence[str] = (),
    ) -> None:
        import openai

        self.card = card
        self.model = model
        self.stop = list(stop)
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url or OPENAI,
            max_retries=retries,
            timeout=openai.Timeout(timeout_s, connect=CONNECT_S),
        )

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None = None,
        opening: str = "",
        character: str = "",
    ) -> "RemoteGeneration":
        """Ask the server; an `adapter` is sent as the model's name, as vLLM's LoRAs want it."""
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
        if self.stop:
            asked["stop"] = self.stop
        identity = Identity(self.card.name, adapter or self.model)
        return RemoteGeneration(self._client, asked, opening, identity, seed)


@dataclass(frozen=True)
class _Over:
    """The last thing a connection says: why it ended, if not well."""

    failure: Exception | None = None


class RemoteGeneration(Generation):
    """A streamed answer of a server. A thread of its own waits for the network, so that stopping
    never does."""

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
        self._arrived: queue.Queue[Any] = queue.Queue()
        self._lock = threading.Lock()
        self._cancelled = False
        self._chunks: Any = None

    def cancel(self) -> None:
        """Close the connection, at which servers stop the model; iteration ends at once."""
        with self._lock:
            self._cancelled = True
            chunks = self._chunks
        self._arrived.put(_Over())
        if chunks is not None and not chunks.response.is_closed:
            _hang_up(chunks.response)

    def __iter__(self) -> Iterator[str]:
        if self._cancelled:
            self.finish = "user_stop"
            return
        threading.Thread(target=self._listen, name="endpoint", daemon=True).start()
        said = False
        try:
            for piece in self._without_label(self._pieces()):
                said = said or bool(piece.strip())
                yield piece
            if not said and not self._cancelled:
                raise EngineFailed(f"{self.identity.engine}: the server sent no text. Try again.")
        except EngineFailed:
            self.finish = "error"
            raise
        finally:
            self.cancel()

    def _listen(self) -> None:
        """Ask, and put every chunk on the queue. Runs on its own thread."""
        try:
            with self._client.chat.completions.create(**self._asked) as chunks:
                with self._lock:
                    self._chunks = chunks
                    if self._cancelled:
                        return
                for chunk in chunks:
                    self._arrived.put(chunk)
            self._arrived.put(_Over())
        except Exception as error:
            self._arrived.put(_Over(error))

    def _pieces(self) -> Iterator[str]:
        complete = False
        while not isinstance(chunk := self._arrived.get(), _Over):
            for choice in chunk.choices or ():
                complete = complete or bool(choice.finish_reason)
                if choice.finish_reason == "length":
                    self.finish = "length"
                if choice.delta and choice.delta.content and not self._cancelled:
                    self.reply_tokens += 1
                    yield choice.delta.content
            if chunk.usage:
                self.prompt_tokens = chunk.usage.prompt_tokens
                self.reply_tokens = chunk.usage.completion_tokens
        if self._cancelled:
            self.finish = "user_stop"
        elif chunk.failure or not complete:
            raise failed(chunk.failure, self.identity.engine) from chunk.failure

    def _without_label(self, pieces: Iterator[str]) -> Iterator[str]:
        """Drop the label of an asked emotion, which the caller already has."""
        held = ""
        for piece in pieces if self._opening else ():
            held += piece
            if not may_become_label(held):
                break
        rest = split_opening(held)[1]
        if rest:
            yield rest
        yield from pieces


def _hang_up(response: Any) -> None:
    """Shut the socket down: closing it would leave the thread that reads from it waiting."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream else None
    if connection is None:
        return
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was closed already


def failed(error: Exception | None, engine: str) -> EngineFailed:
    """The failure to raise: whether asking again could help is its class."""
    import openai

    words = in_words(error, engine)
    hopeless = openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError
    if isinstance(error, hopeless):
        return EngineRefused(words)
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return RequestRefused(words)
    return EngineFailed(words)


def in_words(error: Exception | None, engine: str) -> str:
    """What went wrong at a server and what to do, for the person who waits."""
    import openai

    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"{engine}: the key was refused. Check OPENAI_API_KEY and OPENAI_BASE_URL."
    if isinstance(error, openai.NotFoundError):
        return (
            f"{engine}: the server does not know this model. Check its name in the catalogue, and "
            "OPENAI_BASE_URL."
        )
    if isinstance(error, openai.RateLimitError):
        return f"{engine}: the server is busy or the quota is used up. Try again in a minute."
    if isinstance(error, openai.APITimeoutError):
        return f"{engine}: the server took too long. Try again or choose another engine."
    if isinstance(error, openai.APIConnectionError):
        return (
            f"{engine}: the server cannot be reached, or broke off. Check OPENAI_BASE_URL and the "
            "network."
        )
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return f"{engine}: the server refused the request ({_reason(error)}). Shorten the talk."
    if isinstance(error, openai.APIStatusError):
        return f"{engine}: the server answered {error.status_code}. Try again later."
    if isinstance(error, openai.APIError):
        return f"{engine}: the server failed while it answered ({_reason(error)}). Try again."
    return f"{engine}: the connection broke off. Try again."


def _reason(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    said = body.get("message") or body.get("detail") or error.message
    return " ".join(str(said).split())[:200]
