from pathlib import Path

import pytest

from rolecraft.errors import DataFolderBusy, StoreUnavailable
from rolecraft.store.folder import LOCK_NAME, DataFolder


def test_a_folder_is_made_private_and_can_be_claimed_again_after_release(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    first = DataFolder.claim(path)
    assert path.stat().st_mode & 0o777 == 0o700
    first.release()
    first.release()
    with DataFolder.claim(path):
        pass


def test_one_process_cannot_claim_twice(tmp_path: Path) -> None:
    with DataFolder.claim(tmp_path), pytest.raises(DataFolderBusy, match="in use by process"):
        DataFolder.claim(tmp_path)


def test_an_owner_who_has_not_signed_yet_is_still_an_owner(tmp_path: Path) -> None:
    with DataFolder.claim(tmp_path):
        (tmp_path / LOCK_NAME).write_text("")
        with pytest.raises(DataFolderBusy, match="another process"):
            DataFolder.claim(tmp_path)


def test_a_folder_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"file/data cannot be used.*ROLECRAFT_DATA_DIR"):
        DataFolder.claim(tmp_path / "file" / "data")


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        DataFolder.claim(Path("/proc/rolecraft"))
