"""Writes the folder that a Space is pushed from, its README.md rendered from `space.yaml`."""

import shutil
import tempfile
from pathlib import Path

import yaml

from rolecraft.errors import ConfigurationError
from rolecraft.hosting.check import check_space
from rolecraft.hosting.files import pinned, pushed_files
from rolecraft.hosting.spec import Space, read_space

_NOTICE = """\
The characters are invented, and a language model plays them: a machine writes every reply, and
what it says may be wrong. Conversations are stored on the server so that a visitor finds them
again; unless the Space has a database of its own, they are lost when it restarts. Write nothing
private here.

This page is written by `python -m rolecraft space render` from `space.yaml`; edit that file.
"""


def render_readme(space: Space) -> str:
    """The README.md of the Space: its front matter and what a visitor should know."""
    given = space.front_matter.model_dump(mode="json", exclude_defaults=True)
    head = {"suggested_hardware": space.hardware} | given
    front = yaml.safe_dump(head, allow_unicode=True, sort_keys=False)
    title, about = space.front_matter.title, space.front_matter.short_description
    return f"---\n{front}---\n\n# {title}\n\n{about}\n\n{_NOTICE}"


def _pin(requirements: Path, space: Space) -> None:
    text = requirements.read_text(encoding="utf-8")
    requirements.write_text(pinned(text, space.pins), encoding="utf-8")


def render_space(path: Path, out: Path) -> list[Path]:
    """Write the folder that is pushed into `out`, which must be new or empty; its files, relative.

    Raises ConfigurationError when `space.yaml` has a problem or `out` holds something; then
    nothing is written.
    """
    if problems := check_space(path):
        raise ConfigurationError("\n".join(problems))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"{out} is not empty. Name a new folder, or empty it first.")
    root = path.resolve().parent
    space = read_space(path)
    files = pushed_files(space, root)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Made beside its place and moved there, so that a full disk leaves no half folder.
        with tempfile.TemporaryDirectory(prefix=".space-", dir=out.parent) as made:
            for file in files:
                target = Path(made, "space", file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / file, target)
            _pin(Path(made, "space", "requirements.txt"), space)
            Path(made, "space", "README.md").write_text(render_readme(space), encoding="utf-8")
            if out.exists():
                out.rmdir()  # empty, and no system but POSIX replaces a folder
            Path(made, "space").rename(out)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error}.") from error
    return [*files, Path("README.md")]
