"""Reads the RoleInstruct release as it lies on disk: a folder per character, files told by name.

Reads only: what a record is worth is decided by `roleinstruct` and by the lint. Names vary
(`_scriopt.jsonl`, `_specific_QA..json`, a missing underscore, `rp3-5.json`), so a file is known by
parts of its name and, failing that, by the keys of its first record.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from rolecraft.errors import TrainingError
from train.importers.encoding import Decoded, read_text
from train.importers.objects import objects

FileKind = Literal["profile", "script", "questions", "general", "unknown"]

SPEAKER = ("role", "speaker", "name", "from", "角色", "说话人")
TEXT = ("content", "text", "utterance", "line", "value", "内容", "台词")
QUESTION = ("instruction", "question", "prompt", "query", "问题", "指令")
ANSWER = ("generated", "answer", "output", "response", "reply", "回答", "答案")
EMOTION = ("emotion", "label", "情感", "情绪")

_SUFFIXES = (".json", ".jsonl", ".txt", ".ndjson")
_NAMES: tuple[tuple[FileKind, re.Pattern[str]], ...] = (
    ("profile", re.compile(r"desc|profile|简介|人物", re.IGNORECASE)),
    ("questions", re.compile(r"specific|q\s?&?\s?a(?![a-z])|问答", re.IGNORECASE)),
    ("general", re.compile(r"general|rp\d", re.IGNORECASE)),
    ("script", re.compile(r"scr[iop]+t|dialogue|剧本|台词", re.IGNORECASE)),
)
_REPLIES = re.compile(r"rp\s*(\d+)(?:\s*-\s*(\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class RawFile:
    """One file of a character: what it is, its bytes' hash, and how it was encoded."""

    path: Path
    shown: str  # relative to the release
    kind: FileKind
    digest: str
    decoded: Decoded

    @property
    def replies(self) -> range:
        """The numbers of the replies that a general file says it holds: rp3-5 is 3, 4, 5."""
        found = _REPLIES.search(self.path.stem)
        if not found:
            return range(0)
        return range(int(found.group(1)), int(found.group(2) or found.group(1)) + 1)


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it stands: a line of the script, a question or a reply.

    `fault` says why there is nothing to read, `repair` what had to be put right to read it.
    """

    kind: FileKind
    file: str
    line: int
    item: int
    speaker: str = ""
    question: str = ""
    text: str = ""
    emotion: str = ""
    fault: str = ""
    repair: str = ""


def character_folders(root: Path) -> list[Path]:
    """The folders of the release that hold a character, or the one that `root` itself is."""
    if not root.is_dir():
        raise TrainingError(f"No folder {str(root)!r}. Name the folder of the release.")
    inner = sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    )
    found = [path for path in inner if data_files(path)]
    if found:
        return found
    if any(file_kind(path) != "unknown" for path in data_files(root)):
        return [root]
    raise TrainingError(
        f"{str(root)!r} holds no character. Expected folders with NAME_desc.txt, "
        "NAME_script.json, NAME_specific_QA.json or NAME_general_rp1.jsonl."
    )


def data_files(folder: Path) -> list[Path]:
    """The files of a character's folder that could hold data, in order of name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix.lower() in _SUFFIXES
        and not path.name.startswith(".")
        and not re.match(r"(?i)(readme|source|licen[sc]e)\b", path.name)
    )


def file_kind(path: Path) -> FileKind:
    """What a file holds, by its name without the character's."""
    name = path.stem.replace(path.parent.name, "", 1)
    return next((kind for kind, pattern in _NAMES if pattern.search(name)), "unknown")


def read_files(folder: Path, root: Path) -> Iterator[RawFile]:
    """The files of a character, decoded; one at a time, since a general file is half a megabyte."""
    for path in data_files(folder):
        kind = file_kind(path)
        decoded = read_text(path)
        if kind == "unknown":
            kind = _kind_by_keys(decoded)
        digest = sha256(path.read_bytes()).hexdigest()
        yield RawFile(path, path.relative_to(root).as_posix(), kind, digest, decoded)


def _kind_by_keys(decoded: Decoded) -> FileKind:
    for found in objects(decoded.text):
        if found.value is None:
            continue
        if first(found.value, QUESTION) is not None:
            return "general" if first(found.value, SPEAKER) is not None else "questions"
        return "script" if first(found.value, TEXT) is not None else "unknown"
    return "unknown"


def records(file: RawFile) -> Iterator[Raw]:
    """The records of a script, question or general file, in order."""
    for found in objects(file.decoded.text, file.decoded.broken):
        if found.value is None:
            yield Raw("unknown", file.shown, found.line, 0, text=found.text, fault=found.fault)
        elif file.kind == "script":
            yield _line(file, found.line, found.value, found.repair)
        else:
            yield from _answers(file, found.line, found.value, found.repair)


def _line(file: RawFile, line: int, value: Mapping[str, Any], repair: str) -> Raw:
    speaker, text = first(value, SPEAKER), first(value, TEXT)
    fault = "" if isinstance(text, str) else "no text: the record has no field for it"
    shown = text if isinstance(text, str) else str(dict(value))
    said = _plain(first(value, EMOTION))
    return Raw("script", file.shown, line, 0, _plain(speaker), "", shown, said, fault, repair)


def _answers(file: RawFile, line: int, value: Mapping[str, Any], repair: str) -> Iterator[Raw]:
    speaker, emotion = _plain(first(value, SPEAKER)), _plain(first(value, EMOTION))
    question, answer = _plain(first(value, QUESTION)), first(value, ANSWER)
    flat = list(_flat(answer))
    if not flat:
        fault = "no answer: the field is missing or empty"
        yield Raw(file.kind, file.shown, line, 0, speaker, question, "", emotion, fault, repair)
    mended = repair or ("nested list of answers read" if _nested(answer) else "")
    for item, text in enumerate(flat):
        yield Raw(file.kind, file.shown, line, item, speaker, question, text, emotion, "", mended)


def _flat(answer: Any) -> Iterator[str]:
    if isinstance(answer, list):
        for one in answer:
            yield from _flat(one)
    elif isinstance(answer, Mapping):
        inner = first(answer, (*ANSWER, *TEXT))
        if inner is not None:
            yield from _flat(inner)
        else:
            for one in answer.values():
                yield from _flat(one)
    elif answer is not None:
        yield _plain(answer)


def _nested(answer: Any) -> bool:
    return isinstance(answer, list) and any(isinstance(one, list | Mapping) for one in answer)


def first(value: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of these names that is there, in any case."""
    key = _key(tuple(value), names)
    return None if key is None else value[key]


@lru_cache(maxsize=1024)  # records of a file have the same keys
def _key(keys: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    folded = {str(key).strip().casefold(): key for key in reversed(keys)}
    return next((name if name in keys else folded[name] for name in names if name in folded), None)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)
