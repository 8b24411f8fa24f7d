"""Every text that a character says or that is said to it, with the place where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass

from rolecraft.characters.model import Character


@dataclass(frozen=True)
class Text:
    """A text and where it stands. `own` is false for what other people say in the script."""

    file: str
    line: int
    field: str
    text: str
    kind: str  # greeting, starter, script, general, everyday, or the kind of question answered
    own: bool = True


def texts_of(character: Character) -> Iterator[Text]:
    """Greetings, starters, script and answers of every kind, in Chinese."""
    yield Text("card.yaml", 0, "greeting", character.greeting["zh"], "greeting")
    for n, greeting in enumerate(character.alternate_greetings):
        yield Text("card.yaml", 0, f"alternate_greetings[{n}]", greeting["zh"], "greeting")
    for n, starter in enumerate(character.starters):
        yield Text("card.yaml", 0, f"starters[{n}]", starter["zh"], "starter", own=False)
    name = character.name["zh"]
    for dialogue in character.script:
        for n, turn in enumerate(dialogue.turns):
            field = f"turns[{n}].text"
            own = turn.speaker == name
            yield Text("script.jsonl", dialogue.line, field, turn.text, "script", own)
    for question in character.questions:
        yield Text("questions.jsonl", question.line, "answer", question.answer, question.kind)
    for row in character.general:
        for n, answer in enumerate(row.answers):
            yield Text("general.jsonl", row.line, f"answers[{n}].text", answer.text, "general")
    for one in character.everyday:
        yield Text("everyday.jsonl", one.line, "text", one.answer.text, "everyday")


def learnt_of(character: Character) -> Iterator[Text]:
    """What models are trained to say: own lines, general and everyday answers, and the answers to
    the questions of the train split."""
    held_out = {question.line for question in character.questions_of("test")}
    for text in texts_of(character):
        questions = text.file == "questions.jsonl"
        if text.own and text.file != "card.yaml" and not (questions and text.line in held_out):
            yield text
