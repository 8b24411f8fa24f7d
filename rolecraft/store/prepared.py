"""Statements of a busy transaction, written out once instead of at every execution.

Knows no table. Looking a statement up in SQLAlchemy's cache takes longer than SQLite takes for the
work of a small one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.sql.expression import ClauseElement

Values = Mapping[str, Any]


class Prepared:
    """A statement and its text in every dialect that it has met.

    Values and results pass as the driver has them: strings, numbers and NULL only.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._written: dict[str, tuple[str, Values, Sequence[str] | None]] = {}

    def run(self, connection: Connection, values: Values) -> CursorResult[Any]:
        """Execute it with these values."""
        sql, fixed, order = self._text(connection)
        return connection.exec_driver_sql(sql, _given({**fixed, **values}, order))

    def run_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Execute it once for each of these values; not at all for none."""
        if rows:
            sql, fixed, order = self._text(connection)
            given = [_given({**fixed, **values}, order) for values in rows]
            connection.exec_driver_sql(sql, given)

    def _text(self, connection: Connection) -> tuple[str, Values, Sequence[str] | None]:
        dialect = connection.dialect
        if (found := self._written.get(dialect.name)) is None:
            made = self._statement.compile(dialect=dialect)
            order = made.positiontup if made.positional else None  # type: ignore[attr-defined]
            fixed = {name: value for name, value in made.params.items() if value is not None}
            found = self._written[dialect.name] = (made.string, fixed, order)
        return found


def _given(values: Values, order: Sequence[str] | None) -> Any:
    return values if order is None else tuple(values[name] for name in order)
