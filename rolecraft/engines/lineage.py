"""Which base an adapter was trained on, told by the hashes of their weights.

Two bases of one shape take each other's adapters without a word, and every reply is then off.
Knows no tensor: a model keeps the files it was read from, an adapter's rolecraft.json the hash of
the base it was trained on. Adapters made elsewhere have no such file and are checked by shape only.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rolecraft.engines.shards import files_sha256, read_json
from rolecraft.errors import CheckpointError

RECORD = "rolecraft.json"  # how an adapter came to be
EXPORTED = "export.json"  # what `train export` wrote a folder from
_KEPT = "_rolecraft_base"
_SHOWN = 12  # digits of a hash in a sentence


@dataclass(frozen=True)
class Base:
    """The folder and files a model was read from."""

    folder: Path
    files: tuple[Path, ...]

    @cached_property
    def sha256(self) -> str:
        """Of the weights; computed when first asked for, since 12 GB take seconds, and then kept:
        the model stays what it was when its files are replaced.
        """
        return files_sha256(self.files)

    @cached_property
    def exported_from(self) -> str:
        """The hash of the base that this one is the same network as, in other files; or ""."""
        path = self.folder / EXPORTED
        mark = read_json(path) if path.is_file() else {}
        return "" if "adapter_sha256" in mark else str(mark.get("base_sha256") or "")


def remember(model: Any, folder: Path, files: tuple[Path, ...]) -> None:
    """Keep with `model` what it was read from."""
    model.__dict__[_KEPT] = Base(folder, files)


def base_of(model: Any) -> Base | None:
    """What `model` was read from; None for one that was made in memory."""
    found: Base | None = model.__dict__.get(_KEPT)
    return found


def check_trained_on(model: Any, adapter: Path) -> None:
    """Refuse an adapter whose record names another base than the one `model` was read from.

    Raises CheckpointError naming both hashes and what to do.
    """
    record = adapter / RECORD
    wanted = read_json(record).get("base_sha256") if record.is_file() else None
    base = base_of(model)
    if not wanted or base is None or wanted in (base.sha256, base.exported_from):
        return
    raise CheckpointError(
        f"The adapter in {adapter} was trained on another base: its {RECORD} names weights with "
        f"SHA-256 {str(wanted)[:_SHOWN]}…, those in {base.folder} have {base.sha256[:_SHOWN]}…. "
        "Load the base it was trained on, or train it anew on this one (python -m train adapter). "
        f"Where both are the same weights in other files, take base_sha256 out of its {RECORD}."
    )
