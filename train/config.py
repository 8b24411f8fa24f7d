"""Typed configuration of a stage, read from TOML; unknown keys are errors.

Knows no stage: each defines its own frozen dataclass that inherits `StageConfig`.
"""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, Self

from rolecraft.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """Base of the stages' configurations. Paths are relative to the working directory."""

    output_dir: str
    seed: int = 20261

    @classmethod
    def read(cls, path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Self:
        """Read `path` and apply `key=value` overrides, whose values are TOML.

        Raises ConfigurationError naming the file, the key and what is allowed.
        """
        try:
            values = tomllib.loads(Path(path).read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read as TOML: {error}.") from error
        for override in overrides:
            key, separator, text = override.partition("=")
            if not separator:
                raise ConfigurationError(f"--set {override!r} is not key=value.")
            values[key] = _value(text)
        return cls.from_mapping(values, str(path))

    @classmethod
    def from_mapping(cls, values: dict[str, Any], origin: str) -> Self:
        """Build the configuration, refusing unknown and missing keys."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(fields))
        if unknown:
            raise ConfigurationError(
                f"{origin}: unknown key {unknown[0]!r}. Known: {', '.join(sorted(fields))}."
            )
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigurationError(f"{origin}: {error}.") from error


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
