"""The line /health: green while ratings can be stored, red while they cannot.

For whoever watches the house: it tells no visitor anything, and asks the database at most once in
a few seconds, however often it is asked itself.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rolecraft.errors import StoreUnavailable
from rolecraft.services import Services

_FRESH_S = 5.0
# Takes the lock of a writer and writes a page of the log; it is undone.
_PROBE = "UPDATE rater SET status = status WHERE id IN (SELECT MIN(id) FROM rater)"


class Health:
    """Whether the store takes ratings. Safe to use from several threads."""

    def __init__(self, services: Services, clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[float, dict[str, Any]] | None = None

    def look(self) -> dict[str, Any]:
        """`ok`, what the database says, and how many ratings wait in the file beside it."""
        with self._lock:
            now = self._clock()
            if self._seen is None or now - self._seen[0] >= _FRESH_S:
                self._seen = now, self._asked()
            return self._seen[1]

    def _asked(self) -> dict[str, Any]:
        unsaved = self._services.desk.unsaved()
        try:
            with self._services.database.undone() as inner, inner.write() as session:
                session.execute(text(_PROBE))
        except StoreUnavailable:
            return {"ok": False, "store": "cannot be written", "unsaved_ratings": unsaved}
        return {"ok": not unsaved, "store": "ok", "unsaved_ratings": unsaved}


def route(services: Services) -> Route:
    """The route; its status is 503 while something is wrong."""
    health = Health(services)

    async def answer(_: Request) -> JSONResponse:
        found = await run_in_threadpool(health.look)
        return JSONResponse(found, 200 if found["ok"] else 503, {"cache-control": "no-store"})

    return Route("/health", answer)
