"""Emotion labels as they are found in raw data, read into the ten by an explicit table.

Knows no file. A label that neither the ten nor the table hold is reported and never guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rolecraft.emotions import EMOTIONS, LABELS

# Words found in place of the ten. Only words with one evident meaning stand here.
TABLE: Mapping[str, str] = {
    "激动": "兴奋",
    "生气": "愤怒",
    "气愤": "愤怒",
    "恼怒": "愤怒",
    "高兴": "快乐",
    "开心": "快乐",
    "喜悦": "快乐",
    "难过": "悲伤",
    "伤心": "悲伤",
    "害怕": "恐惧",
    "恐慌": "恐惧",
    "吃惊": "惊讶",
    "震惊": "惊讶",
    "讨厌": "厌恶",
    "反感": "厌恶",
    "失望": "沮丧",
    "失落": "沮丧",
    "平静": "中立",
    "中性": "中立",
    "其它": "其他",
    "憤怒": "愤怒",
    "厭惡": "厌恶",
    "恐懼": "恐惧",
    "快樂": "快乐",
    "悲傷": "悲伤",
    "驚訝": "惊讶",
    "沮喪": "沮丧",
    "興奮": "兴奋",
    **{emotion.en.lower(): emotion.zh for emotion in EMOTIONS},
    "angry": "愤怒",
    "disgusted": "厌恶",
    "afraid": "恐惧",
    "scared": "恐惧",
    "happy": "快乐",
    "joy": "快乐",
    "grateful": "快乐",  # of the ten, gratitude is nearest to happiness
    "sad": "悲伤",
    "surprised": "惊讶",
    "calm": "中立",
    "frustrated": "沮丧",
    "excited": "兴奋",
    "others": "其他",
}

_OPEN, _CLOSE = r"[（(\[［【〔<〈]", r"[)）\]］】〕>〉]"
_CLOSED = re.compile(rf"\s*{_OPEN}\s*([^\s（(\[［【〔<〈)）\]］】〕>〉]{{1,16}})\s*{_CLOSE}\s*")
_UNCLOSED = re.compile(rf"\s*{_OPEN}\s*(?P<rest>.*)", re.DOTALL)
_UNOPENED = re.compile(rf"\s*(\w{{1,16}})\s*{_CLOSE}\s*")
_LATIN = re.compile(r"\s*([A-Za-z]{3,12})(?=[^A-Za-z\s])")


@dataclass(frozen=True)
class Labelled:
    """A text without its label. `repair` says how the label was read, `unknown` what it was."""

    emotion: str | None
    text: str
    repair: str = ""
    unknown: str = ""
    unclosed: bool = False


class Labels:
    """The ten labels and the table that leads to them."""

    def __init__(self, more: Mapping[str, str] | None = None) -> None:
        self.table = {**TABLE, **{key.lower(): value for key, value in (more or {}).items()}}
        words = sorted({*LABELS, *self.table}, key=len, reverse=True)
        self._word = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
        marked = "|".join(map(re.escape, LABELS))
        self._inside = re.compile(rf"(?<=\S)[（(]({marked}|激动|生气)[)）]")

    def meaning(self, word: str) -> str | None:
        """The label of the ten that a word stands for."""
        return word if word in LABELS else self.table.get(word.lower())

    def named(self, word: str, text: str) -> Labelled:
        """A label that stands in a field of its own."""
        word = word.strip().strip("（()）[]【】").strip()
        if not word:
            return Labelled(None, text)
        meaning = self.meaning(word)
        if meaning is None:
            return Labelled(None, text, unknown=word)
        return Labelled(meaning, text, self._read_as(word, meaning))

    def opening(self, text: str, loose: bool = False) -> Labelled:
        """The label that opens a text in brackets.

        With `loose`, as in scripts where every line has one, an unclosed or unopened bracket and a
        label without brackets are read too; elsewhere （快乐 might begin an ordinary aside.
        """
        found = _CLOSED.match(text)
        if found:
            rest, word = text[found.end() :], found.group(1)
            meaning = self.meaning(word)
            if meaning is None:
                return Labelled(None, text, unknown=word)
            return Labelled(meaning, rest, self._read_as(word, meaning))
        return self._loose(text) if loose else Labelled(None, text)

    def _loose(self, text: str) -> Labelled:
        found = _UNCLOSED.match(text)
        word = self._word.match(found.group("rest")) if found else None
        if found and word:
            rest = found.group("rest")[word.end() :].strip()
            if rest[-1:] in ("）", ")") and not re.search(r"[（(]", rest):
                rest = rest[:-1]
            return self._mended(word.group(), rest, "unclosed bracket of", unclosed=True)
        found = _UNOPENED.match(text)
        if found and self.meaning(found.group(1)):
            return self._mended(found.group(1), text[found.end() :], "unopened bracket of")
        found = _LATIN.match(text) or self._word.match(text.lstrip())
        if found and self.meaning(found.group().strip()):
            rest = text.lstrip()[len(found.group().strip()) :]
            return self._mended(found.group().strip(), rest, "no brackets around")
        return Labelled(None, text)

    def without_inner(self, text: str) -> str:
        """A text whose words for feelings were bracketed by an annotator, without the brackets."""
        return self._inside.sub(r"\1", text)

    def _mended(self, word: str, rest: str, what: str, unclosed: bool = False) -> Labelled:
        meaning = self.meaning(word) or word
        read_as = self._read_as(word, meaning)
        repair = f"{what} the label {word}" + (f"; {read_as}" if read_as else "")
        return Labelled(meaning, rest, repair, unclosed=unclosed)

    @staticmethod
    def _read_as(word: str, meaning: str) -> str:
        return "" if word == meaning else f"label {word} read as {meaning}"
