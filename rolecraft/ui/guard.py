"""What stands before gradio: open paths, headers, limits of size and rate, the page's own head.

A plain ASGI middleware. Knows no component and no conversation.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from rolecraft.ui.pages import PATHS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The page needs these and nothing else; what gradio may add is closed until it is looked at.
OPEN = frozenset(
    {"", "assets", "config", "favicon.ico", "gradio_api", "health", "look", "manifest.json",
     "robots.txt", "static", "theme.css", *PATHS}
)  # fmt: skip
OPEN_API = frozenset(
    {"app_id", "cancel", "file", "heartbeat", "info", "queue", "reset", "startup-events",
     "theme.css"}
)  # fmt: skip

_JOIN = "/gradio_api/queue/join"
LONGEST_BODY = 2_000_000  # bytes; a hundred thousand characters still get a friendly refusal

# gr.HTML evaluates its templates, hence unsafe-eval; nothing is loaded from or sent elsewhere.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co",
    )
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
_TOO_MANY = "来得太快啦，歇一会儿再试。 Too many requests from this address; please wait a moment."
_FULL = "人有点多，请过一会儿再试。 It is busy here; please try again in a moment."
_TOO_LONG = "内容太长了，请分几次发送。 That is too long; please send it in parts."


def address_of(headers: Iterable[tuple[bytes, bytes]], peer: str, hops: int) -> str:
    """Where a request comes from, behind `hops` proxies that are our own.

    Each proxy appends to X-Forwarded-For whom it heard from. Everything left of what our own
    proxies wrote may be invented by the visitor, so the entry is counted from the right.
    """
    if hops < 1:
        return peer
    forwarded = ",".join(
        value.decode("latin-1") for name, value in headers if name.lower() == b"x-forwarded-for"
    )
    entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
    return entries[-hops] if len(entries) >= hops else peer


class Guard:
    """The middleware. `head` is HTML that opens the head of the page."""

    def __init__(
        self, app: App, head: str = "", trusted_proxy_hops: int = 0, joins_per_minute: int = 120
    ) -> None:
        self._app = app
        self._head = head.encode()
        self._hops = trusted_proxy_hops
        self._rate = RateLimitItemPerMinute(joins_per_minute)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal:
            await _refuse(answer, *refusal)
            return
        counted = _Counted(receive)
        if scope["path"].rstrip("/") == _JOIN:
            answer = _with_friendly_refusal(answer)
        if scope["path"].strip("/") in ("", *PATHS) and self._head:
            answer = _with_head(answer, self._head)
        try:
            await self._app(scope, counted, answer)
        except _BodyTooLong:
            await _refuse(answer, 413, _TOO_LONG)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if not _open(scope["path"]):
            return 404, "Not Found"
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > LONGEST_BODY):
                return 413, _TOO_LONG
        if scope["path"].rstrip("/") == _JOIN:
            peer = scope["client"][0] if scope.get("client") else ""
            address = address_of(scope["headers"], peer, self._hops)
            if not self._windows.hit(self._rate, address):
                return 429, _TOO_MANY
        return None


def _open(path: str) -> bool:
    first, _, rest = path.lstrip("/").partition("/")
    if "/" + path.lstrip("/") != path or first not in OPEN:
        return False
    if first != "gradio_api":
        return True
    return rest.partition("/")[0].partition("=")[0] in OPEN_API


class _BodyTooLong(Exception):
    pass


class _Counted:
    """The body of a request, cut off by an error when more comes than was allowed."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > LONGEST_BODY:
            raise _BodyTooLong
        return message


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            taken = {name.lower() for name, _ in given}
            given += [(name, value) for name, value in HEADERS if name not in taken]
            message["headers"] = given
        await send(message)

    return sending


def _with_friendly_refusal(send: Send) -> Send:
    """Says in the visitors' words that gradio's queue is full.

    Its page has a sentence of its own for status 503 and shows what it is told for 429.
    """
    full = False

    async def sending(message: Message) -> None:
        nonlocal full
        full = full or message.get("status") == 503
        if not full:
            await send(message)
        elif message["type"] == "http.response.start":
            await _refuse(send, 429, _FULL)

    return sending


def _with_head(send: Send, head: bytes) -> Send:
    """Puts `head` first into the head of a page, before the scripts that read the language."""
    started: list[Message] = []
    body = bytearray()

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        start = started[0]
        page = bytes(body)
        if any(b"text/html" in value for name, value in start["headers"] if _is(name, "type")):
            page = page.replace(b"<head>", b"<head>" + head, 1)
        headers = [pair for pair in start["headers"] if not _is(pair[0], "length")]
        headers.append((b"content-length", b"%d" % len(page)))
        await send({**start, "headers": headers})
        await send({**message, "body": page})

    return sending


def _is(name: bytes, kind: str) -> bool:
    return name.lower() == b"content-" + kind.encode()
