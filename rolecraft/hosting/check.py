"""Whether a `space.yaml` would give a Space that works, answered in words.

Knows Hugging Face's rules for Spaces and what this repository pins; talks to no server.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rolecraft.errors import RoleCraftError
from rolecraft.hosting.files import matches, pins_of, pushed_files
from rolecraft.hosting.spec import Space, listed, parse_space
from rolecraft.settings import VARIABLES, Settings

MAX_BYTES = 1_000_000_000
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
ZERO_GPU = "zero-a10g"
# ZeroGPU's documentation, August 2026; its other Python, 3.10.13, is too old for RoleCraft.
ZERO_GPU_PYTHON = "3.12.12"
ZERO_GPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
# Variables without which a hosted page is not what it should be: value, and what happens else.
REQUIRED = {
    "GRADIO_ANALYTICS_ENABLED": ("False", "gradio reports every start"),
    "GRADIO_RUN_HISTORY": ("False", "every call is kept in the visitor's browser"),
    "ROLECRAFT_HOST": ("0.0.0.0", "nothing outside the machine reaches the page"),
}
OTHER_VARIABLES = ("GRADIO_ANALYTICS_ENABLED", "GRADIO_RUN_HISTORY", "HF_HUB_DISABLE_TELEMETRY")
NEVER_PUSHED = re.compile(r"(^|/)(\.env[^/]*|\.git|data|runs)(/|$)|\.(db|sqlite3?|pem|key)$")
_OF_THE_HARDWARE = "SPACES_ZERO_GPU"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_VALUE_IN_ADDRESS = re.compile(r"://[^/]*:[^/]*@")


def check_space(path: Path) -> list[str]:
    """What is wrong with a `space.yaml` and the files beside it, in words; [] when nothing is."""
    space, problems = parse_space(path)
    if space is None:
        return problems
    root = path.resolve().parent
    found = [
        *_page_problems(space, root),
        *_machine_problems(space, root),
        *_variable_problems(space),
        *_volume_problems(space),
        *_file_problems(space, root),
    ]
    return [f"{path}: {problem}" for problem in found]


def _pins(root: Path) -> dict[str, str]:
    """The exact versions of requirements.txt by package; {} when there is no such file."""
    file = root / "requirements.txt"
    return pins_of(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _page_problems(space: Space, root: Path) -> Iterator[str]:
    page = space.front_matter
    if not (root / "requirements.txt").is_file():
        yield "there is no requirements.txt beside it; the Space installs from that file."
    elif page.sdk_version != (pinned := _pins(root).get("gradio")):
        yield (
            f"front_matter.sdk_version is {page.sdk_version!r} but requirements.txt pins gradio "
            f"{pinned or 'nowhere'}. Make the two the same."
        )
    if not (root / page.app_file).is_file():
        yield f"front_matter.app_file is {page.app_file!r}, which is no file beside it."
    for key, colour in (("colorFrom", page.colorFrom), ("colorTo", page.colorTo)):
        if colour not in COLOURS:
            yield f"front_matter.{key} is {colour!r}. {listed(COLOURS)}"


def _machine_problems(space: Space, root: Path) -> Iterator[str]:
    from huggingface_hub import SpaceHardware

    hardware = [flavour.value for flavour in SpaceHardware]
    if space.hardware not in hardware:
        yield f"hardware is {space.hardware!r}. {listed(hardware)}"
    python = space.front_matter.python_version
    if space.hardware == ZERO_GPU and python != ZERO_GPU_PYTHON:
        yield (
            f"front_matter.python_version is {python!r}. ZeroGPU runs 3.12.12 and 3.10.13 only, "
            f'and RoleCraft needs 3.11 or later: write "{ZERO_GPU_PYTHON}".'
        )
    elif not re.fullmatch(r"3\.1[1-9](\.\d+)?", python):
        yield (
            f"front_matter.python_version is {python!r}; RoleCraft needs 3.11 or later, "
            'written like "3.11".'
        )
    known = _pins(root)
    for name in space.pins:
        if name not in known:
            yield f"pins.{name} is not pinned in requirements.txt. {listed(known)}"
    torch = (known | space.pins).get("torch")
    if space.hardware == ZERO_GPU and torch and torch not in ZERO_GPU_TORCH:
        yield (
            f"requirements.txt pins torch {torch}; ZeroGPU lists {', '.join(ZERO_GPU_TORCH)}. "
            f'Write pins: {{torch: "{ZERO_GPU_TORCH[-1]}"}}.'
        )
    if space.hardware == ZERO_GPU and space.variables.get("ROLECRAFT_PROFILE") != "chatglm3":
        yield (
            "hardware is zero-a10g, but the small model needs no GPU: set "
            "variables.ROLECRAFT_PROFILE to chatglm3, or hardware to cpu-basic."
        )


def _variable_problems(space: Space) -> Iterator[str]:
    known = {v.name: v for v in VARIABLES}
    hidden = {secret.name for secret in space.secrets}
    for name, value in space.variables.items():
        if (name in known and known[name].secret) or _SECRET_NAME.search(name):
            yield f"variables.{name} is readable by everyone. Name it under secrets, without value."
        elif name == _OF_THE_HARDWARE:
            yield f"variables.{name} is set by Hugging Face where the hardware is ZeroGPU. Drop it."
        elif _VALUE_IN_ADDRESS.search(value):
            yield f"variables.{name} holds a password, readable by everyone. Move it to secrets."
        elif name not in known and name not in OTHER_VARIABLES:
            near = difflib.get_close_matches(name, [*known, *OTHER_VARIABLES], 1, 0.6)
            yield f"variables.{name} is no setting. " + (
                f"Did you mean {near[0]}?" if near else listed([*known, *OTHER_VARIABLES])
            )
        if name in hidden:
            yield f"{name} is both a variable and a secret. Keep one."
    for name, (wanted, otherwise) in REQUIRED.items():
        if space.variables.get(name) != wanted:
            given = space.variables.get(name, "not set")
            yield f'variables.{name} is {given}; set it to "{wanted}", or {otherwise}.'
    if space.variables.get("ROLECRAFT_TRUSTED_PROXY_HOPS", "0") == "0":
        yield (
            "variables.ROLECRAFT_TRUSTED_PROXY_HOPS is not set: behind the Space's proxy all "
            'visitors would share one rate limit. Set it to "1".'
        )
    for name in sorted(hidden - set(known)):
        yield f"secrets: {name} is no setting. {listed(known)}"
    try:
        Settings.read({name: v for name, v in space.variables.items() if name in known})
    except RoleCraftError as error:
        yield f"variables: {error}"


def _volume_problems(space: Space) -> Iterator[str]:
    places = [volume.mount_path.rstrip("/") for volume in space.volumes]
    for place in sorted({place for place in places if places.count(place) > 1}):
        yield f"volumes: two are mounted at {place}. Give each its own folder."
    for number, volume in enumerate(space.volumes):
        if volume.type != "bucket" and not volume.read_only:
            yield f"volumes.{number}: a {volume.type} can only be read. Set read_only: true."
    data = Path(space.variables.get("ROLECRAFT_DATA_DIR", "data"))
    if any(data == Path(place) or Path(place) in data.parents for place in places):
        yield (
            f"variables.ROLECRAFT_DATA_DIR is {str(data)!r}, inside a volume. Volumes are network "
            "mounts, on which SQLite's locks do not hold: use a folder of the machine."
        )


def _file_problems(space: Space, root: Path) -> Iterator[str]:
    for glob in (*space.include, *space.exclude):
        if glob.startswith("/") or ".." in Path(glob).parts:
            yield f"include/exclude: {glob!r} leaves the repository. Write it relative to the file."
            return
    for glob in space.include:
        if (root / glob).is_dir():
            yield f"include: {glob!r} is a folder. Write {glob.rstrip('/') + '/**'!r}."
        elif next(matches(root, glob), None) is None:
            yield f"include: {glob!r} matches no file."
    files = pushed_files(space, root)
    for needed in (space.front_matter.app_file, "requirements.txt"):
        if (root / needed).is_file() and Path(needed) not in files:
            yield f"include: {needed} is not pushed, but the Space needs it."
    if Path("README.md") in files:
        yield "include: README.md is written from front_matter. Take it off the list."
    if private := [file for file in files if NEVER_PUSHED.search(file.as_posix())]:
        yield f"include: {_some(private)} may hold keys or what visitors wrote. Exclude it."
    if links := [file for file in files if (root / file).is_symlink()]:
        yield f"include: {_some(links)} is a link. Put the file itself there, or exclude it."
    total = sum((root / file).stat().st_size for file in files if (root / file).is_file())
    if total >= MAX_BYTES:
        yield (
            f"{len(files)} files of {total / 1e6:,.0f} MB would be pushed; the limit is "
            f"{MAX_BYTES / 1e6:,.0f} MB. Exclude what the page does not need."
        )


def _some(files: Iterable[Path]) -> str:
    first, *others = (file.as_posix() for file in files)
    return f"{first} and {len(others)} more" if others else first
