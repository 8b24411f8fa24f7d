"""The two commands of a newcomer: what they would do is asked of make itself."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SERVE = ".venv/bin/python -m rolecraft serve"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what make looks at, before anything was set up."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def steps(folder: Path, target: str) -> list[str]:
    """What `make target` would run."""
    # The tests themselves are run by a make, whose flags are for itself.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    asked = subprocess.run(
        ["make", "-n", target], cwd=folder, env=own, capture_output=True, text=True, check=True
    )
    return asked.stdout.splitlines()


def set_up(folder: Path, *marks: str) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").touch()
    for mark in marks:
        (folder / ".venv" / mark).touch()


def test_the_first_run_sets_up(clone: Path) -> None:
    first, install, mark, last = steps(clone, "run")
    assert first.endswith("-m venv .venv") and "pip install" in install
    assert install.endswith("-r requirements.txt") and mark == "touch .venv/.ready"
    assert last == SERVE


def test_a_second_run_installs_nothing(clone: Path) -> None:
    set_up(clone, ".ready")
    assert steps(clone, "run") == [SERVE]
    os.utime(clone / "requirements.txt", (4e9, 4e9))  # other pins are installed
    assert any("pip install" in step for step in steps(clone, "run"))


def test_a_second_test_installs_no_package(clone: Path) -> None:
    set_up(clone, ".ready", ".ready-dev")
    assert not any("pip" in step for step in steps(clone, "test"))
