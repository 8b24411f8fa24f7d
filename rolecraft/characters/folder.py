"""One character folder (card.yaml and the files beside it) as a Character.

Judges form only: fields, types, labels, unique ids. Whether the writing is good is `check`'s work.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
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
    Everyday,
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


# What everybody says, by topic, or is asked, by what is asked after: the ways of saying it.
Topics = Mapping[str, tuple[str, ...]]


def read_folder(
    folder: Path, topics: Topics | None = None, asked_commonly: Topics | None = None
) -> tuple[Character | None, list[Problem]]:
    """The character in `folder`, or None with the problems that keep it off the shelf.

    `topics` are those of the shelf; without them everyday answers are read but not found by asking.
    `asked_commonly` is how the shelf's visitors ask after fields of a profile, of whomever it is.
    """
    card = Reader(folder / "card.yaml")
    root = card.read_yaml()
    fields = card_fields(card, root) if root else {}
    if fields.get("id") and fields["id"] != folder.name:
        remedy = f"The folder is called {folder.name!r}; make the two the same."
        card.wrong(root.value["id"].line if root else 0, "id", fields["id"], remedy)
    script, asked, shared, daily, foreign = (
        Reader(folder / name)
        for name in (
            "script.jsonl", "questions.jsonl", "general.jsonl", "everyday.jsonl", "tavern.json",
        )
    )  # fmt: skip
    dialogues = script_of(script, _rows(script))
    questions = questions_of(asked, _rows(asked))
    general = general_of(shared, _rows(shared))
    everyday = everyday_of(daily, _rows(daily), topics)
    tavern = _tavern(foreign)
    ways = Reader(folder / "asked.yaml")
    wordings = wordings_of(
        ways, ways.read_yaml() if ways.path.exists() else None, fields, dialogues
    )
    readers = (card, script, asked, shared, daily, foreign, ways)
    problems = [problem for reader in readers for problem in reader.problems]
    if problems:
        return None, problems
    portrait = next((folder / name for name in PORTRAITS if (folder / name).is_file()), None)
    character = Character(
        **fields,
        script=dialogues,
        questions=questions,
        general=general,
        everyday=everyday,
        asked=wordings,
        asked_commonly={
            origin: ways
            for origin, ways in (asked_commonly or {}).items()
            if origin.removeprefix("profile.") in fields["profile"]
        },
        tavern=tavern,
        folder=folder,
        portrait=portrait,
    )
    return character, []


def card_fields(reader: Reader, root: Node) -> dict[str, Any]:
    """The fields of a `Character` that card.yaml holds."""
    if not isinstance(root.value, dict):
        reader.wrong(root.line, root.field, root.value, "Write a mapping: id: …, name: ….")
        return {}
    reader.keys(root, CARD_FIELDS)
    identity = reader.text(root, "id")
    if identity and (not SLUG.fullmatch(identity) or len(identity) > 40):
        remedy = "Use up to 40 small letters, digits and single hyphens, such as zhou-xiaobei."
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


def _rows(reader: Reader) -> Iterable[Node]:
    return reader.read_json_lines() if reader.path.exists() else ()


def script_of(reader: Reader, rows: Iterable[Node]) -> tuple[Dialogue, ...]:
    """The dialogues of script.jsonl."""
    dialogues: list[Dialogue] = []
    for row in rows:
        reader.keys(row, ("id", "scene", "turns"))
        turns = []
        for item in reader.items(row, "turns", required=True):
            reader.keys(item, ("speaker", "text", "emotion"))
            speaker, text = reader.text(item, "speaker"), reader.text(item, "text")
            turns.append(Utterance(speaker, text, reader.choice(item, "emotion", LABELS)))
        scene = reader.text(row, "scene", required=False)
        dialogues.append(Dialogue(reader.text(row, "id"), scene, tuple(turns), row.line))
    _unique_ids(reader, [(dialogue.id, dialogue.line) for dialogue in dialogues])
    return tuple(dialogues)


def wordings_of(
    reader: Reader, root: Node | None, fields: Mapping[str, Any], script: Iterable[Dialogue]
) -> dict[str, tuple[str, ...]]:
    """asked.yaml: how visitors ask after a field (profile.age) or a scene (script.d03)."""
    origins = {f"profile.{key}" for key in fields.get("profile", ())}
    origins |= {f"script.{dialogue.id}" for dialogue in script}
    remedy = "Name a field of the profile (profile.age) or a dialogue (script.d03)."
    return _ways(reader, root, origins, remedy)


def _ways(
    reader: Reader, root: Node | None, origins: Collection[str], remedy: str
) -> dict[str, tuple[str, ...]]:
    """The ways under each of these origins; what is asked after something else is wrong."""
    if root is None:
        return {}
    ways = reader.mapping(root)
    for origin in ways.keys() - set(origins):
        reader.wrong(ways[origin].line, origin, None, remedy)
    return {origin: reader.texts(root, origin) for origin in ways}


def questions_of(reader: Reader, rows: Iterable[Node]) -> tuple[Question, ...]:
    """The questions of questions.jsonl."""
    questions: list[Question] = []
    for row in rows:
        reader.keys(row, ("id", "kind", "question", "answer", "emotion", "split", "source"))
        source = reader.mapping(row).get("source")
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
    return tuple(questions)


def general_of(reader: Reader, rows: Iterable[Node]) -> tuple[GeneralAnswers, ...]:
    """The answers of general.jsonl."""
    found: list[GeneralAnswers] = []
    for row in rows:
        reader.keys(row, ("instruction", "answers"))
        answers = []
        for item in reader.items(row, "answers", required=True):
            reader.keys(item, ("text", "emotion"))
            answers.append(
                Answer(reader.text(item, "text"), reader.choice(item, "emotion", LABELS))
            )
        found.append(GeneralAnswers(reader.text(row, "instruction"), tuple(answers), row.line))
    _unique_ids(reader, [(row.instruction, row.line) for row in found], "instruction")
    return tuple(found)


def everyday_of(
    reader: Reader, rows: Iterable[Node], topics: Topics | None
) -> tuple[Everyday, ...]:
    """The answers of everyday.jsonl; each must be to a topic of the shelf, where it has any."""
    found: list[Everyday] = []
    for row in rows:
        reader.keys(row, ("topic", "text", "emotion"))
        topic = reader.text(row, "topic")
        if topic and topics is not None and topic not in topics:
            remedy = "Name a topic of everyday.yaml beside the character folders, or add it there."
            reader.wrong(row.line, "topic", topic, remedy)
        answer = Answer(reader.text(row, "text"), reader.choice(row, "emotion", LABELS))
        found.append(Everyday(topic, answer, (topics or {}).get(topic, ()), row.line))
    _unique_ids(reader, [(row.topic, row.line) for row in found], "topic")
    return tuple(found)


def read_topics(reader: Reader) -> Topics | None:
    """everyday.yaml: under each topic the ways in which visitors say it. None without the file."""
    root = reader.read_yaml() if reader.path.exists() else None
    if root is None:
        return None
    return {topic: reader.texts(root, topic) for topic in reader.mapping(root)}


def read_asked(reader: Reader) -> Topics:
    """The shelf's asked.yaml: ways of asking after fields (profile.age) that any profile may have.

    Empty without the file.
    """
    known = sorted(f"profile.{key}" for key in FIELD_NAMES)
    remedy = f"Name a field that the project knows: {', '.join(known)}."
    return _ways(reader, reader.read_yaml() if reader.path.exists() else None, known, remedy)


def _tavern(reader: Reader) -> dict[str, Any] | None:
    text = reader.file_text() if reader.path.exists() else None
    if text is None:
        return None
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        reader.wrong(0, "", None, f"This is not valid JSON ({error}); import the card again.")
        return None
    if not isinstance(card, dict):
        reader.wrong(0, "", None, "This is no Tavern card; import the card again.")
        return None
    return card


def _unique_ids(reader: Reader, rows: list[tuple[str, int]], field: str = "id") -> None:
    first: dict[str, int] = {}
    for identity, line in rows:
        if identity and identity in first:
            remedy = f"Line {first[identity]} has it already; give each line its own."
            reader.wrong(line, field, identity, remedy)
        first.setdefault(identity, line)
