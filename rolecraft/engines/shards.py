"""The safetensors files of a checkpoint or adapter: found, verified, read piece by piece, hashed.

Knows no architecture and no model: it only names files and tensors. Pickled weights are refused.
"""

import hashlib
import json
import math
import mmap
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from types import EllipsisType
from typing import Any

import torch

from rolecraft.errors import CheckpointError

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_STORED = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_READ_BYTES = 4 << 20  # a cast reads pieces of this size, so that it needs no second copy
_MAPPED_BYTES = 1 << 18
_HASH_BYTES = 8 << 20
_hashes: dict[tuple[str, int, int], str] = {}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; a missing or broken file is named."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.name} is missing in {path.parent}. Download the whole folder again."
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON ({error}). Download it again."
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object. Download it again.")
    return value


def weight_files(folder: Path, stem: str = "model") -> tuple[Path, ...]:
    """The verified safetensors files of `folder` whose names begin with `stem`.

    Follows `<stem>.safetensors.index.json` where there is one. Raises CheckpointError for a
    missing, truncated or corrupt file and for folders that hold only pickled weights.
    """
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    numbered = sorted(folder.glob(f"{stem}-*-of-*.safetensors"))
    if index.exists():
        files = _indexed(folder, index)
    elif single.exists():
        verify(single)
        files = (single,)
    elif numbered:
        files = _numbered(folder, numbered)
    else:
        raise CheckpointError(_no_weights(folder, stem))
    return files


def _indexed(folder: Path, index: Path) -> tuple[Path, ...]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no weight_map. Download it again.")
    names = sorted({str(name) for name in weight_map.values()})
    strange = [
        name for name in names if Path(name).name != name or not name.endswith("safetensors")
    ]
    if strange:
        raise CheckpointError(
            f"{index} names {strange[0]!r}, which is not a safetensors file of its folder. "
            "Use the index that belongs to the checkpoint."
        )
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise CheckpointError(
            f"{len(missing)} of {len(names)} shards are missing in {folder}: {', '.join(missing)}. "
            "Download them into this folder."
        )
    held = {name: verify(folder / name) for name in names}
    for tensor, name in weight_map.items():
        if tensor not in held[name]:
            raise CheckpointError(
                f"{index} places {tensor} in {name}, but it is not there. "
                "Download the index and the shards of one and the same revision."
            )
    return tuple(folder / name for name in names)


def _numbered(folder: Path, found: list[Path]) -> tuple[Path, ...]:
    total = int(found[0].stem.rsplit("-", 1)[1])
    stem = found[0].stem.rsplit("-", 3)[0]
    names = [f"{stem}-{i:05d}-of-{total:05d}.safetensors" for i in range(1, total + 1)]
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise CheckpointError(
            f"{len(missing)} of {total} shards are missing in {folder}: {', '.join(missing)}. "
            "Download them into this folder."
        )
    for name in names:
        verify(folder / name)
    return tuple(folder / name for name in names)


def _no_weights(folder: Path, stem: str) -> str:
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
    if pickled:
        return (
            f"{folder} holds only pickled weights ({', '.join(pickled[:3])}). Reading a pickle can "
            f"run any code, so only safetensors are read. Get {stem}*.safetensors, for ChatGLM3 "
            "from https://huggingface.co/zai-org/chatglm3-6b, or convert them where you trust them."
        )
    return (
        f"No {stem}.safetensors and no {stem}.safetensors.index.json in {folder}. "
        "Download the weights into this folder."
    )


def verify(path: Path) -> dict[str, "StoredTensor"]:
    """Check a safetensors file's header against its length; return its tensors, unread."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == b"version ":
                raise CheckpointError(
                    f"{path} is a Git LFS pointer, not the weights. "
                    "Run `git lfs pull` in its repository, or download the file itself."
                )
            length = int.from_bytes(start, "little")
            if not 2 <= length <= size - 8:
                raise ValueError("its header does not fit into the file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        tensors = {name: _stored(path, name, 8 + length, header[name]) for name in header}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is corrupt or not a safetensors file ({error}). Download it again."
        ) from error
    end = max((held.start + held.bytes for held in tensors.values()), default=8 + length)
    if size != end:
        raise CheckpointError(
            f"{path} is {'truncated' if size < end else 'too long'}: "
            f"{size:,} bytes where its header asks for {end:,}. Download it again."
        )
    return tensors


@dataclass(frozen=True)
class StoredTensor:
    """A tensor on disk, read when it is indexed with `[...]`, straight into its final dtype.

    Stands where transformers expects a lazy slice of safetensors, whose own reader holds a tensor
    twice while it is cast (`pread`) or keeps the file's pages in the process (`mmap`).
    """

    path: Path
    name: str
    start: int  # byte in the file
    shape: tuple[int, ...]
    stored: torch.dtype
    dtype: torch.dtype | None = None  # what it becomes; None keeps the stored one

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.stored.itemsize

    def __getitem__(self, whole: EllipsisType) -> torch.Tensor:
        wanted = self.dtype if self.dtype and self.stored.is_floating_point else self.stored
        flat = _room(math.prod(self.shape), wanted)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            if wanted == self.stored:
                self._fill(file, flat)
            else:
                buffer = _room(_READ_BYTES // self.stored.itemsize, self.stored)
                for part in torch.split(flat, buffer.numel()):
                    self._fill(file, buffer[: part.numel()])
                    part.copy_(buffer[: part.numel()])
        return flat.view(self.shape)

    def _fill(self, file: RawIOBase, flat: torch.Tensor) -> None:
        room = memoryview(flat.view(torch.uint8).numpy().data)
        while room:
            count = file.readinto(room)
            if not count:
                raise CheckpointError(
                    f"{self.path} ended while {self.name} was read. Download it again."
                )
            room = room[count:]


def _room(length: int, dtype: torch.dtype) -> torch.Tensor:
    """An empty vector whose pages go back to the system with it.

    malloc would keep the holes between weights that live on and the pieces that made them: on a
    checkpoint of many small layers that came to half its size again.
    """
    size = length * dtype.itemsize
    if size < _MAPPED_BYTES:
        return torch.empty(length, dtype=dtype)
    return torch.frombuffer(mmap.mmap(-1, size), dtype=dtype)


def _stored(path: Path, name: str, data: int, entry: Mapping[str, Any]) -> StoredTensor:
    begin, end = entry["data_offsets"]
    if entry["dtype"] not in _STORED:
        raise ValueError(f"{name} has dtype {entry['dtype']}")
    shape = tuple(int(length) for length in entry["shape"])
    held = StoredTensor(path, name, data + begin, shape, _STORED[entry["dtype"]])
    if begin < 0 or min(shape, default=0) < 0 or held.bytes != end - begin:
        raise ValueError(f"{name} has {end - begin} bytes for the shape {shape}")
    return held


def stored_tensors(
    files: Iterable[Path], dtype: torch.dtype | None = None
) -> dict[str, StoredTensor]:
    """Every tensor of `files`, unread; floating ones will be read as `dtype`."""
    return {
        name: replace(held, dtype=dtype) for path in files for name, held in verify(path).items()
    }


def files_sha256(files: tuple[Path, ...]) -> str:
    """SHA-256 of the contents of `files`, remembered while their sizes and times stay.

    One file: its own hash, as `sha256sum` prints it. Several: the hash of their sorted
    `<hash>  <name>` lines.
    """
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(_file_sha256, files))
    if len(files) == 1:
        return digests[0]
    lines = sorted(f"{digest}  {path.name}" for digest, path in zip(digests, files, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_HASH_BYTES):
                digest.update(chunk)
        _hashes[key] = digest.hexdigest()
    return _hashes[key]
