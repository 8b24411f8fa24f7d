"""Everything that is said in a folder of characters, as it stands there, good or bad.

Reads two layouts: character folders (card.yaml, script.jsonl …) and the RoleInstruct release.
Reads more patiently than the shelf, which refuses a faulty character: here the faults are wanted.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from rolecraft.characters.marked import Reader
from rolecraft.errors import TrainingError
from train.importers.encoding import read_text
from train.importers.folders import UNLABELLED
from train.importers.labels import Labelled, Labels
from train.importers.objects import objects
from train.importers.release import RawFile, character_folders, data_files, read_files, records
from train.importers.roleinstruct import is_labelled

ItemKind = Literal["turn", "question", "reply"]
Layout = Literal["characters", "roleinstruct"]
DATA = ("script.jsonl", "questions.jsonl", "general.jsonl", "everyday.jsonl")


@dataclass(frozen=True, slots=True)
class Item:
    """One turn, one question with its answer, or one reply."""

    kind: ItemKind
    file: str
    line: int
    item: int
    text: str
    label: Labelled
    labelled: bool = True  # false where the source has no label and a stand-in is written
    speaker: str = ""
    question: str = ""
    split: str = ""
    dialogue: str = ""

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stands."""
        return self.file, self.line, self.item


@dataclass(frozen=True, slots=True)
class Fault:
    """A text in which no item could be read."""

    file: str
    line: int
    item: int
    text: str
    reason: str


@dataclass(frozen=True)
class Read:
    """All that one character's folder holds."""

    name: str
    items: tuple[Item, ...]
    faults: tuple[Fault, ...]
    files: tuple[tuple[str, str], ...]  # path and hash of the bytes
    quoted: tuple[str, ...] = ()  # profile values, which answers may quote word for word


def layout_of(root: Path) -> Layout:
    """Which layout a folder has. Raises TrainingError when it is neither."""
    if not root.is_dir():
        raise TrainingError(f"No folder {str(root)!r}. Name a folder of characters.")
    if (root / "card.yaml").is_file() or any(root.glob("*/card.yaml")):
        return "characters"
    if any(data_files(path) for path in (root, *root.iterdir()) if path.is_dir()):
        return "roleinstruct"
    raise TrainingError(
        f"{str(root)!r} holds neither character folders (<id>/card.yaml) nor the RoleInstruct "
        "release (<name>/<name>_desc.txt …)."
    )


def read_characters(root: Path) -> Iterator[Read]:
    """The characters of a folder of either layout, one at a time."""
    if layout_of(root) == "characters":
        folders = [root] if (root / "card.yaml").is_file() else sorted(root.glob("*/"))
        for folder in folders:
            if not folder.name.startswith((".", "_")) and (folder / "card.yaml").is_file():
                yield _character(folder, root)
    else:
        for folder in character_folders(root):
            yield _released(folder, root)


def _released(folder: Path, root: Path) -> Read:
    items: list[Item] = []
    faults: list[Fault] = []
    files: list[tuple[str, str]] = []
    labels = Labels()
    for file in read_files(folder, root):
        files.append((file.shown, file.digest))
        if file.kind == "unknown":
            faults.append(Fault(file.shown, 0, 0, "", "file of no known kind"))
        elif file.kind != "profile":
            _take(file, labels, items, faults)
    return Read(folder.name, tuple(items), tuple(faults), tuple(files))


def _take(file: RawFile, labels: Labels, items: list[Item], faults: list[Fault]) -> None:
    raws = list(records(file))
    scripted = is_labelled(raws)
    for raw in raws:
        if raw.fault and raw.kind == "unknown":
            faults.append(Fault(raw.file, raw.line, raw.item, raw.text, raw.fault))
            continue
        turn = raw.kind == "script"
        label = labels.named(raw.emotion, raw.text)
        if label.emotion is None and not label.unknown:
            label = labels.opening(raw.text, loose=turn and scripted)
        kind: ItemKind = "turn" if turn else "question" if raw.kind == "questions" else "reply"
        items.append(
            Item(
                kind, raw.file, raw.line, raw.item, label.text.strip(), label,
                labelled=label.emotion is not None or bool(label.unknown),
                speaker=raw.speaker, question=raw.question,
            )
        )  # fmt: skip


def _character(folder: Path, root: Path) -> Read:
    name, quoted = _card(folder)
    reader = _Folder(folder, root)
    items = [*reader.turns(), *reader.questions(), *reader.replies(), *reader.everyday()]
    files = [
        (reader.shown(path), sha256(path.read_bytes()).hexdigest())
        for path in (folder / name for name in DATA)
        if path.is_file()
    ]
    return Read(name, tuple(items), tuple(reader.faults), tuple(files), quoted)


def _card(folder: Path) -> tuple[str, tuple[str, ...]]:
    root = Reader(folder / "card.yaml").read_yaml()
    card = root.value if root and isinstance(root.value, dict) else {}
    name = card["name"].value if "name" in card else {}
    shown = name["zh"].value if isinstance(name, dict) and "zh" in name else folder.name
    profile = card["profile"].value if "profile" in card else {}
    values = profile.values() if isinstance(profile, dict) else ()
    return str(shown), tuple(str(one.value) for one in values if len(str(one.value)) >= 4)


class _Folder:
    """The data files of one character folder."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        self.prefix = self.shown(folder / "x")[:-1]
        self.faults: list[Fault] = []
        self.labels = Labels()
        self.stand_ins = {
            (row.get("file"), row.get("id")): row for _, row in self._rows(UNLABELLED)
        }

    def shown(self, path: Path) -> str:
        """A path as findings name it."""
        return path.relative_to(self.root).as_posix()

    def turns(self) -> Iterator[Item]:
        """The turns of script.jsonl."""
        for line, row in self._rows("script.jsonl"):
            identity = str(row.get("id", ""))
            bare = self.stand_ins.get(("script.jsonl", identity), {}).get("turns", ())
            for n, turn in enumerate(self._list(row, "turns", "script.jsonl", line)):
                yield self._item(
                    "turn", "script.jsonl", line, n, turn, turn.get("text"),
                    speaker=str(turn.get("speaker", "")), dialogue=identity,
                    labelled=n not in bare,
                )  # fmt: skip

    def questions(self) -> Iterator[Item]:
        """The rows of questions.jsonl."""
        for line, row in self._rows("questions.jsonl"):
            yield self._item(
                "question", "questions.jsonl", line, 0, row, row.get("answer"),
                question=str(row.get("question") or ""), split=str(row.get("split", "")),
                labelled=("questions.jsonl", row.get("id")) not in self.stand_ins,
            )  # fmt: skip

    def replies(self) -> Iterator[Item]:
        """The answers of general.jsonl."""
        for line, row in self._rows("general.jsonl"):
            identity = str(row.get("instruction", ""))
            bare = self.stand_ins.get(("general.jsonl", identity), {}).get("answers", ())
            for n, answer in enumerate(self._list(row, "answers", "general.jsonl", line)):
                yield self._item(
                    "reply", "general.jsonl", line, n, answer, answer.get("text"),
                    question=identity, labelled=n not in bare,
                )  # fmt: skip

    def everyday(self) -> Iterator[Item]:
        """The answers of everyday.jsonl, as replies to their topics."""
        for line, row in self._rows("everyday.jsonl"):
            topic = str(row.get("topic", ""))
            yield self._item(
                "reply", "everyday.jsonl", line, 0, row, row.get("text"), question=topic
            )

    def _item(
        self, kind: ItemKind, file: str, line: int, item: int, row: Mapping[str, Any], text: Any,
        **told: Any,
    ) -> Item:  # fmt: skip
        said = "" if text is None else str(text)
        label = self.labels.named(str(row.get("emotion") or ""), said)
        return Item(kind, f"{self.prefix}{file}", line, item, said, label, **told)

    def _rows(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        path = self.folder / name
        if not path.is_file():
            return
        decoded = read_text(path)
        for found in objects(decoded.text, decoded.broken, unwrap=False):
            if found.value is None or found.repair:
                reason = found.fault or found.repair
                self.faults.append(Fault(self.shown(path), found.line, 0, found.text, reason))
            else:
                yield found.line, found.value

    def _list(self, row: Mapping[str, Any], key: str, name: str, line: int) -> list[dict[str, Any]]:
        value = row.get(key)
        good = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
        if not good or len(good) < len(value or ()):
            shown = json.dumps(value, ensure_ascii=False)
            reason = f"{key} is no list of objects"
            self.faults.append(Fault(self.shown(self.folder / name), line, 0, shown, reason))
        return good
