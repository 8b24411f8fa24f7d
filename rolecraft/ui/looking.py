"""Looking at results: which version is shown, what lies under a number, a reply made again.

Knows no component. What a browser asks for is checked here: an unknown version or reply is refused,
and so is a reply that somebody may still have to rate.
"""

import json
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rolecraft import __version__
from rolecraft.errors import InputRefused
from rolecraft.evaluation.board_figures import COLUMNS, CRITERIA, interval_figure, radar_figure
from rolecraft.ratings.published import Published
from rolecraft.ratings.reproduce import again
from rolecraft.ratings.selection import Leaks
from rolecraft.ratings.under import PREFERENCE, Cell, under
from rolecraft.services import Services
from rolecraft.store.boards import Snapshot
from rolecraft.store.rating_counts import failures
from rolecraft.ui import results_cell, results_tables, results_view
from rolecraft.ui.faces import faces_of
from rolecraft.ui.texts import Language, say

log = logging.getLogger(__name__)
_KNOWN = (*COLUMNS, PREFERENCE)
_MOST = 2000  # replies of one list


class Look(NamedTuple):
    """What changes on the page; None leaves a part as it is. Figures are plotly's."""

    head: str | None = None
    intervals: Any = None
    radar: Any = None
    rest: str | None = None
    under: str | None = None
    file: str | None = None


class Looking:
    """Safe to call from several threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shown = services.desk.shown
        self._published = Published(services.database, __version__)
        self._people = {one.id: one.name for one in faces_of(services.shelf).values()}

    def arrive(self, asked: str, language: Language) -> Look:
        """The page was opened: the version that its address asks for, else the newest.

        What is due is counted beside it, for those who come next.
        """
        threading.Thread(target=self._renew, name="boards", daemon=True).start()
        versions = self._published.versions()
        chosen = next((one for one in versions if one.id == asked), None)
        return self._show(versions, chosen or (versions[0] if versions else None), language)

    def act(self, sent: Mapping[str, Any], key: str, language: Language) -> Look:
        """One step, by the name that the page gives it; `key` is whose steps are counted."""
        if sent.get("do") == "version":
            versions = self._published.versions()
            return self._show(versions, self._version(sent, versions, language), language)
        if sent.get("do") == "data":
            version = self._version(sent, self._published.versions(), language)
            return Look(file=_file(version))
        if sent.get("do") == "cell":
            return Look(under=self._cell(sent, language))
        if sent.get("do") in ("reply", "again"):
            return Look(under=self._reply(sent, key, language))
        return Look()

    def _renew(self) -> None:
        try:
            self._published.renew()
        except Exception:  # a reader must not pay for it; the log says what is wrong
            log.exception("The boards could not be renewed")

    def _show(
        self, versions: Sequence[Snapshot], chosen: Snapshot | None, language: Language
    ) -> Look:
        head = results_view.head(versions, chosen, self._published.running(), language)
        if chosen is None:
            return Look(head=head, rest="", under="")
        board = chosen.board
        names = {name: say(language, f"results_{name}") for name in COLUMNS}
        whole = any(all(cells.get(name) for name in CRITERIA) for cells in board["table"].values())
        rest = results_tables.rest(
            board, failures(self._services.database), self._people, language, version=chosen.id
        )
        return Look(
            head=head,
            intervals=interval_figure(board["table"], names, say(language, "results_intervals"))
            if board["table"]
            else None,
            radar=radar_figure(board["table"], names, say(language, "results_radar"))
            if whole
            else None,
            rest=rest,
            under="",
        )

    def _version(
        self, sent: Mapping[str, Any], versions: Sequence[Snapshot], language: Language
    ) -> Snapshot:
        for one in versions:
            if one.id == sent.get("version"):
                return one
        raise InputRefused(say(language, "results_gone"))

    def _cell(self, sent: Mapping[str, Any], language: Language) -> str:
        version = self._version(sent, self._published.versions(), language)
        cell = _cell_of(sent)
        leaks: Leaks = "excluded" if sent.get("leaks") == "excluded" else "included"
        ratings = self._published.ratings(version, leaks)
        withheld = self._published.withheld()
        publishing = self._shown.agreeing("publish")
        found = under(ratings, cell, withheld, publishing)
        held = len(under(ratings, cell, (), publishing)) - len(found)
        most = sent.get("most")
        shown = most if type(most) is int and 0 < most <= _MOST else results_cell.PAGE
        return results_cell.replies(cell, found, held, self._people, language, shown)

    def _reply(self, sent: Mapping[str, Any], key: str, language: Language) -> str:
        version = self._version(sent, self._published.versions(), language)
        generation = str(sent.get("generation"))
        known = self._published.ratings(version, "included").texts
        if generation not in known or generation in self._published.withheld():
            raise InputRefused(say(language, "results_gone"))
        trace, decent = self._shown.trace(generation), self._shown.decent(generation)
        made = None
        if sent.get("do") == "again":
            self._services.doorkeeper.admit(key)  # a model is asked, as by a message
            if not decent:  # what must not be shown is not made once more to be shown
                raise InputRefused(say(language, "results_withheld"))
            made = again(trace, self._services.catalog.open)
        if not decent:
            trace = {**trace, "reply_text": ""}
        return results_cell.details(
            trace, self._shown.conversation(generation), self._shown.public(generation),
            self._people, language, made,
        )  # fmt: skip


def _cell_of(sent: Mapping[str, Any]) -> Cell:
    given = sent.get("cell")
    which: Mapping[str, Any] = given if isinstance(given, dict) else {}
    criterion = str(which.get("criterion"))
    emotion = which.get("emotion")
    return Cell(
        arm=str(which.get("arm", "")),
        criterion=criterion if criterion in _KNOWN else COLUMNS[0],
        character=str(which.get("character", "")),
        emotion=None if emotion is None else str(emotion),
        versus=str(which.get("versus", "")),
    )


def _file(version: Snapshot) -> str:
    body = {
        "name": f"rolecraft-board-{version.id[:8]}.json",
        "type": "application/json",
        "text": json.dumps(version.board, ensure_ascii=False, indent=2),
        "nonce": secrets.token_hex(4),
    }
    return json.dumps(body, ensure_ascii=False)
