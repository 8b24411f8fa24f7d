"""A character as a Tavern Character Card (V2 or V3 JSON), and such a card as a character.

Knows no container: `cards` reads and writes JSON, PNG and CHARX. Nothing of a card is lost: what
has no place in a character stays in `Character.tavern` and comes out again, and what a card has no
place for travels in `extensions.rolecraft`.
"""

import copy
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rolecraft.characters.folder import (
    SLUG,
    card_fields,
    everyday_of,
    general_of,
    questions_of,
    script_of,
    wordings_of,
)
from rolecraft.characters.marked import Node, Reader, from_json
from rolecraft.characters.model import (
    FIELD_NAMES,
    Bilingual,
    Character,
    Dialogue,
    Utterance,
    field_name,
)
from rolecraft.characters.plain import (
    asked_data,
    card_data,
    everyday_data,
    general_data,
    questions_data,
    script_data,
)
from rolecraft.emotions import split_opening
from rolecraft.errors import CharacterInvalid

SPECS = {2: ("chara_card_v2", "2.0"), 3: ("chara_card_v3", "3.0")}
EXTENSION = "rolecraft"
EXAMPLES = 4  # answered questions that a card shows as example messages

_TEXTS = (
    "name", "description", "personality", "scenario", "first_mes", "mes_example", "creator_notes",
    "creator",
)  # fmt: skip
_LISTS = ("alternate_greetings", "tags")
_ALWAYS = {"system_prompt": "", "post_history_instructions": "", "character_version": "1.0"}
_MACRO = re.compile(r"\{\{(char|user)\}\}|<(BOT|USER)>", re.IGNORECASE)
_LINE = re.compile(r"^\s*([^：:\n]{1,24})[：:]\s*(\S.*)$")
_FIELDS = {
    name.casefold(): key for key, names in FIELD_NAMES.items() for name in (key, *names.values())
}
_STYLE = "说话方式"


def to_card(character: Character, version: int = 3) -> dict[str, Any]:
    """The character as a card of that version.

    A card that it was imported from is the ground: only what was changed since is written over it.
    """
    spec, spec_version = SPECS[version]
    card: dict[str, Any] = copy.deepcopy(dict(character.tavern or {}))
    first = from_card(card, Path("tavern.json")) if card else None
    data = card.get("data") if isinstance(card.get("data"), dict) else dict(card)
    assert data is not None
    before = _standard(first) if first else {}
    for key, value in _standard(character).items():
        if key not in data or value != before.get(key):
            data[key] = value
    for key, default in _ALWAYS.items():
        data.setdefault(key, default)
    if version == 3:
        data.setdefault("group_only_greetings", [])
    extensions = data.get("extensions")
    data["extensions"] = {**(extensions if isinstance(extensions, dict) else {})}
    data["extensions"][EXTENSION] = _payload(character)
    for key in _TEXTS[:6]:
        if key in card:  # old readers look for these fields outside of data
            card[key] = data[key]
    return {**card, "spec": spec, "spec_version": spec_version, "data": data}


def from_card(card: Mapping[str, Any], path: Path, identity: str | None = None) -> Character:
    """A card of V1, V2 or V3 as a character. Raises `CharacterInvalid`, naming field and value.

    Fields that another program edited win over `extensions.rolecraft`.
    """
    data = card.get("data", card)
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        raise CharacterInvalid(
            f"{path} is no character card: it has no data.name. "
            "Export it again as a Tavern card V2 or V3."
        )
    fields = {key: _text(data, key, path) for key in _TEXTS}
    lists = {key: _list(data, key, path) for key in _LISTS}
    character = _extension(data, path) or _blank(fields["name"].strip(), path)
    if identity:
        character = replace(character, id=identity)
    if not SLUG.fullmatch(character.id) or len(character.id) > 40:
        raise CharacterInvalid(
            f"The id is {character.id!r}; use up to 40 small letters, digits and single hyphens."
        )
    return _edited(character, fields, lists)


def imported(card: Mapping[str, Any], path: Path, identity: str | None = None) -> Character:
    """`from_card`, remembering the card itself unless it holds nothing of its own."""
    character = from_card(card, path, identity)
    version = 2 if card.get("spec") == SPECS[2][0] else 3
    if to_card(character, version) == card:
        return character
    return replace(character, tavern=copy.deepcopy(dict(card)))


def _standard(character: Character) -> dict[str, Any]:
    """The fields that every reader of cards knows, made from the character."""
    lines = [f"{field_name(key)}：{value}" for key, value in character.profile.items()]
    if character.style.summary:
        lines.append(f"{_STYLE}：{character.style.summary}")
    examples = [
        f"<START>\n{{{{user}}}}: {question.question}\n{{{{char}}}}: {question.answer}"
        for question in character.questions_of("train")[:EXAMPLES]
    ]
    return {
        "name": character.name["zh"],
        "description": "\n".join(lines),
        "personality": "、".join(character.traits),
        "scenario": "",
        "first_mes": character.greeting["zh"],
        "mes_example": "\n".join(examples),
        "creator_notes": character.tagline["zh"],
        "creator": character.author,
        "alternate_greetings": [greeting["zh"] for greeting in character.alternate_greetings],
        "tags": list(character.traits),
    }


def _payload(character: Character) -> dict[str, Any]:
    return {
        "version": 1,
        "card": card_data(character),
        "script": script_data(character),
        "questions": questions_data(character),
        "general": general_data(character),
        "everyday": everyday_data(character),
        "asked": asked_data(character),
    }


def _extension(data: Mapping[str, Any], path: Path) -> Character | None:
    extensions = data.get("extensions")
    payload = extensions.get(EXTENSION) if isinstance(extensions, Mapping) else None
    if payload is None:
        return None
    reader = Reader(path)
    where = f"data.extensions.{EXTENSION}"
    root = from_json(payload, 0, where)
    character = None
    if reader.mapping(root):
        card = root.value.get("card", Node({}, 0, f"{where}.card"))
        fields = card_fields(reader, card)
        script = script_of(reader, reader.items(root, "script"))
        questions = questions_of(reader, reader.items(root, "questions"))
        general = general_of(reader, reader.items(root, "general"))
        everyday = everyday_of(reader, reader.items(root, "everyday"), None)
        asked = wordings_of(reader, root.value.get("asked"), fields, script)
        if not reader.problems:
            character = Character(
                **fields,
                script=script,
                questions=questions,
                general=general,
                everyday=everyday,
                asked=asked,
            )
    if character is None:
        found = str(reader.problems[0]) if reader.problems else f"{path}: {where} is empty."
        raise CharacterInvalid(f"{found} Or take {where} out of the card.")
    return character


def _blank(name: str, path: Path) -> Character:
    if not name:
        raise CharacterInvalid(f"{path}: data.name is empty. Give the character a name.")
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:40].strip("-")
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Character(
        id=slug if len(slug) > 1 else f"character-{digest[:8]}",
        name={"zh": name, "en": name},
        greeting={"zh": f"你好，我是{name}。", "en": f"Hello, I am {name}."},
        profile={"name": name},
    )


def _edited(
    character: Character, fields: Mapping[str, str], lists: Mapping[str, list[str]]
) -> Character:
    """The character with what the card's own fields say otherwise."""
    before = _standard(character)
    name = fields["name"].strip()
    changed = {key for key in _TEXTS if fields[key] and fields[key] != before[key]}
    changed |= {key for key in _LISTS if lists[key] and lists[key] != before[key]}

    def said(text: str) -> str:
        return _MACRO.sub(lambda m: _meant(m, name), text).strip()

    if "name" in changed and name:
        profile = {**character.profile, "name": name}
        character = replace(character, name={"zh": name, "en": name}, profile=profile)
    if "description" in changed:
        character = _described(character, said(fields["description"]))
    if "scenario" in changed:
        background = character.profile.get("background", "")
        together = f"{background}\n{said(fields['scenario'])}".strip()
        character = replace(character, profile={**character.profile, "background": together})
    if "personality" in changed:
        character = _with_personality(character, said(fields["personality"]))
    if "first_mes" in changed:
        character = replace(character, greeting=_both(said(fields["first_mes"])))
    if "alternate_greetings" in changed:
        greetings = tuple(_both(said(text)) for text in lists["alternate_greetings"])
        character = replace(character, alternate_greetings=greetings)
    if "mes_example" in changed and not character.script:
        character = replace(character, script=_examples(fields["mes_example"], name))
    if "creator_notes" in changed:
        note = fields["creator_notes"].strip().splitlines()
        character = replace(character, tagline=_both(note[0][:80] if note else ""))
    if "creator" in changed:
        character = replace(character, author=fields["creator"].strip())
    if "tags" in changed and not character.traits:
        character = replace(character, traits=tuple(lists["tags"][:6]))
    return character


def _described(character: Character, description: str) -> Character:
    """Lines such as 年龄：12岁 or Age: 12 are fields; all else is background."""
    profile = dict(character.profile)
    rest = []
    for line in description.splitlines():
        found = _LINE.match(line)
        key = _FIELDS.get(found.group(1).strip().casefold()) if found else None
        if found and key:
            profile[key] = found.group(2).strip()
        elif found and found.group(1).strip() == _STYLE:
            style = replace(character.style, summary=found.group(2).strip())
            character = replace(character, style=style)
        else:
            rest.append(line)
    if background := "\n".join(rest).strip():
        profile["background"] = background
    return replace(character, profile=profile)


def _with_personality(character: Character, personality: str) -> Character:
    words = [word for word in re.split(r"[\s,，、;；.。]+", personality) if word]
    if len(words) <= 8 and all(len(word) <= 12 for word in words):
        return replace(character, traits=tuple(dict.fromkeys(words)))
    return replace(character, profile={**character.profile, "personality": personality})


def _examples(text: str, name: str) -> tuple[Dialogue, ...]:
    """Example messages as dialogues. An emotion that is not written is neutral."""
    dialogues = []
    for n, block in enumerate(re.split(r"<START>", text, flags=re.IGNORECASE), start=1):
        turns = []
        for speaker, said in re.findall(
            r"^\s*\{\{(char|user)\}\}\s*[：:]\s*(.*?)\s*(?=^\s*\{\{(?:char|user)\}\}\s*[：:]|\Z)",
            block,
            flags=re.IGNORECASE | re.MULTILINE | re.DOTALL,
        ):
            emotion, words = split_opening(_MACRO.sub(lambda m: _meant(m, name), said))
            if words.strip():
                who = name if speaker.lower() == "char" else "访客"
                turns.append(Utterance(who, words.strip(), emotion or "中立"))
        if turns:
            dialogues.append(Dialogue(f"d{n:02d}", "", tuple(turns)))
    return tuple(dialogues)


def _meant(macro: re.Match[str], name: str) -> str:
    return name if (macro.group(1) or macro.group(2)).lower() in ("char", "bot") else "你"


def _both(text: str) -> Bilingual:
    return {"zh": text, "en": text}


def _text(data: Mapping[str, Any], key: str, path: Path) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CharacterInvalid(f"{path}: data.{key} is {str(value)[:60]!r}; it must be a text.")
    return value


def _list(data: Mapping[str, Any], key: str, path: Path) -> list[str]:
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CharacterInvalid(
            f"{path}: data.{key} is {str(value)[:60]!r}; it must be a list of texts."
        )
    return [one for one in value if one.strip()]
