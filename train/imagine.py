"""Imagines the talks that visitors would have with people by the ten thousand.

Facts vary from person to person while the wordings come from `train/material/`, so that a model
can only answer by reading the passages in its prompt. All `heldout` wordings are kept away from
training: they are what `benchmarks/mini.py` measures with.
"""

import dataclasses
import functools
import random
from collections.abc import Iterator, Sequence

from rolecraft.characters.model import Answer, Character
from rolecraft.conversation import Budget, Conversation, Identity, Message, Passage, Reply, Sampling
from rolecraft.knowledge.passages import answer_passage, passages_of, profile_passage
from rolecraft.prompts import render, spoken
from train.documents import SEAM
from train.people import People
from train.topics import Topic, cast, common_ways, material, topics

MINI_BUDGET = Budget(tokens=900, passage_chars=80, full_persona=False)
# Fields that retrieval takes for each other.
NEAR = (
    ("favourite_food", "disliked_food"), ("disliked_food", "dislikes", "fears"),
    ("occupation", "background", "personality", "strengths"), ("height", "weight"),
    ("hobbies", "favourite_sport", "strengths", "dream"), ("age", "birthday", "zodiac"),
    ("favourite_film", "favourite_television"), ("residence", "background", "family"),
    ("family", "relationships", "personality"), ("name", "catchphrase", "occupation"),
    ("favourite_colour", "favourite_food", "dislikes"),
)  # fmt: skip
GIVEN = 0.98  # of everyday talk: the person's answer stands in the prompt, as retrieval brings it
FIRST = 0.97  # of right passages stand before the others, as retrieval ranks the fields it finds
_LAST = "？。！"
_BEHIND = ("呀", "呢", "啦", "啊", "嘛", "来着", "呀？", "呢？", "啊？", "？？")
_IDENTITY = Identity("author", "")


@dataclasses.dataclass(frozen=True)
class Answered:
    """A question with passages and the reply that should follow."""

    question: str
    passages: tuple[Passage, ...]
    reply: str
    emotion: str
    field: str = ""
    value: str = ""

    def named(self, name: str) -> "Answered":
        """The same with the person's name in its place."""
        passages = tuple(
            dataclasses.replace(p, text=p.text.replace("{name}", name)) for p in self.passages
        )
        question, reply = self.question.replace("{name}", name), self.reply.replace("{name}", name)
        return dataclasses.replace(self, question=question, reply=reply, passages=passages)

    def typed(self, rng: random.Random) -> "Answered":
        """The same as people type it: a third of the time its last sign is left out or replaced."""
        kind = rng.random()
        if kind > 0.35:
            return self
        bare = self.question.rstrip(_LAST)
        particle = kind < 0.1 and bare[-1:] not in "吗呢呀啊啦嘛吧"
        return dataclasses.replace(
            self, question=bare + rng.choice(_BEHIND) if particle else bare or self.question
        )


class Imagination:
    """Draws talks with people drawn. `heldout` draws from what training never sees.

    `phrases` make facts as `People` has them; `lines` are things that a person may have said to
    anything: only looking tells what is to be said again.
    """

    def __init__(
        self,
        rng: random.Random,
        heldout: bool = False,
        phrases: Sequence[str] = (),
        lines: Sequence[Answer] = (),
    ) -> None:
        self.rng = rng
        self.heldout = heldout
        self.phrases = phrases
        self.lines = lines
        self.person = People(rng, heldout, phrases).person

    def profile_exchange(self, character: Character, voice: str, field: str = "") -> Answered:
        """A question about a fact, answered from its passage among others."""
        answers = material("answers")
        field = field or self.rng.choice(
            [f for f in character.profile if f in common_ways() and f in answers]
        )
        own = character.asked.get(f"profile.{field}")
        if own and self.rng.random() < 0.5:
            question = self.rng.choice(own)
        elif self.heldout:
            question = self.rng.choice(material("questions")[field])
        elif self.rng.random() < 0.3:
            question = self.rng.choice(ways_of_asking()[field])
        else:
            named = "{name}，" if self.rng.random() < 0.05 else ""
            question = named + self.rng.choice(common_ways()[field])
        value = character.profile[field]
        answer = self._reply(answers[field], voice)
        reply = answer["text"].replace("{value}", value.rstrip("。"))
        right = self._passage(character, field)
        passages = self._among(character, [right], field)
        told = Answered(question, passages, reply, answer["emotion"], field, value)
        return told.named(character.name["zh"])

    def _passage(self, character: Character, field: str) -> Passage:
        return Passage(f"profile.{field}", profile_passage(field, character.profile[field]), 0.6)

    def _among(
        self, character: Character, right: list[Passage], field: str, topic: Topic | None = None
    ) -> tuple[Passage, ...]:
        others = [key for key in character.profile if key != field]
        wanted = self.rng.choice((1, 2, 2, 2)) if right else self.rng.choice((0, 1, 2, 3))
        wrong = [self._passage(character, key) for key in self.rng.sample(others, wanted)]
        wrong = [self._beside(one, topic) for one in wrong]
        near = [key for some in NEAR if field in some for key in some if key in others]
        if near and self.rng.random() < 0.5:
            wrong[0] = self._passage(character, self.rng.choice(near))
        place = 0 if self.rng.random() < FIRST else self.rng.randint(0, len(wrong))
        return (*wrong[:place], *right, *wrong[place:])

    def _beside(self, fact: Passage, topic: Topic | None) -> Passage:
        """A passage beside the point: a fact, a scene, an answer, or other everyday talk."""
        kind = self.rng.random()
        if kind < 0.45:
            return fact
        if kind < 0.65:
            return self.rng.choice(told())
        other = self.rng.choice(topics())
        if other is topic:
            return fact
        return self._said_to(other, self._said(other, "plain"))

    def _said_to(self, topic: Topic, answer: Answer) -> Passage:
        way = topic.said[0] if self.rng.random() < 0.5 else self.rng.choice(topic.said)
        return Passage("everyday", answer_passage(way, answer.text), 0.6)

    def _said(self, topic: Topic, voice: str) -> Answer:
        """What somebody answers to this: a character, a bank, or a line that has little to do."""
        kind = self.rng.random()
        if kind < 0.25 and self.lines:
            return self._strange(self.rng.choice(self.lines))
        if kind < 0.45 and topic.replies:
            return self.rng.choice(topic.reply(voice))
        return self._strange(self.rng.choice(topic.answers or topic.reply(voice)))

    def _strange(self, answer: Answer) -> Answer:
        """Now and then with words in it that nobody would guess."""
        if not self.phrases or self.rng.random() > 0.15:
            return answer
        place = self.rng.randint(0, len(answer.text))
        word = self.rng.choice(self.phrases)
        return Answer(answer.text[:place] + word + answer.text[place:], answer.emotion)

    def _reply(self, voices: dict[str, list[dict[str, str]]], voice: str) -> dict[str, str]:
        pool = voices.get(voice) or voices.get("plain") or next(iter(voices.values()))
        return self.rng.choice(pool)

    def everyday_exchange(self, character: Character, voice: str) -> Answered:
        """What everybody says, answered as the person answers it, or evaded."""
        topic = self.rng.choice(topics())
        question = self.rng.choice(topic.said)
        if topic.replies and self.rng.random() > GIVEN:
            answer = self.rng.choice(topic.reply(voice))
            passages = self._among(character, [], "", topic) if self.rng.random() < 0.8 else ()
            told = Answered(question, passages, answer.text, answer.emotion)
        else:
            answer = self._said(topic, voice)
            right = [self._said_to(topic, answer)]
            # Where retrieval is sure of an everyday answer, nothing stands beside it.
            alone = self.rng.random() < 0.5
            passages = tuple(right) if alone else self._among(character, right, "", topic)
            told = Answered(question, passages, answer.text, answer.emotion, value=answer.text)
        return told.named(character.name["zh"])

    def exchange(self, character: Character, voice: str) -> Answered:
        """One exchange of any kind, in the shares that visitors bring, as they type."""
        told = self.rng.random() < 0.5
        exchange = self.profile_exchange if told else self.everyday_exchange
        return exchange(character, voice).typed(self.rng)


def talk(
    character: Character,
    exchanges: Sequence[Answered],
    greeting: str = "",
    budget: Budget = MINI_BUDGET,
) -> tuple[Message, ...]:
    """The whole conversation as the chat renders it, the last reply included."""
    conversation = Conversation(character.id, greeting)
    for place, exchange in enumerate(exchanges):
        conversation = conversation.ask(exchange.question)
        if place < len(exchanges) - 1:
            conversation = conversation.answer(as_reply(exchange))
    last = exchanges[-1]
    prompt = render(character, last.passages, conversation, budget)
    return (*prompt, Message("assistant", spoken(as_reply(last), budget.emotions)))


def as_reply(exchange: Answered) -> Reply:
    """An exchange's reply in the form that the prompt of the next turn reads, with its seams."""
    value = exchange.value.rstrip("。")
    text = exchange.reply.replace(value, SEAM + value + SEAM) if value else exchange.reply
    return Reply(
        text=text,
        emotion=exchange.emotion,
        passages=exchange.passages,
        identity=_IDENTITY,
        sampling=Sampling(),
        seed=0,
        prompt=(),
        prompt_tokens=0,
        reply_tokens=0,
        first_token_ms=0.0,
        total_ms=0.0,
        finish="stop",
    )


def imagined_talks(
    rng: random.Random, phrases: Sequence[str] = (), lines: Sequence[Answer] = ()
) -> Iterator[tuple[Message, ...]]:
    """Talks with ever new people, one to four exchanges each."""
    imagination = Imagination(rng, phrases=phrases, lines=lines)
    while True:
        character, voice = imagination.person()
        exchanges = [
            imagination.exchange(character, voice) for _ in range(rng.choice((1, 2, 3, 4)))
        ]
        yield talk(character, exchanges)


@functools.cache
def ways_of_asking() -> dict[str, list[str]]:
    """Field to the ways in which the cast is asked after it, where they give nothing away."""
    ways: dict[str, list[str]] = {}
    for one in cast():
        for field, value in one.profile.items():
            pairs = {value[place : place + 2] for place in range(len(value) - 1)}
            ways.setdefault(field, []).extend(
                asked
                for asked in one.asked.get(f"profile.{field}", ())
                if not any(pair in asked for pair in pairs)
            )
    return ways


@functools.cache
def told() -> list[Passage]:
    """Scenes and answers of the cast, to stand beside the point in other people's prompts."""
    sources = [source for one in cast() for source in passages_of(one)]
    return [
        Passage(source.field, source.text, 0.5)
        for source in sources
        if not source.field.startswith("profile.")
    ]
