"""The data folder and the lock that keeps it to one process.

Knows neither database nor vectors; both are opened inside a folder that was claimed here.
"""

import errno
import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType

from rolecraft.errors import DataFolderBusy, StoreUnavailable

LOCK_NAME = "rolecraft.lock"


class DataFolder:
    """A data folder that this process owns until `release`, or until it ends in any way."""

    def __init__(self, path: Path, lock: int | None) -> None:
        self.path = path
        self._lock: int | None = lock

    @classmethod
    def claim(cls, path: Path) -> "DataFolder":
        """Create the folder if needed and take it.

        Raises `DataFolderBusy` when it is taken, `StoreUnavailable` when it cannot be written.
        """
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)  # private talk lives here
            lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            # flock, not lockf: the kernel drops it when the process dies, and a second claim
            # inside one process is refused too.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sign(lock)
        except OSError as error:
            owner = os.pread(lock, 1000, 0)
            os.close(lock)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DataFolderBusy(_busy(path, owner)) from None
            raise _unusable(path, error) from error
        return cls(path, lock)

    @classmethod
    def visit(cls, path: Path) -> "DataFolder":
        """The folder beside the process that owns it, when there is one; else owned as by `claim`.

        For commands that only use the database, whose own locks keep two writers apart.
        """
        try:
            return cls.claim(path)
        except DataFolderBusy:
            return cls(path.absolute(), None)

    def release(self) -> None:
        """Give the folder back; harmless when it was given back before."""
        if self._lock is not None:
            # The file stays: removing it would let two processes lock two files of one name.
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "DataFolder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _sign(lock: int) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)


def _busy(path: Path, owner: bytes) -> str:
    try:
        signed = json.loads(owner)
        pid, host = int(signed["pid"]), str(signed["host"])
    except (ValueError, KeyError, TypeError):
        return (
            f"The data folder {path} is in use by another process. Stop the other RoleCraft, or "
            "set ROLECRAFT_DATA_DIR to another folder."
        )
    return (
        f"The data folder {path} is in use by process {pid} on {host}. Stop that RoleCraft "
        f"(kill {pid}), or set ROLECRAFT_DATA_DIR to another folder."
    )


def _unusable(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"The data folder {path} cannot be used: {error.strerror or error}. Make it a folder that "
        "this user may write, on a local disk with free space, or set ROLECRAFT_DATA_DIR to "
        "another."
    )
