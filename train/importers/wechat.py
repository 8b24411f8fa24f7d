"""Imports text exports of messengers: a head with a time and a name, then the message.

Knows the heads `2026-03-01 12:30:45 名字`, `名字 2026/3/1 下午3:20`, with or without an account in
brackets after the name, and `[2026-03-01 12:30] 名字: text` in one line. What is no text (pictures,
calls, notices) is refused with the reason. A long pause begins a new talk.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from train.importers.gathered import Cleaner, Gathered, Line, Options, Talk
from train.importers.inputs import Input, inputs, the_character
from train.importers.ledger import Entry, Ledger

SUFFIXES = (".txt", ".log")

_DATE = r"(?P<y>\d{4})\s*[-/.年]\s*(?P<m>\d{1,2})\s*[-/.月]\s*(?P<d>\d{1,2})\s*日?"
_TIME = r"(?P<half>上午|下午|晚上|中午|凌晨|早上|AM|PM)?\s*(?P<h>\d{1,2}):(?P<min>\d{2})(?::\d{2})?"
_TIME += r"\s*(?P<late>AM|PM)?"
_WHEN = rf"[\[［(（]?\s*{_DATE}[\sT,，]*(?:星期.|周.)?\s*{_TIME}\s*[\]］)）]?"
_HEADS = (
    re.compile(rf"\s*{_WHEN}\s+(?P<name>[^\n:：]{{1,40}})[：:]\s*(?P<text>.+)$", re.IGNORECASE),
    re.compile(rf"\s*{_WHEN}\s+(?P<name>\S[^\n]{{0,40}}?)\s*[：:]?\s*$", re.IGNORECASE),
    re.compile(rf"\s*(?P<name>\S[^\n]{{0,40}}?)\s+{_WHEN}\s*[：:]?\s*$", re.IGNORECASE),
)
_ACCOUNT = re.compile(
    r"\s*[（(<]\s*(?:wxid_\w+|\d{5,12}|[\w.+-]+@[\w.-]+|[A-Za-z][\w-]{5,19})\s*[）)>]"
)
_NOT_TEXT = re.compile(
    r"\s*[\[［<【](?:图片|照片|语音|视频|表情|动画表情|文件|链接|位置|名片|红包|转账|音乐|小程序|"
    r"视频通话|语音通话|聊天记录|Image|Photo|Voice|Video|Sticker|File|Link)[^\]］>】]*[\]］>】]\S{0,40}\s*$",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"撤回了一条消息|拍了拍|邀请.{0,40}加入了群聊|修改群名|以上是打招呼的内容|已添加了.{1,40}现在可以开始聊天|"
    r"开启了朋友验证|领取了.{0,40}红包|收到红包"
)
_LATE = ("下午", "晚上", "pm")


def gather(source: Path, ledger: Ledger, options: Options) -> Iterator[Gathered]:
    """The talk of one character in one export or in a folder of them."""
    cleaner = Cleaner(ledger, options)
    talks = [
        talk
        for one in inputs(source, SUFFIXES, ledger)
        for talk in _talks(one, cleaner, options.gap_minutes)
    ]
    yield Gathered(the_character(talks, options), talks)


def _talks(source: Input, cleaner: Cleaner, gap: float) -> Iterator[Talk]:
    lines: list[Line] = []
    last: datetime | None = None
    for message in _messages(source, cleaner):
        when, line = message
        if when and last and (when - last).total_seconds() > gap * 60 and lines:
            yield Talk(lines, bounded=True)
            lines = []
        last = when or last
        if line:
            lines.append(line)
    if lines:
        yield Talk(lines, bounded=True)


def _messages(source: Input, cleaner: Cleaner) -> Iterator[tuple[datetime | None, Line | None]]:
    """Lines of messages with their time; each is a record of its own."""
    when: datetime | None = None
    name = ""
    head: tuple[int, str] | None = None  # of a message whose text has not come yet
    for number, row in enumerate(source.decoded.text.split("\n"), start=1):
        if not row.strip():
            continue
        found = next((m for one in _HEADS if (m := one.match(row))), None)
        text = row
        if found:
            _refuse_bare(head, source, cleaner)
            head = None
            when, name = _time(found) or when, found.group("name")
            text = found.groupdict().get("text") or ""
            if not text:
                head = (number, row)
                continue
        if head:
            cleaner.ledger.pass_over(source.shown, "head of a message")
            head = None
        entry = cleaner.ledger.enter("line", source.shown, number, row)
        yield when, _line(entry, name, text, number in source.decoded.broken, cleaner)
    _refuse_bare(head, source, cleaner)


def _refuse_bare(head: tuple[int, str] | None, source: Input, cleaner: Cleaner) -> None:
    if head:
        entry = cleaner.ledger.enter("line", source.shown, *head)
        entry.refuse("empty text: a message of which there is only the head")


def _line(entry: Entry, name: str, text: str, broken: bool, cleaner: Cleaner) -> Line | None:
    if broken:
        entry.refuse("its bytes are in no known encoding")
    elif not name:
        entry.refuse("no speaker: it stands before the first message")
    elif _NOT_TEXT.match(text):
        entry.refuse("not text: a picture, a call or a file")
    elif _NOTICE.search(text):
        entry.refuse("notice of the messenger")
    else:
        speaker = _ACCOUNT.sub("", name).strip()
        if speaker != name.strip():
            entry.repair("personal data masked: account")
        return cleaner.line(entry, speaker or name, text)
    return None


def _time(found: re.Match[str]) -> datetime | None:
    half = (found.group("half") or found.group("late") or "").lower()
    hour = int(found.group("h"))
    if half in _LATE and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    try:
        return datetime(
            int(found.group("y")), int(found.group("m")), int(found.group("d")), hour,
            int(found.group("min")),
        )  # fmt: skip
    except ValueError:
        return None
