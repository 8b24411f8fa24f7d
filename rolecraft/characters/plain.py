"""A character as plain data, and as the files of its folder: the other way round from `folder`.

Knows no Tavern card.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from rolecraft.characters.model import Character
from rolecraft.errors import CharacterInvalid


def card_data(character: Character) -> dict[str, Any]:
    """What card.yaml holds. Empty optional fields are left out."""
    body: dict[str, Any] = {
        "id": character.id,
        "name": dict(character.name),
        "tagline": dict(character.tagline),
        "gender": character.gender,
        "age_group": character.age_group,
        "greeting": dict(character.greeting),
        "alternate_greetings": [dict(one) for one in character.alternate_greetings],
        "starters": [dict(one) for one in character.starters],
        "traits": list(character.traits),
        "mood": character.mood,
        "emotions": [_filled(asdict(one)) for one in character.emotions],
        "style": _filled({k: _listed(v) for k, v in asdict(character.style).items()}),
        "profile": dict(character.profile),
        "relations": [_filled(asdict(one)) for one in character.relations],
        "birth_year": character.birth_year,
        "licence": character.licence,
        "author": character.author,
    }
    if not character.tagline["zh"]:
        del body["tagline"]
    return _filled(body)


def script_data(character: Character) -> list[dict[str, Any]]:
    """What script.jsonl holds, a row for each dialogue."""
    return [
        _filled({"id": one.id, "scene": one.scene})
        | {"turns": [asdict(turn) for turn in one.turns]}
        for one in character.script
    ]


def questions_data(character: Character) -> list[dict[str, Any]]:
    """What questions.jsonl holds, a row for each question."""
    return [_without_line(asdict(question)) for question in character.questions]


def general_data(character: Character) -> list[dict[str, Any]]:
    """What general.jsonl holds, a row for each instruction."""
    return [
        {"instruction": row.instruction, "answers": [asdict(one) for one in row.answers]}
        for row in character.general
    ]


def everyday_data(character: Character) -> list[dict[str, Any]]:
    """What everyday.jsonl holds, a row for each topic."""
    return [{"topic": row.topic, **asdict(row.answer)} for row in character.everyday]


def asked_data(character: Character) -> dict[str, list[str]]:
    """What asked.yaml holds: ways of asking, by what they ask after."""
    return {origin: list(ways) for origin, ways in character.asked.items()}


def write_folder(
    character: Character, shelf_folder: Path, files: Mapping[str, bytes] | None = None
) -> Path:
    """Write a character folder under `shelf_folder`, whole or not at all, and return it.

    `files` are written beside the card (a portrait, assets). Raises `CharacterInvalid` when a
    folder of that id is there already.
    """
    folder = shelf_folder / character.id
    if folder.exists():
        raise CharacterInvalid(
            f"There is a folder {folder} already. Choose another id, or move that folder away."
        )
    shelf_folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf_folder))
    try:
        draft.chmod(0o755)
        card = yaml.safe_dump(card_data(character), allow_unicode=True, sort_keys=False, width=100)
        (draft / "card.yaml").write_text(card, encoding="utf-8")
        _write_rows(draft / "script.jsonl", script_data(character))
        _write_rows(draft / "questions.jsonl", questions_data(character))
        _write_rows(draft / "general.jsonl", general_data(character))
        _write_rows(draft / "everyday.jsonl", everyday_data(character))
        if character.asked:
            ways = yaml.safe_dump(asked_data(character), allow_unicode=True, sort_keys=False)
            (draft / "asked.yaml").write_text(ways, encoding="utf-8")
        if character.tavern is not None:
            body = json.dumps(character.tavern, ensure_ascii=False, indent=1)
            (draft / "tavern.json").write_text(body, encoding="utf-8")
        for name, content in (files or {}).items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    if lines:
        path.write_text("".join(lines), encoding="utf-8")


def _filled(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value not in (None, "", [], {})}


def _without_line(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "line"}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
