"""The database: how it is opened, and how a transaction on it begins, ends and fails.

Knows no conversation and no rating. SQLite is written by one thread at a time; PostgreSQL does its
own locking.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from rolecraft.errors import ConfigurationError, StoreUnavailable
from rolecraft.store.folder import DataFolder
from rolecraft.store.migrate import upgrade
from rolecraft.store.trouble import explain

_log = logging.getLogger(__name__)
FILE_NAME = "rolecraft.db"
_CONNECT_SECONDS = 5


class Database:
    """An open database at the newest schema. Safe to use from several threads."""

    def __init__(self, engine: Engine, place: str, patience_ms: int) -> None:
        self.engine = engine
        self.place = place
        self._sqlite = engine.dialect.name == "sqlite"
        self._writing = engine.execution_options(rolecraft_writes=True)
        # Without it two threads still meet "database is locked" after the whole busy timeout.
        self._turn = threading.Lock()
        self._turn_seconds = 6 * patience_ms / 1000

    @classmethod
    def open(
        cls, folder: DataFolder, url: str | None = None, *, patience_ms: int = 5000
    ) -> "Database":
        """Open `url`, or SQLite in `folder`, and bring it to the newest schema.

        `patience_ms` is how long to wait for another program's lock.
        Raises `StoreUnavailable`, and `ConfigurationError` for an address that is none.
        """
        address = _address(folder, url)
        if address.get_backend_name() == "sqlite":
            engine, place = _sqlite_engine(address, patience_ms), str(address.database)
        else:
            engine, place = _postgres_engine(address, patience_ms), address.render_as_string()
        database = cls(engine, place, patience_ms)
        try:
            with database.write() as session:
                upgrade(session.connection(), place)
        except BaseException:
            database.close()
            raise
        return database

    @property
    def shared(self) -> bool:
        """Whether other processes may use it at the same time as this one."""
        return not self._sqlite

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database. Raises `StoreUnavailable`."""
        with self._explained(), Session(self.engine, autoflush=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are durable when the block ends, or undone when it fails.

        Raises `StoreUnavailable`; never leaves half of the block behind.
        """
        with (
            self._explained(),
            self._my_turn(),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def part(self, session: Session) -> Iterator[None]:
        """A part of a transaction that is undone alone when it fails.

        Raises `StoreUnavailable` when the place fails: then there is no transaction to go on with.
        """
        connection = session.connection()
        connection.exec_driver_sql("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            if isinstance(error, SQLAlchemyError) and (sentence := explain(error, self.place)):
                raise StoreUnavailable(sentence) from error
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            raise
        connection.exec_driver_sql("RELEASE SAVEPOINT part")

    @contextmanager
    def undone(self) -> Iterator["Database"]:
        """A database whose changes are all undone at the end: it proves that they could be made.

        Raises `StoreUnavailable`. Nobody else writes meanwhile.
        """
        with (
            self._explained(),
            self._my_turn(),
            self._writing.connect() as connection,
            connection.begin() as whole,
        ):
            try:
                yield _Rehearsal(connection, self.place)
            finally:
                whole.rollback()

    def erase_traces(self) -> None:
        """Empty SQLite's log, where deleted text would stay until it is written over.

        A reader at this moment delays it to the next call; PostgreSQL does it by its vacuum.
        """
        if not self._sqlite:
            return
        try:
            with self._my_turn(), self.engine.connect() as connection:
                raw = connection.connection.cursor()
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (StoreUnavailable, SQLAlchemyError, sqlite3.Error) as error:
            # what was to be erased is erased and durable; only the log still holds it
            _log.warning("The log of %s could not be emptied: %s", self.place, error)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._sqlite:
            yield
            return
        if not self._turn.acquire(timeout=self._turn_seconds):
            raise StoreUnavailable(
                f"The database {self.place} is too busy. Try again in a moment. "
                "This step changed nothing."
            )
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            if sentence := explain(error, self.place):
                raise StoreUnavailable(sentence) from error
            raise


class _Rehearsal(Database):
    """A database inside one transaction of another, which ends it."""

    def __init__(self, connection: Connection, place: str) -> None:
        super().__init__(connection.engine, place, patience_ms=0)
        self._connection = connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        joined = Session(
            self._connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        )
        with joined as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        with self.write() as session:
            yield session


def _address(folder: DataFolder, url: str | None) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(folder.path / FILE_NAME))
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "ROLECRAFT_DATABASE_URL is no database address. "
            "Write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE."
        ) from error
    if address.get_backend_name() not in ("sqlite", "postgres", "postgresql"):
        raise ConfigurationError(
            f"ROLECRAFT_DATABASE_URL names a {address.drivername} database. "
            "RoleCraft keeps its data in sqlite or postgresql."
        )
    if address.drivername in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+psycopg")
    return address


def _sqlite_engine(address: URL, patience_ms: int) -> Engine:
    engine = create_engine(address, pool_size=8, max_overflow=56, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # the transaction is begun below, not by the driver
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {patience_ms:d}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")  # erased text is written over with zeros
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later could fail at its first write.
        writes = connection.get_execution_options().get("rolecraft_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(address: URL, patience_ms: int) -> Engine:
    engine = create_engine(
        address,
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,  # a server that was restarted leaves dead connections behind
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: Any) -> None:
        raw.autocommit = True  # or the setting would end with the first rollback
        raw.execute(f"SET lock_timeout = {patience_ms:d}")
        raw.autocommit = False

    return engine
