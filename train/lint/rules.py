"""The rules that look at one text: labels, brackets, rests of prompts, models, lengths, speakers.

Knows no file; what needs several texts is `across`'s work.
"""

import re
from collections.abc import Iterable

from rolecraft.privacy import mask
from train.importers.labels import Labelled
from train.lint.findings import Findings
from train.lint.items import Item, Read

LONGEST = {"turn": 300, "question": 500, "reply": 500}  # characters
_DIRECTION = 12  # most characters of a bracket that is read as a stage direction

_RESIDUE = re.compile(
    r"^\s*(?:我的)?(?:回复|回答|答复|答)\s*\d*\s*[:：]"
    r"|^\s*(?:Answer|Response|Reply|Output|Assistant|Human|User|Q|A)\s*\d*\s*[:：]"
    r"|(?:User Prompt|System Prompt|###\s*(?:Instruction|Response|Input))\s*[:：]?"
    r"|\n\s*(?:Human|User|Assistant|Instruction|Input|Output|我的回答|我的回复|回复|回答)\s*[:：]"
    r"|<\|[a-z_]{2,20}\|>|\[/?INST\]",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"^\s*(?:[（(]\d{1,3}[)）]|\d{1,3}\s*[.、)）．]|(?:问题|Q)\s*\d+\s*[:：.])\s*(?=[^\s\d])"
)
_NEXT_NUMBER = re.compile(r"(?:\n|[。；;！？])\s*[（(]?\d{1,2}\s*[.、)）．]")
_MACHINE = (
    r"(?:AI|人工智能|机器人|语言模型|大模型|文本模型|对话模型|聊天助手|虚拟助手|智能助手|数字人)"
)
_MODEL = re.compile(
    rf"(?:作为|我是|我只是|我就是|我不过是|其实是|身为)(?:一个|一名|一位|个|一款|一种)?"
    rf"(?:[^，。！？,.!?\n]{{0,8}}?){_MACHINE}"
    r"|(?<![A-Za-z])(?:ChatGPT|GPT-?\d|OpenAI|ChatGLM|ERNIE|Claude|LLaMA)(?![A-Za-z])"
    r"|文心一言|通义千问|预训练(?:语言)?模型|模拟人格角色|as an AI",
    re.IGNORECASE,
)
_OPENERS = {"（": "）", "(": ")", "【": "】", "[": "]", "《": "》", "“": "”"}
_CLOSERS = {close: opener for opener, close in _OPENERS.items()}
_ASIDE = re.compile(rf"[（(]([\u4e00-\u9fff，。…]{{1,{_DIRECTION}}})[)）]")
_OTHERS = ("其他", "其它", "旁白", "众人")


def check(read: Read, findings: Findings) -> None:
    """Look at every text of a character."""
    for fault in read.faults:
        place = (fault.file, fault.line, fault.item)
        findings.add("invalid-line", read.name, place, fault.text, fault.reason)
    speakers = {item.speaker for item in read.items if item.kind == "turn"} - {*_OTHERS, ""}
    for item in read.items:
        findings.looked_at[item.kind] += 1
        _label(read.name, item, findings)
        _words(read.name, item, findings)
        if item.kind == "turn":
            _speaker(read.name, item, speakers, findings)
        elif item.speaker and not _same(item.speaker, read.name):
            detail = f"it is by {item.speaker}"
            findings.add("wrong-character", read.name, item.place, item.text, detail)


def spoils(name: str, answer: str, question: str = "") -> str:
    """Why an answer would spoil training, as the lint has it; "" when nothing is wrong."""
    item = Item("question", "", 0, 0, answer, Labelled(None, answer), question=question or "?")
    findings = Findings()
    _words(name, item, findings)
    return next((rule for rule, count in findings.counts.items() if count), "")


def _same(speaker: str, name: str) -> bool:
    return speaker in name or name in speaker


def _label(name: str, item: Item, findings: Findings) -> None:
    label = item.label
    if label.unknown and (item.kind == "turn" or not item.text.startswith(("(", "（", "[", "【"))):
        findings.add("unknown-label", name, item.place, item.text, f"label {label.unknown}")
        return
    if label.unclosed or label.repair.startswith("unopened"):
        findings.add("unclosed-bracket", name, item.place, item.text, label.repair)
    elif label.repair.startswith("no brackets"):
        findings.add("unlabelled", name, item.place, item.text, label.repair)
    elif label.repair:
        findings.add("mapped-label", name, item.place, item.text, label.repair)
    elif not item.labelled or label.emotion is None:
        if item.kind == "turn":
            findings.add("unlabelled", name, item.place, item.text)
        else:
            findings.looked_at[f"{item.kind} without a label"] += 1


def _words(name: str, item: Item, findings: Findings) -> None:
    text, place = item.text, item.place
    if not text.strip() or (item.kind != "turn" and not any(map(str.isalnum, text))):
        findings.add("empty", name, place, item.question or item.speaker)
        return
    if item.kind == "question" and not item.question.strip():
        findings.add("empty", name, place, text, "the question is empty")
    if len(text) > LONGEST[item.kind]:
        detail = f"{len(text)} characters; at most {LONGEST[item.kind]}"
        findings.add("over-long", name, place, text, detail)
    if item.kind != "turn":
        _answer(name, item, findings)
    kinds = {*mask(text)[1], *(mask(item.question)[1] if item.kind == "question" else ())}
    if kinds:
        findings.add("personal-data", name, place, text, ", ".join(sorted(kinds)))
    if any(mark in text for mark in "()（）[]【】"):
        _brackets(name, item, findings)


def _answer(name: str, item: Item, findings: Findings) -> None:
    text = item.text
    residue = _RESIDUE.search(text)
    numbered = _NUMBER.match(text)
    asked = _NUMBER.match(item.question) if item.kind == "question" else None
    own = re.match(rf"\s*{re.escape(name)}\s*[:：]", text)
    if numbered and _NEXT_NUMBER.search(text, numbered.end()):
        numbered = None  # a list of several points is an answer
    if found := residue or numbered or own:
        findings.add("prompt-residue", name, item.place, text, f"{found.group().strip()!r}")
    elif asked:
        detail = f"{asked.group().strip()!r} before the question"
        findings.add("prompt-residue", name, item.place, item.question, detail)
    if found := _MODEL.search(text):
        findings.add("names-a-model", name, item.place, text, f"{found.group()!r}")


def _brackets(name: str, item: Item, findings: Findings) -> None:
    text = item.text
    if not _balanced(text):
        findings.add("open-bracket", name, item.place, text)
    elif item.kind == "turn" and (found := _ASIDE.search(text)):
        findings.add("stage-direction", name, item.place, text, f"{found.group()!r}")


def _balanced(text: str) -> bool:
    open_marks: list[str] = []
    for n, letter in enumerate(text):
        if letter in _OPENERS:
            open_marks.append(letter)
        elif letter in _CLOSERS:
            if open_marks and open_marks[-1] == _CLOSERS[letter]:
                open_marks.pop()
            elif not (n and text[n - 1].isalnum() and len(text[:n].strip()) <= 3):  # 1) 2) a)
                return False
    return not [mark for mark in open_marks if mark in "（(【["]


def _speaker(name: str, item: Item, speakers: Iterable[str], findings: Findings) -> None:
    said = item.text.strip()
    for other in speakers:
        if other == item.speaker or other not in said:
            continue
        name_end = rf"{re.escape(other)}(?=[，。！!,. ]|$)"
        opened = re.match(rf"{re.escape(other)}\s*[：:]", said)
        introduced = re.search(rf"(?:^|[，。！!,. ])我(?:是|叫){name_end}", said)
        if opened or introduced:
            detail = f"said by {item.speaker}, it seems to be {other}'s"
            findings.add("wrong-speaker", name, item.place, said, detail)
            return
    called = said.rstrip("，,。！!？?~～ 啊呀")
    if len(called) > 1 and called == item.speaker:
        detail = f"{item.speaker} calls their own name"
        findings.add("wrong-speaker", name, item.place, said, detail)
