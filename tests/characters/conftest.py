"""A shelf of two small characters, copied so that a test may break it."""

import shutil
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data" / "shelf"


@pytest.fixture
def shelf_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "shelf"))
