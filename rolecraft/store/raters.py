"""Who rates: raters by keyed hashes, their tabs, what they have agreed to, and their erasure.

Knows no page: the cookie, the address and the key are passed in. A cookie or an address is never
stored, only what the key makes of it.
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rolecraft.errors import RatingRefused, StoreUnavailable
from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.keys import shared_key
from rolecraft.store.rated_schema import CommentRow, EventRow
from rolecraft.store.shown_schema import ConsentRow, GenerationRow, RaterRow, SessionRow, TurnRow

Scope = Literal["rate", "publish", "train"]
SCOPES: tuple[Scope, ...] = ("rate", "publish", "train")
KEY_NAME = "rating.key"
_EPOCH_MS = 7 * 24 * 3600 * 1000  # an address can be recognised within a week


@dataclass(frozen=True)
class Rater:
    """A rater and what is agreed now: scope → hash of the text."""

    id: str
    kind: str
    status: str
    consents: dict[str, str]


def rating_key(folder: DataFolder, shared: str | None = None) -> bytes:
    """The key of this data folder, made at the first call, or that of the `shared` secret.

    It is a file and no table: a copy of the database alone recognises nobody.
    """
    if shared:
        return shared_key(shared, KEY_NAME)
    path = folder.path / KEY_NAME
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(secrets.token_bytes(32))
        key = path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(
            f"The key {path} cannot be used: {error.strerror}. Let the user that runs RoleCraft "
            "read and write it."
        ) from error
    if len(key) != 32:
        raise StoreUnavailable(
            f"The key {path} has {len(key)} bytes where 32 are needed. Put back a copy, or remove "
            "it: a new one is made and raters are then met as new."
        )
    return key


class Raters:
    """Reads and writes raters. Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        key: bytes,
        app: str = "",
        clock: Callable[[], int] = now_ms,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._key = key
        self._app = app
        self._clock = clock
        self._new_id = make_id

    def enter(self, cookie: str, *, kind: str = "anon", address: str = "") -> Rater:
        """The rater of this cookie, entered when it is new.

        `kind` is for who has rated nothing yet; who rated as one kind stays it. `address` is only
        a signal.
        """
        mark = self._mark("cookie", cookie)
        now = self._clock()
        with self._database.write() as session:
            row = session.scalar(select(RaterRow).where(RaterRow.cookie_hmac == mark))
            if row is None:
                row = RaterRow(
                    id=self._new_id(), kind=kind, status="active", cookie_hmac=mark, created_ms=now
                )
                session.add(row)
            elif row.kind != kind != "anon" and not _has_rated(session, row.id):
                row.kind = kind
            if address:
                row.ip_epoch = now // _EPOCH_MS
                row.ip_hmac = self._mark(f"address {row.ip_epoch}", _network(address))
            session.flush()
            return _value(session, row)

    def get(self, rater: str) -> Rater:
        """One rater by id. Raises `RatingRefused` for an unknown one."""
        with self._database.read() as session:
            return _value(session, _known(session, rater))

    def session(self, rater: str, tab: str, *, device: str = "", locale: str = "zh") -> str:
        """The id of the session of one tab, opened when it is new."""
        with self._database.write() as session:
            _known(session, rater)
            query = select(SessionRow.id).where(
                SessionRow.rater_id == rater, SessionRow.tab_id == tab
            )
            found = session.scalar(query)
            if found is None:
                row = SessionRow(
                    id=self._new_id(), rater_id=rater, tab_id=tab, device=device, locale=locale,
                    app_git=self._app, created_ms=self._clock(),
                )  # fmt: skip
                session.add(row)
                found = row.id
        return found

    def agree(self, rater: str, doc_sha256: str, scopes: Collection[Scope]) -> Rater:
        """Enter that the rater agreed to the text of this hash for these scopes, and no others."""
        now = self._clock()
        with self._database.write() as session:
            row = _known(session, rater)
            for scope in SCOPES:
                if scope in scopes:
                    _grant(session, rater, doc_sha256, scope, now)
                else:
                    _take_back(session, rater, scope, now)
            session.flush()
            return _value(session, row)

    def withdraw(self, rater: str, scopes: Collection[Scope] = SCOPES) -> Rater:
        """Take consent back; ratings without it are in no table from then on."""
        now = self._clock()
        with self._database.write() as session:
            row = _known(session, rater)
            for scope in scopes:
                _take_back(session, rater, scope, now)
            session.flush()
            return _value(session, row)

    def set_status(self, rater: str, status: Literal["active", "shadow", "blocked"]) -> bool:
        """Shadow: stored and not counted, without a word. Blocked: refused.

        Whether the rater's ratings count now and did not before, or the other way round.
        """
        with self._database.write() as session:
            row = _known(session, rater)
            counted, row.status = row.status == "active", status
        return counted != (status == "active")

    def erase(self, rater: str) -> None:
        """Erase who this was and all they wrote. The ratings stay in the chain, in no table."""
        now = self._clock()
        with self._database.write() as session:
            row = _known(session, rater)
            turns = select(TurnRow.id).where(TurnRow.rater_id == rater)
            events = select(EventRow.id).where(EventRow.rater_id == rater)
            session.execute(
                update(GenerationRow).where(GenerationRow.turn_id.in_(turns))
                .values(prompt_text=None, prompt_sha256=None)
                .execution_options(synchronize_session=False)
            )  # fmt: skip
            session.execute(
                update(TurnRow).where(TurnRow.rater_id == rater).values(user_text=None, salt=None)
                .execution_options(synchronize_session=False)
            )  # fmt: skip
            session.execute(
                update(CommentRow).where(CommentRow.event_id.in_(events))
                .values(body=None, salt=None, better=None)
                .execution_options(synchronize_session=False)
            )  # fmt: skip
            for scope in SCOPES:
                _take_back(session, rater, scope, now)
            row.status, row.cookie_hmac, row.ip_hmac, row.ip_epoch = "erased", None, None, None
        self._database.erase_traces()

    def token(self, presentation: str) -> str:
        """The secret of a form. Made from its id, so that a reload can be given it again."""
        return self._mark("form", presentation)

    def invitation(self, study: str) -> str:
        """What a link holds that invites to a study; who has it is met as invited."""
        return self._mark("invitation", study)[:20]

    def _mark(self, use: str, value: str) -> str:
        return hmac.new(self._key, f"{use}\0{value}".encode(), hashlib.sha256).hexdigest()


def _known(session: Session, rater: str) -> RaterRow:
    row = session.get(RaterRow, rater)
    if row is None or row.status == "erased":
        raise RatingRefused(
            f"There is no rater {rater!r}. Reload the page to begin as a new one.", "unknown"
        )
    return row


def _has_rated(session: Session, rater: str) -> bool:
    return (
        session.scalar(select(EventRow.id).where(EventRow.rater_id == rater).limit(1)) is not None
    )


def _value(session: Session, row: RaterRow) -> Rater:
    query = select(ConsentRow.scope, ConsentRow.doc_sha256).where(
        ConsentRow.rater_id == row.id, ConsentRow.withdrawn_ms.is_(None)
    )
    agreed = {scope: doc for scope, doc in session.execute(query.order_by(ConsentRow.granted_ms))}
    return Rater(row.id, row.kind, row.status, agreed)


def _grant(session: Session, rater: str, doc: str, scope: str, now: int) -> None:
    row = session.get(ConsentRow, (rater, doc, scope))
    if row is None:
        session.add(ConsentRow(rater_id=rater, doc_sha256=doc, scope=scope, granted_ms=now))
    elif row.withdrawn_ms is not None:
        row.granted_ms, row.withdrawn_ms = now, None


def _take_back(session: Session, rater: str, scope: str, now: int) -> None:
    session.execute(
        update(ConsentRow)
        .where(
            ConsentRow.rater_id == rater, ConsentRow.scope == scope,
            ConsentRow.withdrawn_ms.is_(None),
        )
        .values(withdrawn_ms=now)
    )  # fmt: skip


def _network(address: str) -> str:
    """The /24 or /48 of an address: enough to notice a crowd, too little to name a person."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))
