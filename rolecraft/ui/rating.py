"""The steps of the page /rate: coming, agreeing, rating, skipping, changing, leaving.

Knows no gradio component. The desk is the truth; nothing that a browser says of the past is
believed. What cannot be stored now is answered as such, never as an error: the page sends it again.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from rolecraft.errors import CharacterNotFound, RatingRefused, StoreUnavailable
from rolecraft.ratings.desk import Sheet, Visit
from rolecraft.ratings.study import Done, closed, over
from rolecraft.services import Services
from rolecraft.store.ratings import Mine
from rolecraft.ui import rate_scene as scene
from rolecraft.ui import rating_form as form
from rolecraft.ui.faces import Face, faces_of
from rolecraft.ui.rating_form import Given
from rolecraft.ui.seat import Caller, Deed, Seats, note, refusal, scopes_of
from rolecraft.ui.texts import Language, say
from rolecraft.ui.visitor import Place, read_place

_LISTED = 40
_SNIPPET = 60


class RateShown(NamedTuple):
    """What changes on the page; None leaves a part as it is. The order is that of the outputs."""

    place: Place | None = None
    view: str | None = None
    mine: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class _Step:
    """One step: who takes it, from where, and what their browser sent with it."""

    place: Place
    caller: Caller
    sent: Mapping[str, Any]

    @property
    def language(self) -> Language:
        return self.caller.language


class Rating:
    """Safe to call from several threads."""

    def __init__(self, services: Services, seats: Seats, rng: random.Random) -> None:
        self._desk = services.desk
        self._shelf = services.shelf
        self._faces = faces_of(services.shelf)
        self._seats = seats
        self._rng = rng

    def arrive(self, kept: object, caller: Caller) -> RateShown:
        """The page was opened."""
        place = read_place(kept)
        step = _Step(place, caller, {})
        return RateShown(place, self._view(step), scene.folded(caller.language))

    def act(self, kept: object, sent: Mapping[str, Any], caller: Caller) -> RateShown:
        """One step, by the name that the page gives it; anything else changes nothing."""
        step = _Step(read_place(kept), caller, sent)
        steps: dict[str, Callable[[_Step], RateShown]] = {
            "next": lambda step: RateShown(view=self._view(step)),
            "agree": self._agree,
            "submit": self._save,
            "revise": self._save,
            "skip": self._save,
            "change": self._change,
            "mine": lambda step: RateShown(mine=self._own(step)),
            "withdraw": self._withdraw,
            "scopes": self._scopes,
            "leave": self._leave,
            "erase": self._erase,
            "report": self._report,
        }
        taken = steps.get(str(sent.get("do")))
        if taken is None:
            return RateShown()
        try:
            return taken(step)
        except StoreUnavailable:
            return RateShown(note=note(sent, "unsaved", say(caller.language, "rate_unsaved")))
        except RatingRefused as error:
            return self._refused(step, error)

    # -- what is shown ------------------------------------------------------------------------

    def _view(self, step: _Step) -> str:
        try:
            return self._standing(step)
        except StoreUnavailable:
            return scene.notice(
                step.language, "rate_trouble_title", say(step.language, "rate_trouble"), retry=True
            )

    def _standing(self, step: _Step) -> str:
        language = step.language
        stands = {one.name: one for one in self._desk.studies.stands()}
        asked = step.caller.study
        if asked and asked not in stands:
            said = say(language, "rate_no_such", name=asked)
            return scene.notice(language, "rate_none_title", said)
        open_to_all = [
            name for name, one in stands.items() if not (one.plan["invited"] or over(one))
        ]
        if not asked and len(open_to_all) > 1:
            return scene.choose(open_to_all, language)
        if not asked and not open_to_all:
            return scene.notice(language, "rate_none_title", say(language, "rate_none"))
        visit = self._seats.visit(step.place, step.caller)
        if not visit.agreed:
            if asked and closed(stands[asked]):
                said = say(language, "rate_done_closed")
                return scene.notice(language, "rate_none_title", said)
            body = scene.consent(language)
            return scene.page(say(language, "rate_consent_title"), body, kind="quiet-page")
        return self._next(step, visit, asked or open_to_all[0])

    def _next(self, step: _Step, visit: Visit, study: str) -> str:
        language = step.language
        try:
            found = self._desk.next(visit, study, self._rng)
        except RatingRefused as error:
            if error.reason in ("consent", "unknown"):
                self._seats.forget(step.place)
            return scene.notice(language, "rate_none_title", refusal(error, language))
        mine = self._desk.ratings.mine(visit.rater)
        if isinstance(found, Done):
            counted = [one for one in mine if one.kind in ("submit", "revise")]
            code = counted[0].code if counted else ""
            return scene.done(found, len(counted), code, language)
        back = scene.undo(mine[0].form, language) if mine and mine[0].may_change else ""
        return self._item(found, language, back)

    def _item(self, sheet: Sheet, language: Language, back: str, given: Given | None = None) -> str:
        training = sheet.form.mode == "training"
        how_far = ""
        if sheet.progress:
            how_far = scene.progress(sheet.progress, language, practice=training)
        save = "rate_save_change" if given else "rate_save"
        asked = form.form(sheet, language, save=save, given=given) + form.keys(language)
        about, shown = self._shown(sheet, language)
        return scene.item(sheet, how_far, about, shown, asked, back, language)

    def _shown(self, sheet: Sheet, language: Language) -> tuple[str, str]:
        face = self._faces.get(sheet.character)
        if face is None:
            nobody = Face("", {"zh": "", "en": ""}, {"zh": "", "en": ""}, None, on_shelf=False)
            return "", form.conversation(sheet, nobody, language)
        try:
            about = form.card(self._shelf.get(sheet.character), face, language)
        except CharacterNotFound:
            about = ""
        return about, form.conversation(sheet, face, language)

    def _own(self, step: _Step, said: str = "") -> str:
        visit = self._seats.visit(step.place, step.caller)
        found = []
        for one in self._desk.ratings.mine(visit.rater, _LISTED):
            sheet = self._desk.sheet(visit, one.form)
            found.append(scene.Own(one, _snippet(sheet), sheet.form.token))
        agreed = self._desk.raters.get(visit.rater).consents
        return scene.own(found, agreed, step.language, said)

    # -- steps --------------------------------------------------------------------------------

    def _agree(self, step: _Step) -> RateShown:
        self._seats.agree(step.place, step.caller, scopes_of(step.sent))
        return RateShown(place=step.place, view=self._view(step), note=note(step.sent, "saved"))

    def _save(self, step: _Step) -> RateShown:
        visit = self._seats.visit(step.place, step.caller)
        deed = cast(Deed, step.sent["do"])
        receipt = self._seats.save(visit, deed, step.sent)
        key = "rate_skipped_note" if deed == "skip" else "rate_saved_short"
        told = note(step.sent, "saved", say(step.language, key), receipt.code)
        lesson = self._lesson(step, visit) if deed == "submit" else None
        mine = scene.folded(step.language)
        return RateShown(view=lesson or self._view(step), mine=mine, note=told)

    def _lesson(self, step: _Step, visit: Visit) -> str | None:
        """What the training says; None for a form that is no training, or cannot be read now."""
        name = str(step.sent["form"])
        try:
            values = {key: value for (_, key), value in _given(self._rated(visit, name)).items()}
            found = self._desk.lesson(visit, name, values)
            if found is None:
                return None
            _, shown = self._shown(self._desk.sheet(visit, name), step.language)
        except StoreUnavailable:
            return None
        return scene.lesson(found, values, shown, step.language)

    def _change(self, step: _Step) -> RateShown:
        visit = self._seats.visit(step.place, step.caller)
        sheet = self._desk.sheet(visit, str(step.sent.get("form")))
        rated = self._rated(visit, sheet.form.id)
        if not rated.may_change:
            raise RatingRefused("The names are out: this rating is final.", "final")
        given = Given(_given(rated), rated.preference)
        back = scene.back(step.language)
        return RateShown(view=self._item(sheet, step.language, back, given))

    def _rated(self, visit: Visit, name: str) -> Mine:
        for one in self._desk.ratings.mine(visit.rater):
            if one.form == name:
                return one
        raise RatingRefused("There is no rating here yet.", "unrated")

    def _withdraw(self, step: _Step) -> RateShown:
        visit = self._seats.visit(step.place, step.caller)
        self._seats.save(visit, "withdraw", step.sent)
        said = say(step.language, "rate_withdrawn")
        return RateShown(mine=self._own(step, said), note=note(step.sent, "saved"))

    def _scopes(self, step: _Step) -> RateShown:
        self._seats.agree(step.place, step.caller, scopes_of(step.sent))
        return RateShown(mine=self._own(step, say(step.language, "rate_consent_saved")))

    def _leave(self, step: _Step) -> RateShown:
        visit = self._seats.visit(step.place, step.caller)
        self._desk.raters.withdraw(visit.rater)
        self._seats.forget(step.place)
        said = say(step.language, "rate_consent_gone")
        return RateShown(view=self._view(step), mine=self._own(step, said))

    def _erase(self, step: _Step) -> RateShown:
        visit = self._seats.visit(step.place, step.caller)
        self._desk.raters.erase(visit.rater)
        self._seats.forget(step.place)
        view = scene.notice(step.language, "rate_erased_title", say(step.language, "rate_erased"))
        told = note({}, "erased")
        return RateShown(view=view, mine=scene.folded(step.language), note=told)

    def _report(self, step: _Step) -> RateShown:
        visit = self._seats.visit(step.place, step.caller)
        self._seats.report(visit, step.sent)
        return RateShown(note=note(step.sent, "told", say(step.language, "rate_reported")))

    def _refused(self, step: _Step, error: RatingRefused) -> RateShown:
        """Say why; a form that cannot be rated any more gives way to the next."""
        if error.reason in ("consent", "unknown"):
            self._seats.forget(step.place)
        told = note(step.sent, "refused", refusal(error, step.language))
        gone = (
            "consent", "unknown", "rated", "withdrawn", "final", "failed", "skipped", "expired",
            "closed",
        )  # fmt: skip
        return RateShown(view=self._view(step) if error.reason in gone else None, note=told)


def _given(rated: Mine) -> dict[tuple[str, str], int | None]:
    return {(side, criterion): value for side, criterion, value in rated.scores}


def _snippet(sheet: Sheet) -> str:
    text = sheet.left[-1].text if sheet.left else ""
    return text if len(text) <= _SNIPPET else text[:_SNIPPET] + "…"
