"""The prompts of the stages that ask, filled in from `material/prompts.yaml`.

Knows the words only; what is filled in is the stage's.
"""

from functools import cache
from pathlib import Path
from string import Template

import yaml

from rolecraft.characters.model import Character, field_name
from rolecraft.emotions import LABELS

_FILE = Path(__file__).parents[1] / "material" / "prompts.yaml"


@cache
def _prompts() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(_FILE.read_text("utf-8"))
    return found


def prompt(stage: str, key: str, /, **values: object) -> str:
    """A prompt with its places filled; a place without a value is a KeyError."""
    told = {"labels": "、".join(LABELS), **values}
    return Template(_prompts()[stage][key]).substitute(told)


def portrait(character: Character) -> str:
    """Who a character is, for an engine that writes for them: profile, style, what they avoid."""
    lines = [f"人物：{character.name['zh']}"]
    lines += [f"{field_name(key)}：{value}" for key, value in character.profile.items()]
    if character.traits:
        lines.append(f"性格词：{'、'.join(character.traits)}")
    style = character.style
    for name, value in (
        ("说话", style.summary),
        ("语气词", "、".join(style.particles)),
        ("方言", "、".join(style.dialect)),
        ("从不会说", "；".join(style.never_says)),
    ):
        if value:
            lines.append(f"{name}：{value}")
    return "\n".join(lines)
