"""A visitor at the desk of ratings: who they are, what their browser sends, what they are told.

Knows no component. What comes from a browser is taken as hostile: here it only gets the right
shape, and the desk checks what it says.
"""

import hmac
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import gradio as gr
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from rolecraft.errors import RatingNotSaved, RatingRefused, StoreUnavailable
from rolecraft.ratings.desk import Desk, Visit
from rolecraft.store.forms import Receipt, Score, Submission
from rolecraft.store.raters import Scope
from rolecraft.ui.guard import address_of
from rolecraft.ui.page import language_of_request
from rolecraft.ui.texts import Language, say
from rolecraft.ui.visitor import Place

Deed = Literal["submit", "revise", "skip", "withdraw"]
_MOST_VISITS = 2000  # kept at once; who is forgotten is met again from the database
_MOST_SCORES = 50
_A_MINUTE = RateLimitItemPerMinute(60)  # of what one rater sends, whatever page or script it is
_LONGEST = 2**53


@dataclass(frozen=True)
class Caller:
    """Where a step comes from: the tab, the address, and what the page's own address asks for."""

    tab: str
    address: str
    device: str
    language: Language
    study: str = ""
    invitation: str = ""


def address_of_request(request: gr.Request, hops: int) -> str:
    """Where a request comes from, behind `hops` proxies of our own."""
    raw = [(k.encode("latin-1", "replace"), v.encode()) for k, v in request.headers.items()]
    return address_of(raw, request.client.host if request.client else "", hops)


def caller_of(request: gr.Request, hops: int) -> Caller:
    """The caller of a request, behind `hops` proxies of our own."""
    agent = str(request.headers.get("user-agent", ""))
    return Caller(
        tab=str(request.session_hash or "")[:64],
        address=address_of_request(request, hops),
        device="phone" if "Mobi" in agent else "desktop",
        language=language_of_request(request),
        study=str(request.query_params.get("study") or "")[:200],
        invitation=_words(request.query_params.get("invitation")),
    )


class Seats:
    """Who sits where. Safe to call from several threads."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._visits: OrderedDict[tuple[str, str, str], Visit] = OrderedDict()
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()

    def visit(self, place: Place, caller: Caller) -> Visit:
        """The visit of this visitor in this tab.

        It is remembered, so that a rating can be kept while the database is away.
        """
        key = (place.visitor, caller.tab, caller.language)
        with self._lock:
            if key in self._visits:
                self._visits.move_to_end(key)
                return self._visits[key]
        expected = self.desk.raters.invitation(caller.study)
        invited = hmac.compare_digest(caller.invitation, expected)
        visit = self.desk.enter(
            place.token, caller.tab, locale=caller.language, device=caller.device,
            address=caller.address, kind="invited" if invited else "anon",
        )  # fmt: skip
        return self._keep(key, visit)

    def agree(self, place: Place, caller: Caller, scopes: Collection[Scope]) -> Visit:
        """Enter consent for these scopes."""
        visit = self.desk.agree(self.visit(place, caller), scopes)
        self.forget(place)  # other tabs look again
        return self._keep((place.visitor, caller.tab, caller.language), visit)

    def forget(self, place: Place) -> None:
        """Meet this visitor anew at the next step, in every tab."""
        with self._lock:
            for key in [key for key in self._visits if key[0] == place.visitor]:
                del self._visits[key]

    def save(self, visit: Visit, deed: Deed, sent: Mapping[str, Any]) -> Receipt:
        """Store what was sent. Raises `RatingNotSaved` and `RatingRefused`.

        Nobody rates as often as `_A_MINUTE`, though a page that sends again may come near.
        """
        if not self._windows.hit(_A_MINUTE, visit.rater):
            raise RatingRefused("That was too fast. Wait a minute, then send it again.", "too_fast")
        submission = submission_of(sent)
        if deed == "skip":
            return self.desk.ratings.skip(visit.rater, submission, _words(sent.get("reason")))
        if deed == "withdraw":
            return self.desk.ratings.withdraw(visit.rater, submission)
        save = self.desk.submit if deed == "submit" else self.desk.revise
        return save(visit, submission)

    def report(self, visit: Visit, sent: Mapping[str, Any]) -> None:
        """Enter that a reply should be looked at. Raises `RatingRefused`."""
        self.desk.moderating.report(
            visit.rater, _words(sent.get("form")), sent.get("token"), sent.get("side"),
            sent.get("reason"),
        )  # fmt: skip

    def _keep(self, key: tuple[str, str, str], visit: Visit) -> Visit:
        with self._lock:
            self._visits[key] = visit
            while len(self._visits) > _MOST_VISITS:
                self._visits.popitem(last=False)
        return visit


def submission_of(sent: Mapping[str, Any]) -> Submission:
    """What a browser sent, as the desk takes it; nothing is made valid that is not."""
    given = sent.get("scores")
    scores = tuple(
        Score(cast(Any, one.get("side")), cast(Any, one.get("criterion")), one.get("value"))
        for one in (given if isinstance(given, list) else [])[:_MOST_SCORES]
        if isinstance(one, dict)
    )
    return Submission(
        id=_words(sent.get("id")), form=_words(sent.get("form")), token=_words(sent.get("token")),
        preference=sent.get("preference"), scores=scores, comment=sent.get("comment", ""),
        better=sent.get("better", ""),
        active_ms=_number(sent.get("active_ms")), wall_ms=_number(sent.get("wall_ms")),
        n_changes=_number(sent.get("n_changes")), input_mode=_words(sent.get("input_mode"))[:16],
    )  # fmt: skip


def scopes_of(sent: Mapping[str, Any]) -> tuple[Scope, ...]:
    """What the visitor agrees to; rating itself always, or there is nothing to agree to."""
    more: tuple[Scope, ...] = ("publish", "train")
    return ("rate", *(scope for scope in more if sent.get(scope) is True))


def note(sent: Mapping[str, Any], state: str, text: str = "", code: str = "") -> str:
    """What became of one thing that was sent, for the page's script."""
    body = {
        "id": _words(sent.get("id")), "form": _words(sent.get("form")), "state": state,
        "text": text, "code": code, "nonce": secrets.token_hex(4),
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False)


def refusal(error: RatingRefused, language: Language) -> str:
    """Why it was refused, in the visitor's language."""
    return say(language, f"rate_refused_{error.reason}") if error.reason else str(error)


def away(error: Exception) -> bool:
    """Whether the same step may succeed a little later."""
    return isinstance(error, RatingNotSaved | StoreUnavailable)


def _words(given: object) -> str:
    """Short plain text, or nothing: ids, tokens and names hold nothing else."""
    return given if isinstance(given, str) and given.isascii() and len(given) <= 200 else ""


def _number(given: object) -> int:
    """A whole number that a database can hold; -1, which is flagged, for everything else."""
    return given if type(given) is int and 0 <= given < _LONGEST else -1
