"""Imports the RoleInstruct release: profile, script, specific questions, general replies.

Knows how the release goes wrong: records of one character under another, files that are there
twice, replies in lists, lines that do not parse, fields that are missing.
"""

from collections.abc import Iterator
from pathlib import Path

from train.importers.gathered import Asked, Cleaner, Gathered, Line, Options, Reply, Talk
from train.importers.ledger import Entry, Ledger
from train.importers.profiles import pieces
from train.importers.release import Raw, RawFile, character_folders, read_files, records

LABELLED = 0.8  # share of lines that open with a bracket from which a script counts as labelled
REPLIES = range(1, 6)  # the paper writes five replies to an instruction
_EXPECTED = {"profile": "description", "script": "script", "questions": "specific questions"}


def gather(source: Path, ledger: Ledger, options: Options) -> Iterator[Gathered]:
    """Every character of the release; its entries are in the ledger until they are settled."""
    folders = character_folders(source)
    names = {folder.name for folder in folders}
    seen: dict[str, str] = {}
    for folder in folders:
        if not options.characters or folder.name in options.characters:
            yield _Release(folder, source, names, seen, ledger, options).gathered()


class _Release:
    """The import of one character's folder."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        names: set[str],
        seen: dict[str, str],
        ledger: Ledger,
        options: Options,
    ) -> None:
        self.folder, self.root, self.names, self.seen = folder, root, names, seen
        self.ledger, self.cleaner = ledger, Cleaner(ledger, options)
        self.found = Gathered(folder.name)
        self.answered: dict[tuple[str, str], Entry] = {}
        self.asked_in: dict[str, set[str]] = {}  # the instructions of each general file

    def gathered(self) -> Gathered:
        """All that the folder holds."""
        kinds: set[str] = set()
        replies: set[int] = set()
        for file in read_files(self.folder, self.root):
            kinds.add(file.kind)
            replies.update(file.replies)
            first = self.seen.setdefault(file.digest, file.shown)
            if first != file.shown:
                self.ledger.note(file.shown, f"has the same bytes as {first}")
            if file.decoded.encoding != "UTF-8":
                self.ledger.note(file.shown, f"read as {file.decoded.encoding}")
            self._read(file, first if first != file.shown else "")
        self._note_missing(kinds, replies)
        self._note_unanswered()
        return self.found

    def _read(self, file: RawFile, first: str) -> None:
        if file.kind == "profile":
            self._profile(file)
            return
        if file.kind == "unknown":
            text = file.decoded.text[:200]
            self.ledger.enter("unreadable", file.shown, 1, text).refuse("file of no known kind")
            return
        raws = list(records(file))
        scripted = is_labelled(raws)
        lines: list[Line] = []
        for raw in raws:
            self._record(raw, first, scripted, lines)
        if lines:
            self.found.talks.append(Talk(lines))

    def _record(self, raw: Raw, first: str, scripted: bool, lines: list[Line]) -> None:
        kind = {"script": "line", "questions": "question", "general": "reply"}.get(raw.kind)
        shown = raw.text or raw.question
        entry = self.ledger.enter(kind or "unreadable", raw.file, raw.line, shown, raw.item)
        entry.repair(raw.repair)
        if raw.fault:
            entry.refuse(raw.fault)
        elif kind == "line":
            if first:
                entry.refuse(f"duplicate file: the same bytes as {first}")
            elif line := self.cleaner.line(entry, raw.speaker, raw.text, raw.emotion, scripted):
                lines.append(line)
        elif not self._belongs(raw, entry):
            return
        elif first and not raw.speaker:
            entry.refuse(f"duplicate file: the same bytes as {first}")
        elif kind == "question":
            self._question(raw, entry)
        else:
            self._reply(raw, entry)

    def _belongs(self, raw: Raw, entry: Entry) -> bool:
        """Whether a record is this character's; a short or long form of the name will do."""
        name, speaker = self.found.name, raw.speaker.strip()
        if not speaker or speaker == name:
            return True
        if speaker not in self.names and (speaker in name or name in speaker):
            entry.repair(f"other form of the name: {speaker}")
            return True
        entry.refuse(f"answer of another: {speaker}, in the folder of {name}")
        return False

    def _question(self, raw: Raw, entry: Entry) -> None:
        asked = self.cleaner.asked(entry, self.found.name, raw.question, raw.text, raw.emotion)
        if asked and self._is_new(asked.question, asked.answer, asked):
            self.found.questions.append(asked)

    def _reply(self, raw: Raw, entry: Entry) -> None:
        self.asked_in.setdefault(raw.file, set()).add(raw.question.strip())
        reply = self.cleaner.reply(entry, self.found.name, raw.question, raw.text)
        if reply and self._is_new(reply.instruction, reply.text, reply):
            self.found.replies.append(reply)

    def _note_unanswered(self) -> None:
        every = set().union(*self.asked_in.values())
        for file, asked in self.asked_in.items():
            if len(asked) < len(every):
                self.ledger.note(file, f"answers {len(asked)} of {len(every)} instructions")

    def _is_new(self, question: str, answer: str, value: Asked | Reply) -> bool:
        first = self.answered.setdefault((question, answer), value.entry)
        if first is not value.entry:
            value.entry.refuse(f"duplicate answer: the same as at {first.place}")
        return first is value.entry

    def _profile(self, file: RawFile) -> None:
        profile = self.found.profile
        for piece in pieces(file.decoded.text):
            shown = f"{piece.name}：{piece.value}" if piece.name else piece.value
            entry = self.ledger.enter("profile", file.shown, piece.line, shown)
            value = self.cleaner.text(entry, piece.value)
            if piece.line in file.decoded.broken:
                entry.refuse("its bytes are in no known encoding")
            elif not value:
                entry.refuse("empty field")
            elif piece.field and piece.field not in profile:
                profile[piece.field] = value
                entry.keep()
            elif profile.get(piece.field) == value:
                entry.refuse(f"duplicate field: {piece.name}")
            else:
                entry.repair(f"no field of its own, kept in the background: {piece.name}")
                told = f"{piece.name}：{value}" if piece.name else value
                before = profile.get("background", "")
                profile["background"] = f"{before}\n{told}".strip()
                entry.keep()

    def _note_missing(self, kinds: set[str], replies: set[int]) -> None:
        name = self.folder.relative_to(self.root).as_posix()
        for kind, shown in _EXPECTED.items():
            if kind not in kinds:
                self.ledger.note(name, f"has no file of its {shown}")
        missing = [str(n) for n in REPLIES if n not in replies]
        if missing:
            self.ledger.note(name, f"has no general replies rp{', rp'.join(missing)}")


def is_labelled(raws: list[Raw]) -> bool:
    """Whether nearly every line of a script opens with a bracket."""
    texts = [raw.text for raw in raws if raw.kind == "script"]
    opened = sum(text.lstrip()[:1] in ("(", "（", "[", "【") for text in texts)
    return bool(texts) and opened >= LABELLED * len(texts)
