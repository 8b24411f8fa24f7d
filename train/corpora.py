"""Reads the licensed corpora and cleans them into documents of messages.

A corpus file is JSON lines, plain or xz: {"messages": [{role, content}…]} or {"text": …}.
Knows no tokeniser.
"""

import json
import lzma
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rolecraft.conversation import Message
from rolecraft.errors import TrainingError

# A character never says that it is a machine, so the base model does not learn to either.
MACHINE_TALK = re.compile(
    r"\bAI\b|人工智能|语言模型|大模型|机器人|聊天程序|智能助手|虚拟助手|ChatGPT|OpenAI|GPT|艾薇|我是一个?助手",
    re.IGNORECASE,
)
_STAGE_DIRECTION = re.compile(r"（[^（）]{1,12}）|\([^()]{1,12}\)")
_SPACES = re.compile(r"[ \t\u3000]+")


def clean(text: str) -> str:
    """Strip stage directions and runs of blanks."""
    return _SPACES.sub(" ", _STAGE_DIRECTION.sub("", text)).strip()


def read(path: Path) -> Iterator[dict[str, object]]:
    """The records of one corpus file, in order."""
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise TrainingError(f"{path}, line {number}: not JSON ({error}).") from error


def dialogues(path: Path, max_reply: int, everyday_only: bool = False) -> Iterator[list[Message]]:
    """Dialogues whose every reply has at most `max_reply` characters.

    A dialogue is cut before its first long or machine-like turn; at least one exchange remains.
    """
    for record in read(path):
        if everyday_only and not record.get("everyday"):
            continue
        messages: list[Message] = []
        for message in record["messages"]:  # type: ignore[attr-defined]
            text = clean(message["content"])
            if not text or MACHINE_TALK.search(text) or len(text) > max_reply:
                break
            messages.append(Message(message["role"], text))
        if len(messages) % 2:
            messages.pop()
        if messages:
            yield messages


def sentences(path: Path, max_chars: int) -> Iterator[str]:
    """Plain texts of at most `max_chars` characters."""
    for record in read(path):
        text = clean(str(record["text"]))
        if text and len(text) <= max_chars and not MACHINE_TALK.search(text):
            yield text


def find(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of `folder` that carry these names (without endings)."""
    found = []
    for name in names:
        matches = sorted(folder.glob(f"{name}.*"))
        if not matches:
            raise TrainingError(f"No corpus {name!r} in {folder}. See models/mini/MODEL_CARD.md.")
        found.append(matches[0])
    return found
