"""The ten emotions of the paper, their labels in two languages, and the label that opens a reply.

Knows no model: it only reads and writes the bracketed label （快乐） at the start of a text.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Emotion:
    """One of the ten labels of RoleCraft-GLM (Tao et al., 2023, section 3)."""

    zh: str
    en: str
    colour: str  # CSS colour that keeps 4.5:1 against white text


EMOTIONS = (
    Emotion("愤怒", "Anger", "#b42318"),
    Emotion("厌恶", "Disgust", "#56691c"),
    Emotion("恐惧", "Fear", "#5b3fa0"),
    Emotion("快乐", "Happiness", "#a15c00"),
    Emotion("悲伤", "Sadness", "#1f5f99"),
    Emotion("惊讶", "Surprise", "#0b7285"),
    Emotion("中立", "Neutral", "#5c6470"),
    Emotion("沮丧", "Frustration", "#7a4a2b"),
    Emotion("兴奋", "Excitement", "#b8246b"),
    Emotion("其他", "Other", "#6b5b73"),
)
BY_ZH = {emotion.zh: emotion for emotion in EMOTIONS}
LABELS = tuple(BY_ZH)
LONGEST_LABEL = max(len(label) for label in LABELS) + 2  # with its two brackets

_OPENING = re.compile(r"^\s*[（(]\s*([^（()）\s]{1,6})\s*[)）]\s*")


def opening(label: str) -> str:
    """The text that opens a reply of this emotion, as the annotated scripts write it."""
    if label not in BY_ZH:
        raise ValueError(f"No emotion named {label!r}. The ten are: {' '.join(LABELS)}.")
    return f"（{label}）"


def split_opening(text: str) -> tuple[str | None, str]:
    """Split `（快乐）你好` into `("快乐", "你好")`.

    A bracket that holds no known label stays in the text and the emotion is None: never guessed.
    """
    found = _OPENING.match(text)
    if found and found.group(1) in BY_ZH:
        return found.group(1), text[found.end() :]
    return None, text


def may_become_label(text: str) -> bool:
    """Whether what was written so far may still be the beginning of a label in brackets."""
    begun = text.lstrip()
    return (
        begun[:1] in ("", "（", "(")
        and len(begun) < LONGEST_LABEL
        and not begun.endswith(("）", ")"))
    )
