"""Opens Chroma: the files of this machine, or a Chroma server.

Knows no passage and no encoder. One process at a time may write a Chroma folder: whoever opens it
here must hold the lock of the data folder.
"""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rolecraft.errors import ConfigurationError, StoreUnavailable

log = logging.getLogger(__name__)


def open_chroma(folder: Path, url: str | None = None) -> Any:
    """A Chroma client: of the server at `url`, or of the files in `folder`.

    Files that cannot be opened are set aside, because everything in them can be made again.
    """
    if url:
        return _server(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _files(folder)
    except PermissionError as error:
        raise StoreUnavailable(
            f"The folder {folder} cannot be written ({error.strerror}). Check its rights."
        ) from error
    except Exception as error:  # chromadb raises its own, sqlite's and Rust's errors
        aside = _free_name(folder)
        log.warning(
            "The vector store in %s cannot be opened (%s). It is set aside as %s and built anew "
            "from the characters' files.",
            folder,
            first_line(error),
            aside.name,
        )
    try:
        _forget_failed()
        folder.rename(aside)
        folder.mkdir()
        return _files(folder)
    except Exception as error:
        raise StoreUnavailable(
            f"The vector store in {folder} cannot be made ({first_line(error)}). "
            "Check the room on the disk and the rights of the folder."
        ) from error


def first_line(error: BaseException) -> str:
    """What an error says in its first line, or its kind when it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _files(folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(folder), settings=settings)
    client.list_collections()  # a damaged database is noticed only on the first read
    return client


def _forget_failed() -> None:
    """Chroma keeps a client that could not start, and would hand it out again for its folder."""
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient.clear_system_cache()


def _free_name(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.broken-{number}")).exists():
        number += 1
    return aside


def _server(url: str) -> Any:
    import chromadb
    from chromadb.config import Settings

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"The Chroma server is {url!r}; write http://host:port.")
    try:
        return chromadb.HttpClient(
            host=parts.hostname,
            port=parts.port or (443 if parts.scheme == "https" else 80),
            ssl=parts.scheme == "https",
            settings=Settings(anonymized_telemetry=False),
        )
    except Exception as error:
        raise StoreUnavailable(
            f"No Chroma server answers at {url} ({first_line(error)}). "
            "Start it (chroma run), or unset ROLECRAFT_CHROMA_URL to keep the vectors in files."
        ) from error
