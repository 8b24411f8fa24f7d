"""The store of the data folder, opened for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rolecraft import __version__
from rolecraft.settings import Settings

if TYPE_CHECKING:
    from rolecraft.ratings.desk import Desk
    from rolecraft.store.database import Database


@contextmanager
def opened(settings: Settings) -> "Iterator[tuple[Database, Desk]]":
    """The database and the desk of the data folder, also beside a running page."""
    from rolecraft.ratings.desk import Desk
    from rolecraft.store.database import Database
    from rolecraft.store.folder import DataFolder
    from rolecraft.store.raters import rating_key

    with DataFolder.visit(settings.data_dir) as folder:
        database = Database.open(folder, settings.database_url)
        try:
            yield database, Desk(database, rating_key(folder, settings.secret), __version__)
        finally:
            database.close()
