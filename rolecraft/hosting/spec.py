"""What `space.yaml` says, as typed values.

Unknown keys are errors and secrets have names only. Knows no rule that needs the files beside it.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rolecraft.errors import ConfigurationError


def _plain(value: object) -> object:
    # YAML reads 6.0 as a number and yes as true: the text that was meant is lost, so it is refused.
    if isinstance(value, bool | int | float):
        raise ValueError("write it in quotes")
    return value


Text = Annotated[str, BeforeValidator(_plain)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FrontMatter(_Strict):
    """The head of a Space's README.md, by the names that Hugging Face gives its keys."""

    title: Text
    emoji: Text
    colorFrom: Text  # noqa: N815
    colorTo: Text  # noqa: N815
    sdk: Literal["gradio"]
    sdk_version: Text
    python_version: Text
    app_file: Text
    license: Text
    short_description: Annotated[str, Field(max_length=60), BeforeValidator(_plain)]
    header: Literal["mini", "default"] = "default"
    fullWidth: bool = True  # noqa: N815
    pinned: bool = False
    disable_embedding: bool = False
    startup_duration_timeout: Text | None = None
    suggested_hardware: Text | None = None
    thumbnail: Text | None = None
    tags: tuple[Text, ...] = ()
    models: tuple[Text, ...] = ()
    datasets: tuple[Text, ...] = ()
    preload_from_hub: tuple[Text, ...] = ()


class Secret(_Strict):
    """A secret by name; its value is read from the environment when the Space is pushed."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    required: bool = False
    description: str = ""


class Mount(_Strict):
    """A bucket or repository that the Space sees as a folder."""

    type: Literal["bucket", "model", "dataset", "space"]
    source: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    mount_path: Annotated[str, Field(pattern=r"^/[\w./-]+$")]
    read_only: bool = True
    revision: Text | None = None


class SmokeTest(_Strict):
    """What must answer before a push counts as done; `timeout` in seconds."""

    path: Annotated[str, Field(pattern=r"^/")] = "/"
    timeout: Annotated[int, Field(gt=0, le=3600)] = 900
    stage: Literal["RUNNING"] = "RUNNING"


class Space(_Strict):
    """Everything that `space.yaml` says. `sleep_time` in seconds; None never sleeps.

    `pins` are versions of requirements.txt that are others on this hardware.
    """

    repo_id: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    visibility: Literal["public", "private", "protected"]
    front_matter: FrontMatter
    hardware: Text
    sleep_time: Annotated[int, Field(gt=0)] | None = None
    pins: dict[str, Text] = {}
    variables: dict[str, Text] = {}
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Mount, ...] = ()
    include: Annotated[tuple[str, ...], Field(min_length=1)]
    exclude: tuple[str, ...] = ()
    smoke_test: SmokeTest = SmokeTest()


def read_space(path: Path) -> Space:
    """The specification in `path`. Raises ConfigurationError with every fault, a line for each."""
    space, problems = parse_space(path)
    if space is None:
        raise ConfigurationError("\n".join(problems))
    return space


def parse_space(path: Path) -> tuple[Space | None, list[str]]:
    """The specification in `path`, or None with every fault in words."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, [f"{path} does not exist. Name the file: space check FILE."]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return None, [f"{path} cannot be read as YAML: {_yaml_fault(error)}."]
    if not isinstance(data, dict):
        return None, [f"{path} holds no mapping. Begin with: repo_id: OWNER/NAME."]
    try:
        return Space.model_validate(data), []
    except ValidationError as error:
        return None, [f"{path}: {_in_words(fault)}" for fault in error.errors()]


def listed(names: Iterable[str]) -> str:
    """The end of a message: what would have been understood."""
    return f"Known: {', '.join(names)}."


def _yaml_fault(error: Exception) -> str:
    # PyYAML's own text quotes the line, which may hold what should not be shown.
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).split("\n")[0]


def _in_words(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    room = str(fault["loc"][0])
    if room == "secrets" and fault["loc"][-1] == "value":
        return f"{place}: a secret has a name here and no value; set it in the environment."
    if fault["type"] == "extra_forbidden":
        known = list(_ROOMS.get(room if len(fault["loc"]) > 1 else "", Space).model_fields)
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1, 0.6)
        return f"unknown key {place}. " + (f"Did you mean {near[0]}?" if near else listed(known))
    if fault["type"] == "missing":
        return f"{place} is missing. Add it."
    said = fault["msg"].removeprefix("Value error, ")
    if room in ("secrets", "variables"):  # a key that stands in the wrong place is not repeated
        return f"{place}: {said}."
    return f"{place} is {fault['input']!r}: {said}."


_ROOMS: dict[str, type[BaseModel]] = {
    "front_matter": FrontMatter,
    "secrets": Secret,
    "volumes": Mount,
    "smoke_test": SmokeTest,
}
