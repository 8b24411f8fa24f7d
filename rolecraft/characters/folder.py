"""One character folder (card.yaml, script.jsonl, questions.jsonl, general.jsonl) as a Character.

Judges form only: fields, types, labels, unique ids. Whether the writing is good is `check`'s work.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from rolecraft.characters.marked import Node, Problem, Reader
from rolecraft.characters.model import (
    AGE_GROUPS,
    FIELD_NAMES,
    GENDERS,
    KINDS,
    LENGTHS,
    SPLITS,
    Answer,
    Bilingual,
    Character,
    Dialogue,
    GeneralAnswers,
    Kind,
    Question,
    Relation,
    Split,
    Style,
    Tendency,
    Utterance,
)
from rolecraft.emotions import LABELS

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PORTRAITS = ("portrait.svg", "portrait.png", "portrait.webp", "portrait.jpg")
CARD_FIELDS = (
    "id", "name", "tagline", "gender", "age_group", "greeting", "alternate_greetings", "starters",
    "traits", "mood", "emotions", "style", "profile", "relations", "birth_year", "licence",
    "author",
)  # fmt: skip
STYLE_FIELDS = ("summary", "particles", "dialect", "length", "humour", "never_says")


def read_folder(folder: Path) -> tuple[Character | None, list[Problem]]:
    """The character in `folder`, or None with the problems that keep it off the shelf."""
    card = Reader(folder / "card.yaml")
    root = card.read_yaml()
    fields: dict[str, Any] = {}
    if root and isinstance(root.value, dict):
        fields = _card(card, root, folder)
    elif root:
        card.wrong(root.line, "", root.value, "Write a mapping of fields (id: …, name: …).")
    script, dialogues = _script(folder)
    asked, questions = _questions(folder)
    shared, general = _general(folder)
    foreign, tavern = _tavern(folder)
    problems = [p for reader in (card, script, asked, shared, foreign) for p in reader.problems]
    if problems:
        return None, problems
    portrait = next((folder / name for name in PORTRAITS if (folder / name).is_file()), None)
    character = Character(
        **fields,
        script=dialogues,
        questions=questions,
        general=general,
        tavern=tavern,
        folder=folder,
        portrait=portrait,
    )
    return character, []


def _card(reader: Reader, root: Node, folder: Path) -> dict[str, Any]:
    reader.keys(root, CARD_FIELDS)
    identity = reader.text(root, "id")
    if identity and (not SLUG.fullmatch(identity) or len(identity) > 40):
        remedy = "Use up to 40 small letters, digits and single hyphens, such as zhou-xiaobei."
        reader.wrong(root.value["id"].line, "id", identity, remedy)
    elif identity and identity != folder.name:
        remedy = f"The folder is called {folder.name!r}; make the two the same."
        reader.wrong(root.value["id"].line, "id", identity, remedy)
    year = reader.number(root, "birth_year", 1800, 2200)
    empty = {"zh": "", "en": ""}
    return {
        "id": identity,
        "name": _bilingual(reader, root, "name"),
        "greeting": _bilingual(reader, root, "greeting"),
        "tagline": _bilingual(reader, root, "tagline") if "tagline" in root.value else empty,
        "gender": reader.choice(root, "gender", GENDERS, required=False),
        "age_group": reader.choice(root, "age_group", tuple(AGE_GROUPS), required=False),
        "alternate_greetings": _bilinguals(reader, root, "alternate_greetings"),
        "starters": _bilinguals(reader, root, "starters"),
        "traits": reader.texts(root, "traits"),
        "mood": reader.choice(root, "mood", LABELS, required=False, default="中立"),
        "emotions": tuple(_tendencies(reader, root)),
        "style": _style(reader, root),
        "profile": _profile(reader, root),
        "relations": tuple(_relations(reader, root)),
        "birth_year": None if year is None else int(year),
        "licence": reader.text(root, "licence", required=False),
        "author": reader.text(root, "author", required=False),
    }


def _bilingual(reader: Reader, node: Node, key: str) -> Bilingual:
    child = reader.mapping(node).get(key)
    if child is None:
        field = f"{node.field}.{key}" if node.field else key
        reader.wrong(node.line, field, None, "This field is missing; add it as {zh: …, en: …}.")
        return {"zh": "", "en": ""}
    return _both(reader, child)


def _both(reader: Reader, node: Node) -> Bilingual:
    if not isinstance(node.value, dict):
        reader.wrong(node.line, node.field, node.value, "Write both languages: {zh: …, en: …}.")
        return {"zh": "", "en": ""}
    reader.keys(node, ("zh", "en"))
    return {"zh": reader.text(node, "zh"), "en": reader.text(node, "en")}


def _bilinguals(reader: Reader, node: Node, key: str) -> tuple[Bilingual, ...]:
    return tuple(_both(reader, item) for item in reader.items(node, key))


def _tendencies(reader: Reader, root: Node) -> Iterable[Tendency]:
    for item in reader.items(root, "emotions"):
        reader.keys(item, ("emotion", "share", "trigger"))
        share = reader.number(item, "share", 0.0, 1.0)
        yield Tendency(
            emotion=reader.choice(item, "emotion", LABELS),
            share=share or 0.0,
            trigger=reader.text(item, "trigger", required=False),
        )


def _style(reader: Reader, root: Node) -> Style:
    node = root.value.get("style") if isinstance(root.value, dict) else None
    if node is None:
        return Style()
    reader.keys(node, STYLE_FIELDS)
    return Style(
        summary=reader.text(node, "summary", required=False),
        particles=reader.texts(node, "particles"),
        dialect=reader.texts(node, "dialect"),
        length=reader.choice(node, "length", LENGTHS, required=False, default="medium"),
        humour=reader.text(node, "humour", required=False),
        never_says=reader.texts(node, "never_says"),
    )


def _profile(reader: Reader, root: Node) -> dict[str, str]:
    node = reader.mapping(root).get("profile")
    if node is None:
        reader.wrong(root.line, "profile", None, "This field is missing; add at least a name.")
        return {}
    reader.keys(node, tuple(FIELD_NAMES))
    profile = {key: reader.plain_text(value) for key, value in reader.mapping(node).items()}
    if "name" not in profile:
        reader.wrong(node.line, "profile.name", None, "This field is missing; add it.")
    return profile


def _relations(reader: Reader, root: Node) -> Iterable[Relation]:
    for item in reader.items(root, "relations"):
        reader.keys(item, ("name", "relation", "character", "note"))
        yield Relation(
            name=reader.text(item, "name"),
            relation=reader.text(item, "relation"),
            character=reader.text(item, "character", required=False) or None,
            note=reader.text(item, "note", required=False),
        )


def _script(folder: Path) -> tuple[Reader, tuple[Dialogue, ...]]:
    reader = Reader(folder / "script.jsonl")
    dialogues: list[Dialogue] = []
    if not reader.path.exists():
        return reader, ()
    for row in reader.read_json_lines():
        reader.keys(row, ("id", "scene", "turns"))
        turns = []
        for item in reader.items(row, "turns", required=True):
            reader.keys(item, ("speaker", "text", "emotion"))
            speaker, text = reader.text(item, "speaker"), reader.text(item, "text")
            turns.append(Utterance(speaker, text, reader.choice(item, "emotion", LABELS)))
        scene = reader.text(row, "scene", required=False)
        dialogues.append(Dialogue(reader.text(row, "id"), scene, tuple(turns), row.line))
    _unique_ids(reader, [(dialogue.id, dialogue.line) for dialogue in dialogues])
    return reader, tuple(dialogues)


def _questions(folder: Path) -> tuple[Reader, tuple[Question, ...]]:
    reader = Reader(folder / "questions.jsonl")
    questions: list[Question] = []
    if not reader.path.exists():
        return reader, ()
    for row in reader.read_json_lines():
        reader.keys(row, ("id", "kind", "question", "answer", "emotion", "split", "source"))
        source = row.value.get("source")
        question = Question(
            id=reader.text(row, "id"),
            kind=cast(Kind, reader.choice(row, "kind", KINDS)),
            question=reader.text(row, "question"),
            answer=reader.text(row, "answer"),
            emotion=reader.choice(row, "emotion", LABELS),
            split=cast(Split, reader.choice(row, "split", SPLITS)),
            source=reader.plain_text(source) if source and source.value is not None else None,
            line=row.line,
        )
        questions.append(question)
    _unique_ids(reader, [(question.id, question.line) for question in questions])
    return reader, tuple(questions)


def _general(folder: Path) -> tuple[Reader, tuple[GeneralAnswers, ...]]:
    reader = Reader(folder / "general.jsonl")
    rows: list[GeneralAnswers] = []
    if not reader.path.exists():
        return reader, ()
    for row in reader.read_json_lines():
        reader.keys(row, ("instruction", "answers"))
        answers = []
        for item in reader.items(row, "answers", required=True):
            reader.keys(item, ("text", "emotion"))
            answers.append(
                Answer(reader.text(item, "text"), reader.choice(item, "emotion", LABELS))
            )
        rows.append(GeneralAnswers(reader.text(row, "instruction"), tuple(answers), row.line))
    _unique_ids(reader, [(row.instruction, row.line) for row in rows], "instruction")
    return reader, tuple(rows)


def _tavern(folder: Path) -> tuple[Reader, dict[str, Any] | None]:
    reader = Reader(folder / "tavern.json")
    if not reader.path.exists():
        return reader, None
    text = reader.file_text()
    if text is None:
        return reader, None
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        reader.wrong(0, "", None, f"This is not valid JSON ({error}); import the card again.")
        return reader, None
    if not isinstance(card, dict):
        reader.wrong(0, "", None, "This is no Tavern card; import the card again.")
        return reader, None
    return reader, card


def _unique_ids(reader: Reader, rows: list[tuple[str, int]], field: str = "id") -> None:
    first: dict[str, int] = {}
    for identity, line in rows:
        if identity and identity in first:
            remedy = f"Line {first[identity]} has it already; give each line its own."
            reader.wrong(line, field, identity, remedy)
        first.setdefault(identity, line)
