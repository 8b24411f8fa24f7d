"""A description in one text (`名字：…；年龄：…`) as profile fields.

A piece whose name is no field of a profile is kept in the background under its own name; nothing
is thrown away. Knows no file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rolecraft.characters.model import AGE_GROUPS, FIELD_NAMES

_MORE = {
    "名字": "name", "名称": "name", "岁数": "age", "性格特点": "personality", "个性": "personality",
    "背景": "background", "背景故事": "background", "经历": "background", "兴趣": "hobbies",
    "兴趣爱好": "hobbies", "擅长": "strengths", "理想": "dream", "家庭": "family",
    "家庭情况": "family", "家庭成员": "family", "关系": "relationships", "工作": "occupation",
    "居住地": "residence", "喜欢的电视剧": "favourite_television",
    "讨厌的食物": "disliked_food", "不喜欢的事": "dislikes", "害怕的东西": "fears",
}  # fmt: skip
FIELDS = {name["zh"]: key for key, name in FIELD_NAMES.items()} | _MORE
FIELDS |= {name["en"].casefold(): key for key, name in FIELD_NAMES.items()}

_NAME = re.compile(
    r"(?:^|(?<=[，,；;。.\n]))[ \t]*([\u4e00-\u9fff]{2,8}|[A-Z][A-Za-z ]{2,20})[ \t]*[：:][ \t]*"
)
_SEPARATORS = " \t\n，,；;"


@dataclass(frozen=True)
class Piece:
    """One piece of a description: its line, its own name, the field it belongs to ("" if none)."""

    line: int
    name: str
    field: str
    value: str


def pieces(text: str) -> Iterator[Piece]:
    """The pieces of a description, in order; text before the first name has the name ""."""
    marks = list(_NAME.finditer(text))
    starts = [(0, 0, "")] + [(m.start(), m.end(), m.group(1).strip()) for m in marks]
    for n, (start, value_start, name) in enumerate(starts):
        end = starts[n + 1][0] if n + 1 < len(starts) else len(text)
        value = text[value_start:end].strip(_SEPARATORS)
        if name or value:
            line = text.count("\n", 0, value_start or start) + 1
            yield Piece(line, name, FIELDS.get(name, FIELDS.get(name.casefold(), "")), value)


def age_group(age: str) -> str:
    """The age group of a text such as 12岁; "" when it names no age."""
    found = re.search(r"\d{1,3}", age)
    if not found:
        return ""
    years = int(found.group())
    return next((group for group, (low, high) in AGE_GROUPS.items() if low <= years <= high), "")
