import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, event, func, inspect, select, text

from rolecraft.conversation import Reply
from rolecraft.errors import ConfigurationError, StoreUnavailable
from rolecraft.store.conversations import Conversations
from rolecraft.store.database import FILE_NAME, Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.migrate import SCRIPTS, VERSION_TABLE, upgrade
from rolecraft.store.schema import Base, NodeRow

PATIENCE_MS = 100
NEWEST = ScriptDirectory(str(SCRIPTS)).get_current_head()


@pytest.fixture
def sqlite(folder: DataFolder) -> Iterator[Database]:
    opened = Database.open(folder, patience_ms=PATIENCE_MS)
    yield opened
    opened.close()


def file_of(folder: DataFolder) -> Path:
    return folder.path / FILE_NAME


def messages(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(NodeRow)) or 0


def fresh_connections(database: Database, pragma: str) -> None:
    """Let every connection from now on begin with this statement."""
    database.engine.dispose()
    event.listen(database.engine, "connect", lambda raw, _: raw.execute(pragma))


# --- opening and migrating


def test_migrations_end_at_the_schema_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_server_default": True}
        )
        ours = [*Base.metadata.tables, VERSION_TABLE]
        difference = compare_metadata(context, Base.metadata)
        assert difference == []
        assert sorted(inspect(connection).get_table_names()) == sorted(ours)


def test_checks_of_the_migration_equal_those_of_the_code(database: Database) -> None:
    expected = {
        check.name
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    found = {
        check["name"]
        for table in Base.metadata.tables
        for check in inspect(database.engine).get_check_constraints(table)
    }
    assert found == expected


def test_opening_again_keeps_what_is_there(folder: DataFolder, database_url: str | None) -> None:
    first = Database.open(folder, database_url)
    talk = Conversations(first).create("v", "zhou-xiaobei", "你好")
    first.close()
    second = Database.open(folder, database_url)
    assert Conversations(second).get("v", talk.id) == talk
    second.close()


def with_one_more_step(folder: Path, body: str) -> Path:
    """A copy of the migrations with one more step at their end."""
    scripts = folder / "migrations"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "r9999_more.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f'revision = "9999"\ndown_revision = "{NEWEST}"\ndef upgrade():\n{body}'
    )
    return scripts


def test_an_older_schema_is_brought_forward_with_its_rows(
    database: Database, tmp_path: Path
) -> None:
    talk = Conversations(database).create("v", "zhou-xiaobei", "你好")
    scripts = with_one_more_step(
        tmp_path, '    op.add_column("visitor", sa.Column("locale", sa.String(8)))\n'
    )
    with database.write() as session:
        upgrade(session.connection(), database.place, scripts)
    columns = {column["name"] for column in inspect(database.engine).get_columns("visitor")}
    assert "locale" in columns
    assert Conversations(database).get("v", talk.id) == talk


def test_a_step_that_fails_leaves_the_older_schema(database: Database, tmp_path: Path) -> None:
    scripts = with_one_more_step(
        tmp_path,
        '    op.add_column("visitor", sa.Column("locale", sa.String(8)))\n'
        '    raise RuntimeError("power cut")\n',
    )
    with pytest.raises(RuntimeError, match="power cut"), database.write() as session:
        upgrade(session.connection(), database.place, scripts)
    columns = {column["name"] for column in inspect(database.engine).get_columns("visitor")}
    assert "locale" not in columns
    with database.read() as session:
        assert session.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == NEWEST


def test_a_newer_schema_is_left_alone(folder: DataFolder, database_url: str | None) -> None:
    first = Database.open(folder, database_url)
    with first.write() as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0999'"))
    first.close()
    with pytest.raises(StoreUnavailable, match=f"schema 0999.*up to {NEWEST}.*update RoleCraft"):
        Database.open(folder, database_url)


def test_tables_of_another_program_are_left_alone(folder: DataFolder) -> None:
    with sqlite3.connect(file_of(folder)) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")
    other.close()
    with pytest.raises(StoreUnavailable, match=r"recipe.*ROLECRAFT_DATABASE_URL"):
        Database.open(folder)


@pytest.mark.postgres
def test_a_postgres_database_may_hold_other_tables(folder: DataFolder, postgres_url: str) -> None:
    first = Database.open(folder, postgres_url)
    with first.write() as session:
        session.execute(text("CREATE TABLE recipe (name TEXT)"))
        session.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        session.execute(text("DROP VIEW current_rating"))
        Base.metadata.drop_all(session.connection())
    first.close()
    second = Database.open(folder, postgres_url)
    with second.write() as session:
        session.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    second.close()
    ours = ", ".join(sorted(Base.metadata.tables))
    with pytest.raises(StoreUnavailable, match=f"did not make: {ours}. Set"):
        Database.open(folder, postgres_url)


@pytest.mark.postgres
def test_two_processes_may_create_one_postgres_schema_at_once(
    folder: DataFolder, postgres_url: str
) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Database.open(folder, postgres_url), range(4)))
    for database in opened:
        assert messages(database) == 0
        database.close()


def test_sqlite_is_durable_and_strict(sqlite: Database) -> None:
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": PATIENCE_MS,
    }
    with sqlite.read() as session:
        found = {name: session.scalar(text(f"PRAGMA {name}")) for name in expected}
    assert found == expected


# --- trouble


def test_a_locked_database_is_said_and_loses_nothing(
    sqlite: Database, folder: DataFolder, make_reply: Callable[..., Reply]
) -> None:
    talks = Conversations(sqlite)
    talk = talks.create("v", "zhou-xiaobei", "你好")
    asked = talks.append_user("v", talk.id, None, "在吗")
    other = sqlite3.connect(file_of(folder), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"rolecraft\.db is locked.*Close what else"):
        talks.append_reply("v", talk.id, asked.id, make_reply())
    assert [each.text for each in talks.path("v", talk.id)] == ["在吗"]  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    talks.append_reply("v", talk.id, asked.id, make_reply())
    assert messages(sqlite) == 2


@pytest.mark.postgres
def test_a_locked_postgres_row_is_said(folder: DataFolder, postgres_url: str) -> None:
    database = Database.open(folder, postgres_url, patience_ms=PATIENCE_MS)
    talks = Conversations(database)
    talk = talks.create("v", "zhou-xiaobei")
    with database.engine.begin() as other:
        other.execute(text("SELECT * FROM conversation FOR UPDATE"))
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            talks.append_user("v", talk.id, None, "在吗")
    talks.append_user("v", talk.id, None, "在吗")
    assert messages(database) == 1
    database.close()


def test_a_full_disk_is_said_and_loses_nothing(
    sqlite: Database, make_reply: Callable[..., Reply]
) -> None:
    talks = Conversations(sqlite)
    talk = talks.create("v", "zhou-xiaobei", "你好")
    asked = talks.append_user("v", talk.id, None, "在吗")
    fresh_connections(sqlite, "PRAGMA max_page_count = 1")  # SQLite keeps at least what there is
    with pytest.raises(StoreUnavailable, match=r"the disk is full\. Free some space"):
        talks.append_reply("v", talk.id, asked.id, make_reply("长" * 100_000))
    assert messages(sqlite) == 1
    assert talks.get("v", talk.id).updated_ms == asked.created_ms
    fresh_connections(sqlite, "PRAGMA max_page_count = 100000")
    talks.append_reply("v", talk.id, asked.id, make_reply("长" * 100_000))
    assert messages(sqlite) == 2


def test_a_read_only_file_is_said(sqlite: Database) -> None:
    talks = Conversations(sqlite)
    talk = talks.create("v", "zhou-xiaobei", "你好")
    fresh_connections(sqlite, "PRAGMA query_only = ON")  # root may write any file
    with pytest.raises(StoreUnavailable, match=r"is read-only\. Let the user"):
        talks.append_user("v", talk.id, None, "在吗")
    assert talks.path("v", talk.id) == ()


@pytest.mark.postgres
def test_a_read_only_server_is_said(folder: DataFolder, postgres_url: str) -> None:
    Database.open(folder, postgres_url).close()
    read_only = postgres_url.replace("options=", "options=-cdefault_transaction_read_only%3Don%20")
    with pytest.raises(StoreUnavailable, match=r"is read-only\. Point ROLECRAFT_DATABASE_URL"):
        Database.open(folder, read_only)


def test_a_read_only_file_is_found_at_the_start(folder: DataFolder) -> None:
    Database.open(folder).close()
    with pytest.raises(StoreUnavailable, match=r"is read-only\. Let the user"):
        Database.open(folder, f"sqlite:///file:{file_of(folder)}?mode=ro&uri=true")


def test_a_damaged_file_is_said_and_kept(folder: DataFolder) -> None:
    file_of(folder).write_bytes(b"no database at all " * 500)
    with pytest.raises(StoreUnavailable, match=r"is damaged.*backup"):
        Database.open(folder)
    assert file_of(folder).read_bytes().startswith(b"no database")


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/x.db"])
def test_a_file_that_cannot_be_opened_is_said(folder: DataFolder, url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"/nowhere/at/all/x\.db cannot be opened"):
        Database.open(folder, url)


def test_a_server_that_is_away_is_said_without_its_password(folder: DataFolder) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        Database.open(folder, "postgresql://ann:s3cret@127.0.0.1:1/rolecraft")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "postgresql://host:port/x", "mysql://h/x"])
def test_an_address_that_is_none_is_a_wrong_setting(folder: DataFolder, url: str) -> None:
    with pytest.raises(ConfigurationError, match="ROLECRAFT_DATABASE_URL"):
        Database.open(folder, url)


def test_a_bug_is_not_dressed_up_as_trouble(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught, database.write() as session:
        session.execute(text("SELECT * FROM no_such_table"))
    if database.engine.dialect.name == "postgresql":
        assert not isinstance(caught.value, StoreUnavailable)


def test_a_block_that_fails_changes_nothing(database: Database) -> None:
    talks = Conversations(database)
    talk = talks.create("v", "zhou-xiaobei")
    with pytest.raises(RuntimeError), database.write() as session:
        session.execute(text("UPDATE conversation SET title = 'half'"))
        raise RuntimeError
    assert talks.get("v", talk.id).title == ""


def test_a_writer_does_not_wait_for_ever(sqlite: Database) -> None:
    started, done = threading.Event(), threading.Event()

    def hold() -> None:
        with sqlite.write():
            started.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    started.wait(10)
    try:
        with pytest.raises(StoreUnavailable, match="too busy"):
            Conversations(sqlite).create("v", "zhou-xiaobei")
    finally:
        done.set()
        holder.join()


def test_a_log_that_cannot_be_emptied_is_only_noted(
    sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite.write(), ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING):
        pool.submit(sqlite.erase_traces).result(10)
    assert "could not be emptied" in caplog.text


# --- many threads, sudden death


def test_sixteen_threads_lose_nothing(database: Database, make_reply: Callable[..., Reply]) -> None:
    talks = Conversations(database)
    shared = talks.create("v", "zhou-xiaobei")
    rounds = 6

    def talk(thread: int) -> str:
        own = talks.create(f"v{thread % 4}", "zhou-xiaobei")
        parent = None
        for turn in range(rounds):
            asked = talks.append_user(f"v{thread % 4}", own.id, parent, f"{thread}.{turn}")
            parent = talks.append_reply(f"v{thread % 4}", own.id, asked.id, make_reply()).id
            talks.append_user("v", shared.id, None, f"{thread}.{turn}")
        return own.id

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(talk, range(16)))
    for thread, own in enumerate(ids):
        said = talks.as_conversation(f"v{thread % 4}", own).turns
        assert [turn.user for turn in said] == [f"{thread}.{turn}" for turn in range(rounds)]
    (shown,) = talks.path("v", shared.id)
    assert shown.alternatives == 16 * rounds
    assert messages(database) == 16 * rounds * 3


WRITER = """
import sys
from pathlib import Path
from rolecraft.store.conversations import Conversations
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
talks = Conversations(Database.open(DataFolder.claim(Path(sys.argv[1]))))
talk = talks.create("v", "zhou-xiaobei")
print(talk.id, flush=True)
while True:
    print(talks.append_user("v", talk.id, None, "话" * 500).id, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(data)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert writer.stdout is not None
        talk = writer.stdout.readline().strip()
        acknowledged = [writer.stdout.readline().strip() for _ in range(60)]
        writer.kill()
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        with DataFolder.claim(data) as folder:  # the dead process holds it no longer
            database = Database.open(folder)
            with database.read() as session:
                assert session.scalar(text("PRAGMA integrity_check")) == "ok"
                kept = set(session.scalars(select(NodeRow.id)))
            assert set(acknowledged) <= kept
            assert len(Conversations(database).path("v", talk)) == 1
            database.close()


# --- the folder


def test_a_second_claim_names_the_process_and_the_cure(folder: DataFolder) -> None:
    ask = "import sys; from pathlib import Path; from rolecraft.store.folder import DataFolder; "
    second = subprocess.run(
        [sys.executable, "-c", ask + "DataFolder.claim(Path(sys.argv[1]))", str(folder.path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert second.returncode == 1
    last = second.stderr.strip().splitlines()[-1]
    assert "DataFolderBusy" in last
    for part in (str(folder.path), f"process {os.getpid()}", "kill", "ROLECRAFT_DATA_DIR"):
        assert part in last
