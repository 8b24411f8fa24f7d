"""A conversation as a file to take away: JSON with everything, Markdown to read.

Knows no database: it is given what was read. What people and models wrote stays text in the
Markdown, whatever marks it holds.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rolecraft.store.stored import StoredConversation, StoredMessage

FORMAT = "rolecraft.conversation/1"
_WORDS = {
    "zh": {
        "visitor": "我",
        "with": "与{name}的对话",
        "user_stop": "被访客停止",
        "disconnect": "连接中断",
        "error": "出错中断",
        "length": "达到长度上限",
        "by_hand": "作者亲笔",
        "alternative": "第 {position}/{alternatives} 个版本",
    },
    "en": {
        "visitor": "Me",
        "with": "A conversation with {name}",
        "user_stop": "stopped by the visitor",
        "disconnect": "connection lost",
        "error": "broken off by an error",
        "length": "cut at the length limit",
        "by_hand": "written by the author",
        "alternative": "version {position} of {alternatives}",
    },
}


def to_json(
    conversation: StoredConversation,
    messages: Sequence[StoredMessage],
    bodies: Mapping[str, str],
    active: Iterable[str],
) -> str:
    """Every message in the order of arrival; `bodies` holds the stored JSON of the replies."""
    shown = set(active)
    return json.dumps(
        {
            "format": FORMAT,
            **asdict(conversation),
            "messages": [
                {
                    **asdict(message),
                    "shown": message.id in shown,
                    "reply": json.loads(bodies[message.id]) if message.id in bodies else None,
                }
                for message in messages
            ],
        },
        ensure_ascii=False,
        indent=2,
    )


def to_markdown(
    conversation: StoredConversation,
    path: Sequence[StoredMessage],
    speaker: str,
    language: str,
) -> str:
    """The messages of `path` under the names of who said them, in `zh` or `en`."""
    words = _WORDS[language]
    heading = conversation.title or words["with"].format(name=speaker)
    parts = [f"# {_as_text(heading)}", f"{_as_text(speaker)} · {_date(conversation.created_ms)}"]
    if conversation.greeting:
        parts += [f"**{_as_text(speaker)}**", _quote(conversation.greeting)]
    for message in path:
        name = words["visitor"] if message.role == "user" else speaker
        parts += [_byline(message, name, words), _quote(message.text)]
    return "\n\n".join(parts) + "\n"


def _byline(message: StoredMessage, name: str, words: Mapping[str, str]) -> str:
    marks = [message.emotion] if message.emotion else []
    if message.finish and message.finish in words:
        marks.append(words[message.finish])
    if message.by_hand:
        marks.append(words["by_hand"])
    if message.alternatives > 1:
        marks.append(words["alternative"].format_map(asdict(message)))
    return f"**{_as_text(name)}**" + "".join(f" · {_as_text(mark)}" for mark in marks)


def _quote(text: str) -> str:
    # a backslash at the end of a line keeps the line break
    return "> " + "\\\n> ".join(_as_text(line) for line in text.splitlines() or [""])


def _as_text(line: str) -> str:
    """The line with a backslash before every mark that Markdown or HTML would act on."""
    escaped = re.sub(r"([\\`*_\[\]<>&#|~!$])", r"\\\1", line.strip())
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", escaped)  # lists and underlined headings


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
