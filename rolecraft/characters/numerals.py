"""Small numbers as people write them: in digits, or in Chinese up to 99."""

import re

NUMBER = r"(?:[0-9]+|[零一二两三四五六七八九十]+)"  # a pattern

_DIGITS = {character: n for n, character in enumerate("零一二三四五六七八九")}
_DIGITS["两"] = 2


def number(text: str) -> int | None:
    """The number that begins a text, in digits or in Chinese up to 99."""
    if digits := re.match(r"\d+", text):
        return int(digits.group())
    spoken = re.match(r"[零一二两三四五六七八九十]+", text)
    if not spoken:
        return None
    tens, ten, ones = spoken.group().rpartition("十")
    if not ten:
        return _DIGITS[ones] if len(ones) == 1 else None
    return (_DIGITS.get(tens, 1) if tens else 1) * 10 + (_DIGITS.get(ones, 0) if ones else 0)
