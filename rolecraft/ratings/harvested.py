"""Training data as files: examples, what became of each record, and a manifest of their hashes.

Knows no rating and no trainer. What is read back is what was written, or is refused.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from rolecraft import prompts
from rolecraft.errors import ResultsError
from rolecraft.ratings.records import Record
from rolecraft.ratings.training import Harvest

FORMAT = "rolecraft.training/1"
LIKED, PREFERRED, RECORDS = "sft.jsonl", "preferences.jsonl", "records.jsonl"
MANIFEST = "manifest.json"


def save(found: Harvest, folder: Path, chain: Mapping[str, Any] | None = None) -> dict[str, Path]:
    """Write a harvest. `chain` tells with which rating the chain of ratings ended.

    The manifest comes last: until it is there the files are taken by no training.
    """
    files = {
        LIKED: _lines(found.liked),
        PREFERRED: _lines(found.preferred),
        RECORDS: _lines(_told(one) for one in found.records),
    }
    body = json.dumps(_manifest(found, files, chain or {}), ensure_ascii=False, indent=2) + "\n"
    files[MANIFEST] = body.encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name, data in files.items():
            (folder / f"{name}.new").write_bytes(data)
            (folder / f"{name}.new").replace(folder / name)
    except OSError as error:
        raise ResultsError(
            f"{folder} cannot be written: {error.strerror}. Name a folder that you may write."
        ) from error
    return {name: folder / name for name in files}


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one file of `save`.

    Raises `ResultsError` when the folder holds no whole harvest, or the file was changed since.
    """
    again = "Write it anew: python -m rolecraft ratings to-training FOLDER."
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        data = (folder / name).read_bytes()
    except (OSError, ValueError) as error:
        raise ResultsError(f"{folder} holds no training data ({error}). {again}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ResultsError(f"{folder / MANIFEST} is no manifest of {FORMAT}. {again}")
    if sha256(data).hexdigest() != manifest["files"].get(name, {}).get("sha256"):
        raise ResultsError(f"{folder / name} is not what its manifest says it is. {again}")
    return [json.loads(line) for line in data.decode().splitlines()]


def _manifest(
    found: Harvest, files: Mapping[str, bytes], chain: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "files": {
            name: {"rows": data.count(b"\n"), "sha256": sha256(data).hexdigest()}
            for name, data in files.items()
        },
        "records": dict(found.accounts.total),
        "kinds": {kind: dict(counts) for kind, counts in found.accounts.kinds.items()},
        "reasons": dict(found.accounts.reasons),
        "merged": found.merged,
        "raters": len({one.rater for one in found.records if one.used}),
        "template_sha256": sha256(Path(prompts.__file__).read_bytes()).hexdigest(),
        "chain": dict(chain),
        **found.about,
    }


def _told(one: Record) -> dict[str, Any]:
    """A record without its rater and without its words."""
    return {
        "rating": one.number, "kind": one.kind, "replies": list(one.replies),
        "outcome": "used" if one.used else "refused", "reason": one.refusal,
    }  # fmt: skip


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
