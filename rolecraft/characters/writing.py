"""Whether a character's words are its own: no stage directions, no talk of AI, no repetition,
no test answer that training could have seen.

Knows nothing of facts or counts.
"""

import re

from rolecraft.characters.findings import Findings
from rolecraft.characters.model import Character
from rolecraft.characters.overlap import bare, runs, sentences
from rolecraft.characters.spoken import Text, learnt_of, texts_of

LEAKED_RUN = 12  # bare characters of a test answer that may not stand in what is trained on
REPEATED_SENTENCE = 8  # bare characters from which a sentence said twice is a repetition

_BRACKETS = re.compile(r"[（）()\[\]【】〔〕{}*|]|<(?!\s*\d)|(?<![\d\s])>")
_EMOJI = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff]")
# Words of a machine anywhere, and words that only matter where the question is about machines.
_MACHINE = re.compile(
    r"(?<![A-Za-z])(?:AI|ChatGPT|GPT|LLM)(?![A-Za-z])|人工智能|语言模型|大模型|聊天机器人|智能助手|"
    r"作为一[个名](?:助手|助理|模型)|虚拟角色",
    re.IGNORECASE,
)
_EVADED = re.compile(r"(?<![A-Za-z])AI(?![A-Za-z])|人工智能|模型|机器人|程序", re.IGNORECASE)
_FOR_THE_VISITOR = re.compile(
    r"(?:^|[\n。！？])\s*(?:你|您|用户|访客|对方|问|答|User|Human)\s*[：:]"
)


def check_writing(character: Character, findings: Findings) -> None:
    """Note what a reader would stumble over in one character."""
    texts = list(texts_of(character))
    own_name = re.compile(rf"^\s*{re.escape(character.name['zh'])}\s*[：:]")
    for text in texts:
        _words(text, own_name, findings)
    _style(character, texts, findings)
    _repetitions(character, texts, findings)
    _leaks(character, findings)


def _words(text: Text, own_name: re.Pattern[str], findings: Findings) -> None:
    rules = [
        (_BRACKETS, "Write speech only: no brackets, marks or stage directions."),
        (_EMOJI, "Write the feeling in words: no emoji."),
    ]
    if text.own:
        rules += [
            (_MACHINE, "They are a person: say it without the words of a machine."),
            (_FOR_THE_VISITOR, "Do not speak for the visitor."),
            (own_name, "Leave out the name before the speech."),
        ]
    if text.kind == "out_of_knowledge":
        rules.append((_EVADED, "Evade in their own words, without naming the thing."))
    for pattern, remedy in rules:
        if found := pattern.search(text.text):
            findings.at(text.file, text.line, text.field, found.group().strip(), remedy)


def _style(character: Character, texts: list[Text], findings: Findings) -> None:
    own = [text for text in texts if text.own]
    for n, particle in enumerate(character.style.particles):
        if own and not any(particle in text.text for text in own):
            remedy = "They never use it: use it, or leave it out."
            findings.card(f"style.particles[{n}]", particle, remedy)
    for n, phrase in enumerate(character.style.never_says):
        for text in own:
            if len(phrase) > 2 and phrase in text.text:
                remedy = f"Their card says they never say this (style.never_says[{n}])."
                findings.at(text.file, text.line, text.field, phrase, remedy)


def _repetitions(character: Character, texts: list[Text], findings: Findings) -> None:
    seen: dict[str, Text] = {}
    quoted = _quoted(character)
    for text in texts:
        if text.file not in ("questions.jsonl", "general.jsonl", "everyday.jsonl"):
            continue
        long = sentences(_without(text.text, quoted), REPEATED_SENTENCE)
        for sentence in dict.fromkeys([*long, bare(text.text)]):
            first = seen.setdefault(sentence, text)
            if first is not text:
                remedy = f"{first.file} line {first.line} says it already; say it another way."
                findings.at(text.file, text.line, text.field, sentence, remedy)
    asked: dict[str, int] = {}
    for question in character.questions:
        line = asked.setdefault(bare(question.question), question.line)
        if line != question.line:
            remedy = f"Line {line} asks it already; ask it in other words."
            findings.questions(question.line, "question", question.question, remedy)


def _leaks(character: Character, findings: Findings) -> None:
    """Test answers that share a run with what is trained on, quoted facts left aside."""
    quoted = _quoted(character)

    def parts(answer: str) -> set[str]:
        said = _without(answer, quoted).split("\n")
        return {run for part in said for run in runs(part, LEAKED_RUN)}

    seen: dict[str, Text] = {}
    for text in learnt_of(character):
        for run in parts(text.text):
            seen.setdefault(run, text)
    for question in character.questions_of("test"):
        shared = sorted(parts(question.answer) & seen.keys())
        if shared:
            first = seen[shared[0]]
            remedy = f"{first.file} line {first.line}, which is trained on, has it; write it anew."
            findings.questions(question.line, "answer", shared[0], remedy)


def _quoted(character: Character) -> list[str]:
    """The values that answers quote word for word, and so may say more than once."""
    return [value for value in character.profile.values() if len(value) >= 4]


def _without(text: str, quoted: list[str]) -> str:
    for value in quoted:
        text = text.replace(value, "\n")
    return text
