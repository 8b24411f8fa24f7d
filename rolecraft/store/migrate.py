"""Brings a database to the newest schema, or says why it must not be touched.

Knows no table by its meaning; the steps are in `migrations/versions`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table, text, update

from rolecraft.errors import StoreUnavailable
from rolecraft.store.rated_schema import METADATA

SCRIPTS = Path(__file__).with_name("migrations")
# Not Alembic's own name: a PostgreSQL database may be shared with another application.
VERSION_TABLE = "rolecraft_schema"
_VERSIONS = table(VERSION_TABLE, column("version_num"))
_UPGRADE_LOCK = 0x726F6C65  # any constant: upgrades of one PostgreSQL server wait for each other


def upgrade(connection: Connection, place: str, scripts: Path = SCRIPTS) -> None:
    """Run the missing steps inside the transaction of `connection`: all of them or none.

    Raises `StoreUnavailable` for a schema that is newer or is none of ours; a database that cannot
    be written fails here too, by the error of its driver.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    steps = ScriptDirectory.from_config(config)
    newest = steps.get_current_head()
    found = _version(connection, place)
    if found == newest:
        # A database that cannot be written is found here and not at the first message.
        same = update(_VERSIONS).values(version_num=_VERSIONS.c.version_num)
        connection.execute(same)
        return
    if found is not None and found not in {step.revision for step in steps.walk_revisions()}:
        raise StoreUnavailable(
            f"{place} has schema {found}, and this RoleCraft knows schemas up to {newest}. "
            "It was written by a newer version: update RoleCraft, or set ROLECRAFT_DATA_DIR "
            "to another folder."
        )
    command.upgrade(config, "head")


def _version(connection: Connection, place: str) -> str | None:
    """The schema version found, or None for a database that is still empty."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        found: str | None = connection.scalar(select(_VERSIONS.c.version_num))
        return found
    # A SQLite file is ours alone; a PostgreSQL database may be shared.
    shared = connection.dialect.name == "postgresql"
    if strangers := tables & set(METADATA.tables) if shared else tables:
        raise StoreUnavailable(
            f"{place} holds tables that RoleCraft did not make: {', '.join(sorted(strangers))}. "
            "Set ROLECRAFT_DATABASE_URL to a database of its own."
        )
    return None
