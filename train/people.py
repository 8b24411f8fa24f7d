"""Draws people: names, ages, work, and the facts that a profile holds, from `train/material/`.

Every tenth value is kept away from training: `benchmarks/mini.py` measures with it.
"""

import functools
import random
from collections.abc import Sequence
from typing import Any

from rolecraft.characters.model import AGE_GROUPS, Character, Style
from train.topics import cast, material

OPEN_FIELDS = (
    "personality", "background", "hobbies", "strengths", "dream", "family", "relationships",
    "occupation", "residence", "favourite_colour", "favourite_food", "favourite_sport",
    "favourite_television", "favourite_film", "disliked_food", "dislikes", "fears", "catchphrase",
)  # fmt: skip
NUMBERS = {"height": (60, 210, "厘米"), "weight": (8, 150, "公斤")}


def kept(values: Sequence[Any], heldout: bool) -> list[Any]:
    """Nine tenths of a pool for training, or the held-out tenth."""
    return [value for place, value in enumerate(values) if (place % 10 == 9) == heldout]


class People:
    """Draws one after the other. `heldout` draws from the values that training never sees.

    With `phrases`, half of the open facts are words that nobody would guess, and half of the
    numbers lie anywhere.
    """

    def __init__(self, rng: random.Random, heldout: bool, phrases: Sequence[str] = ()) -> None:
        self.rng = rng
        self.heldout = heldout
        self.phrases = phrases
        self.values = material("values")

    def person(self) -> tuple[Character, str]:
        """A character whose facts are drawn, and the voice it speaks in."""
        pick = self.rng.choice
        work = pick(kept(self.values["occupations"], self.heldout))
        voice = pick(work["voices"])
        age = self.rng.randint(*work["age"])
        group = next(name for name, (low, high) in AGE_GROUPS.items() if low <= age <= high)
        gender = pick(["male", "female"])
        name = pick(self._pool("surnames")) + pick(self._pool("given_names", gender))
        month, day = self.rng.randint(1, 12), self.rng.randint(1, 28)
        profile = {
            "name": name,
            "age": f"{age}岁",
            "height": f"{self._height(age)}厘米",
            "weight": f"{self._weight(age)}公斤",
            "birthday": f"{month}月{day}日",
            "zodiac": zodiac(month, day),
            "occupation": work["name"],
            "residence": pick(self._pool("residences")),
            "personality": pick(self._pool("personality")),
            "hobbies": "、".join(self.rng.sample(self._pool("hobbies"), self.rng.randint(2, 3))),
            "strengths": pick(self._pool("strengths")),
            "favourite_colour": pick(self._pool("colours")),
            "favourite_food": self._food("foods"),
            "favourite_sport": pick(self._pool("sports")),
            "favourite_television": pick(self._pool("television")),
            "favourite_film": pick(self._pool("films")),
            "disliked_food": self._food("disliked_foods"),
            "dislikes": pick(self._pool("dislikes")),
            "fears": pick(self._pool("fears")),
            "catchphrase": pick(self._pool("catchphrases")),
        }
        for key, pool in (
            ("background", "background"),
            ("dream", "dreams"),
            ("family", "family"),
            ("relationships", "relationships"),
        ):
            profile[key] = pick(self._pool(pool, self._life(group, pool)))
        for key in OPEN_FIELDS:
            if self.phrases and self.rng.random() < 0.5:
                profile[key] = pick(self.phrases)
        for key, (low, high, unit) in NUMBERS.items():
            if self.phrases and self.rng.random() < 0.5:
                profile[key] = f"{self.rng.randint(low, high)}{unit}"
        styles = [style["text"] for style in self.values["styles"] if style["voice"] == voice]
        character = Character(
            id="imagined",
            name={"zh": name, "en": ""},
            greeting={"zh": "", "en": ""},
            profile=profile,
            gender=gender,
            age_group=group,
            traits=tuple(self.rng.sample(traits(), self.rng.randint(3, 4))),
            style=Style(summary=pick(styles)) if styles else Style(),
        )
        return character, voice

    def _pool(self, name: str, key: str = "") -> list[Any]:
        pool = self.values[name]
        return kept(pool[key] if isinstance(pool, dict) else pool, self.heldout)

    def _life(self, group: str, pool: str) -> str:
        keys = self.values[pool]
        if not isinstance(keys, dict) or group in keys:
            return group
        return "adult" if "adult" in keys and group in ("young", "middle") else list(keys)[-1]

    def _food(self, pool: str) -> str:
        place = self.rng.choice(
            ["", "", "", "妈妈做的", "街口那家的", "放凉了的", "外婆包的", "刚出锅的", "自家的"]
        )
        return place + str(self.rng.choice(self._pool(pool)))

    def _height(self, age: int) -> int:
        middle = 105 + 5 * (age - 5) if age < 14 else 165
        return middle + self.rng.randint(-9, 14)

    def _weight(self, age: int) -> int:
        middle = 17 + 3 * (age - 5) if age < 14 else 59
        return middle + self.rng.randint(-5, 18)


_SIGNS = (
    (1, 20, "摩羯座"), (2, 19, "水瓶座"), (3, 21, "双鱼座"), (4, 20, "白羊座"),
    (5, 21, "金牛座"), (6, 22, "双子座"), (7, 23, "巨蟹座"), (8, 23, "狮子座"),
    (9, 23, "处女座"), (10, 24, "天秤座"), (11, 23, "天蝎座"), (12, 22, "射手座"),
)  # fmt: skip


def zodiac(month: int, day: int) -> str:
    """The sign of a birthday; each sign ends the day before the date in the table."""
    return next((sign for m, d, sign in _SIGNS if (month, day) < (m, d)), "摩羯座")


@functools.cache
def traits() -> list[str]:
    """The traits of the cast, which imagined people share."""
    return sorted({trait for one in cast() for trait in one.traits})
