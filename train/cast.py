"""Training talks of the shipped characters: their questions, scripts and general answers.

Only the train split is read. Passages come from the same cutting as in the index; which ones a
question meets is drawn so that the right one is mostly there, as retrieval would have it.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import yaml

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Character, Dialogue, Everyday, Question
from rolecraft.conversation import Message, Passage
from rolecraft.knowledge.passages import Source, passages_of
from train.imagine import FIRST, Answered, Imagination, talk
from train.topics import CHARACTERS

# Questions, scenes, general answers, imagined wordings of real facts, what everybody says.
SHARES = {"questions": 0.2, "script": 0.05, "general": 0.03, "wordings": 0.22, "everyday": 0.5}


def voice_of(character: Character) -> str:
    """The voice of the wording banks that is nearest to this character."""
    if character.age_group in ("child", "teen", "elder"):
        return character.age_group
    by_trait = {
        "lively": {"活泼", "热情", "乐观", "豪爽", "幽默"},
        "gentle": {"温柔", "细腻", "沉静", "浪漫", "文艺"},
        "dry": {"干练", "理性", "严谨", "严厉", "内向"},
        "warm": {"善良", "大方", "健谈", "操心", "勤劳"},
    }
    scores = {voice: len(marks & set(character.traits)) for voice, marks in by_trait.items()}
    best = max(scores, key=lambda voice: scores[voice])
    return best if scores[best] else "plain"


class Cast:
    """Draws training talks of one shelf of characters."""

    def __init__(self, rng: random.Random, folder: Path = CHARACTERS) -> None:
        self.rng = rng
        self.characters = read_shelf(folder).characters
        self.sources = {one.id: passages_of(one) for one in self.characters}
        self.imagination = Imagination(rng)
        instructions = folder / "instructions.yaml"
        self.instructions = (
            yaml.safe_load(instructions.read_text("utf-8")) if instructions.exists() else {}
        )

    def talk(self) -> tuple[Message, ...]:
        """One talk with a character drawn at random."""
        character = self.rng.choice(self.characters)
        greeting = ""
        if self.rng.random() < 0.7:
            greetings = (character.greeting, *character.alternate_greetings)
            greeting = self.rng.choice(greetings)["zh"]
        kind = self.rng.choices(list(SHARES), list(SHARES.values()))[0]
        if kind == "script" and character.script:
            return talk(character, self.scene(character, self.rng.choice(character.script)))
        count = self.rng.choice((1, 2, 3, 4))
        exchanges = [self.exchange(character, kind).typed(self.rng) for _ in range(count)]
        return talk(character, exchanges, greeting)

    def exchange(self, character: Character, kind: str) -> Answered:
        """One exchange of this kind."""
        voice = voice_of(character)
        if kind == "wordings":
            return self.imagination.profile_exchange(character, voice)
        if kind == "everyday" and character.everyday:
            return self.everyday(character, self.rng.choice(character.everyday))
        if kind == "general" and character.general and self.instructions:
            answers = self.rng.choice(character.general)
            answer = self.rng.choice(answers.answers)
            question = self.instructions[answers.instruction]["zh"]
            return Answered(question, self.noise(character, 2), answer.text, answer.emotion)
        return self.question(character)

    def question(self, character: Character) -> Answered:
        """A written question of the train split, with the passages retrieval would bring."""
        return self.asked(character, self.rng.choice(character.questions_of("train")))

    def asked(self, character: Character, one: Question) -> Answered:
        """This question with the passages retrieval would bring."""
        own = f"question.{one.id}"
        told = one.source and one.source.startswith("script.") and self.rng.random() < 0.6
        wanted = one.source if one.source and not told else own
        sources = self.sources[character.id]
        right = [source for source in sources if source.field == wanted]
        right = right or [source for source in sources if source.field == one.source]
        # Of a scene retrieval brings the nearest piece, or what was answered about it.
        chosen = self.rng.sample(right, min(len(right), 1))
        if not one.source and self.rng.random() < 0.1:
            chosen = []
        beside = [p for p in self.noise(character, 3 - len(chosen)) if p.field != own]
        value = one.answer if wanted == own and chosen else ""
        passages = (*map(as_passage, chosen), *beside)
        return Answered(one.question, passages, one.answer, one.emotion, value=value)

    def everyday(self, character: Character, one: Everyday) -> Answered:
        """What everybody says, with the character's own answer among the passages."""
        field = f"everyday.{one.topic}"
        right = [as_passage(s) for s in self.sources[character.id] if s.field == field]
        # Where retrieval is sure of an everyday answer, nothing stands beside it.
        alone = self.rng.random() < 0.6
        beside = [p for p in self.noise(character, 0 if alone else 2) if p.field != field]
        first = self.rng.random() < FIRST
        passages = (*right, *beside) if first else (*beside, *right)
        answer = one.answer
        question = self.rng.choice(one.said or (one.topic,))
        return Answered(question, passages, answer.text, answer.emotion, value=answer.text)

    def noise(self, character: Character, count: int) -> tuple[Passage, ...]:
        """Passages beside the point."""
        sources = self.sources[character.id]
        return tuple(map(as_passage, self.rng.sample(sources, min(count, len(sources)))))

    def scene(self, character: Character, dialogue: Dialogue) -> list[Answered]:
        """A scene of the script as exchanges: what the other says, what the character answers."""
        exchanges, heard = [], ""
        own = {character.name["zh"], character.profile.get("name", "")}
        for turn in dialogue.turns:
            if turn.speaker not in own:
                heard = turn.text
            elif heard:
                passages = self.noise(character, self.rng.choice((0, 0, 1, 2)))
                exchanges.append(Answered(heard, passages, turn.text, turn.emotion))
                heard = ""
        return exchanges[:5] or [self.question(character)]


def as_passage(source: Source) -> Passage:
    """A passage as the prompt takes it."""
    return Passage(source.field, source.text, 0.6)


def spoken_lines(folder: Path = CHARACTERS) -> list[str]:
    """Everything that is said in the scripts of a shelf."""
    scenes = (scene for one in read_shelf(folder).characters for scene in one.script)
    return [turn.text for scene in scenes for turn in scene.turns]


def cast_talks(rng: random.Random) -> Iterator[tuple[Message, ...]]:
    """Talks with the shipped characters, for ever."""
    cast = Cast(rng)
    while True:
        yield cast.talk()
