"""Rating what the visitor just saw, in a sheet over the talk: one reply, or the whole talk.

The steps know no component; `build_rate_sheet` wires them. The talk is read from the database and
frozen by the desk as it is; what the browser names is only which message.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import gradio as gr

from rolecraft.admission import CARE_ENGINE
from rolecraft.characters import Shelf
from rolecraft.conversation import Conversation
from rolecraft.errors import RatingRefused, StoreUnavailable
from rolecraft.ratings.bank import card_json
from rolecraft.ratings.desk import Desk, Sheet, Visit
from rolecraft.services import Services
from rolecraft.store.conversations import Conversations
from rolecraft.store.ratings import Mine
from rolecraft.ui import rate_scene as scene
from rolecraft.ui import rating_form as form
from rolecraft.ui.markup import button, escape, word
from rolecraft.ui.page import part, refusals_shown, sent
from rolecraft.ui.rating_form import Given
from rolecraft.ui.seat import Caller, Deed, Seats, caller_of, note, refusal, scopes_of
from rolecraft.ui.texts import Language, say
from rolecraft.ui.visitor import Place, read_place


class SheetShown(NamedTuple):
    """What changes; None leaves a part as it is. The order is that of the outputs."""

    sheet: str | None = None
    note: str | None = None


class TalkRating:
    """The steps of the sheet. Safe to call from several threads."""

    def __init__(self, services: Services, seats: Seats) -> None:
        self._desk: Desk = services.desk
        self._store: Conversations = services.conversations
        self._shelf: Shelf = services.shelf
        self._seats = seats

    def act(self, kept: object, given: Mapping[str, Any], caller: Caller) -> SheetShown:
        """One step, by the name that the page gives it; anything else changes nothing."""
        place = read_place(kept)
        steps: dict[str, Callable[[Place, Mapping[str, Any], Caller], SheetShown]] = {
            "open": self._open,
            "agree": self._agree,
            "submit": self._save,
            "revise": self._save,
        }
        taken = steps.get(str(given.get("do")))
        if taken is None:
            return SheetShown()
        try:
            return taken(place, given, caller)
        except StoreUnavailable:
            return SheetShown(note=note(given, "unsaved", say(caller.language, "rate_unsaved")))
        except RatingRefused as error:
            if error.reason in ("consent", "unknown"):
                self._seats.forget(place)
            return SheetShown(note=note(given, "refused", refusal(error, caller.language)))

    def _open(self, place: Place, given: Mapping[str, Any], caller: Caller) -> SheetShown:
        message = str(given.get("message") or "")
        visit = self._seats.visit(place, caller)
        if not visit.agreed:
            body = scene.consent(caller.language, message=message)
            return SheetShown(_sheet(say(caller.language, "rate_consent_title"), body, caller))
        return self._form(place, visit, message, caller)

    def _agree(self, place: Place, given: Mapping[str, Any], caller: Caller) -> SheetShown:
        visit = self._seats.agree(place, caller, scopes_of(given))
        return self._form(place, visit, str(given.get("message") or ""), caller)

    def _form(self, place: Place, visit: Visit, message: str, caller: Caller) -> SheetShown:
        talk = self._store.as_conversation(place.visitor, place.conversation, message or None)
        if talk.turns and talk.turns[-1].reply is None:
            talk = replace(talk, turns=talk.turns[:-1])  # what waits for its answer is not rated
        sheet, rated = self._put(visit, place.conversation, talk, "reply" if message else "")
        language = caller.language
        title = say(language, "rate_reply_title" if message else "rate_talk_title")
        given = None
        if rated:
            values = {(side, criterion): value for side, criterion, value in rated.scores}
            given = Given(values, rated.preference)
        save = "rate_save_change" if given else "rate_save_talk"
        about = f'<p class="rated-text">{escape(sheet.left[-1].text)}</p>' if message else ""
        return SheetShown(
            _sheet(title, about + form.form(sheet, language, save=save, given=given), caller)
        )

    def _put(
        self, visit: Visit, conversation: str, talk: Conversation, scope: str
    ) -> tuple[Sheet, Mine | None]:
        """The form, and the rating that it already holds."""
        if not scope and _ways(talk) > 1:
            raise RatingRefused(
                "More than one engine, or one set in several ways, has answered in this talk. Rate "
                "single replies.", "mixed",
            )  # fmt: skip
        card = card_json(self._shelf.get(talk.character))
        try:
            sheet = self._desk.rate_talk(
                visit, conversation, talk, card, scope="reply" if scope else "conversation"
            )
        except RatingRefused as error:
            held = [one for one in self._desk.ratings.mine(visit.rater) if one.form == error.form]
            if error.reason != "seen" or not held or not held[0].may_change:
                raise
            return self._desk.sheet(visit, error.form), held[0]
        return sheet, None

    def _save(self, place: Place, given: Mapping[str, Any], caller: Caller) -> SheetShown:
        visit = self._seats.visit(place, caller)
        deed: Deed = "revise" if given["do"] == "revise" else "submit"
        receipt = self._seats.save(visit, deed, given)
        language = caller.language
        close = button(say(language, "rate_close"), "close", kind="primary", text=True)
        body = (
            f"<p>{word(language, 'rate_thanks')}</p>{scene.receipt(receipt.code, language)}"
            f'<div class="send">{close}</div>'
        )
        told = note(given, "saved", say(language, "rate_saved_short"), receipt.code)
        return SheetShown(_sheet(say(language, "rate_thanks_title"), body, caller), told)


def _ways(talk: Conversation) -> int:
    """How many engines, or ways of setting one, have answered; a word of care is of none."""
    replies = [turn.reply for turn in talk.turns if turn.reply]
    ways = {(reply.identity.engine, reply.conditions) for reply in replies}
    return len({way for way in ways if way[0] != CARE_ENGINE})


def _sheet(title: str, body: str, caller: Caller) -> str:
    language: Language = caller.language
    return (
        '<div class="sheet" role="dialog" aria-modal="true" aria-labelledby="rating-title" '
        f'tabindex="-1"><header><h2 id="rating-title">{escape(title)}</h2>'
        f"{button(say(language, 'rate_close'), 'close', icon='close')}</header>"
        f'<div class="sheet-body">{body}</div></div>'
    )


def build_rate_sheet(place: gr.BrowserState, services: Services) -> None:
    """Build and wire the sheet inside the open blocks; scripts open it by `openRating`."""
    sheet = part("rc-rating", "ratesheet", "act", value="")
    told = part("rc-rate-note", "rated", html_template="", value="")
    rating = TalkRating(services, Seats(services.desk))
    hops = services.settings.trusted_proxy_hops

    @refusals_shown
    def review(kept: object, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        shown = rating.act(kept, sent(event), caller_of(request, hops))
        return tuple(gr.skip() if value is None else value for value in shown)

    sheet.act(
        review, place, [sheet, told], trigger_mode="multiple", concurrency_limit=16,
        concurrency_id="rate", show_progress="hidden", api_visibility="private",
    )  # fmt: skip
