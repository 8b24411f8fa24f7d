"""Imagines people by the ten thousand and the talks that visitors would have with them.

Facts vary from person to person while the wordings come from `train/material/`, so that a model
can only answer by reading the passages in its prompt. Every tenth value and all `heldout`
wordings are kept away from training: they are what `benchmarks/mini.py` measures with.
"""

import dataclasses
import functools
import random
from collections.abc import Iterator, Sequence
from typing import Any

from rolecraft.characters.model import AGE_GROUPS, Answer, Character, Style
from rolecraft.conversation import Budget, Conversation, Identity, Message, Passage, Reply, Sampling
from rolecraft.knowledge.passages import answer_passage, passages_of, profile_passage
from rolecraft.prompts import render, spoken
from train.documents import SEAM
from train.topics import Topic, cast, common_ways, material, topics

VOICES = ("child", "teen", "lively", "gentle", "plain", "dry", "elder", "warm")
MINI_BUDGET = Budget(tokens=900, passage_chars=80, full_persona=False)
LONG_FIELDS = (
    "personality", "background", "hobbies", "strengths", "dream", "family", "relationships",
)  # fmt: skip
OPEN_FIELDS = (
    *LONG_FIELDS, "occupation", "residence", "favourite_colour", "favourite_food",
    "favourite_sport", "favourite_television", "favourite_film", "disliked_food", "dislikes",
    "fears", "catchphrase",
)  # fmt: skip
GIVEN = 0.92  # of everyday talk: the person's answer stands in the prompt, as retrieval brings it
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


def kept(values: Sequence[Any], heldout: bool) -> list[Any]:
    """Nine tenths of a pool for training, or the held-out tenth."""
    return [value for place, value in enumerate(values) if (place % 10 == 9) == heldout]


class Imagination:
    """Draws people and talks. `heldout` draws from what training never sees.

    With `phrases`, half of the facts are words that nobody would guess; `lines` are things that a
    person may have said to anything: only looking tells what is to be said again.
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
        self.values = material("values")

    def person(self) -> tuple[Character, str]:
        """A character whose facts are drawn, and the voice it speaks in."""
        pick = self.rng.choice
        work = pick(kept(self.values["occupations"], self.heldout))
        voice = pick(work["voices"])
        age = self.rng.randint(*work["age"])
        group = next(name for name, (low, high) in AGE_GROUPS.items() if low <= age <= high)
        gender = pick(["male", "female"])
        name = pick(self._pool("surnames")) + pick(self._pool("given_names", gender))
        month, day = self.rng.randint(1, 12), self.rng.randint(1, 28)
        profile = {
            "name": name,
            "age": f"{age}岁",
            "height": f"{self._height(age)}厘米",
            "weight": f"{self._weight(age)}公斤",
            "birthday": f"{month}月{day}日",
            "zodiac": zodiac(month, day),
            "occupation": work["name"],
            "residence": pick(self._pool("residences")),
            "personality": pick(self._pool("personality")),
            "hobbies": "、".join(self.rng.sample(self._pool("hobbies"), self.rng.randint(2, 3))),
            "strengths": pick(self._pool("strengths")),
            "favourite_colour": pick(self._pool("colours")),
            "favourite_food": self._food("foods"),
            "favourite_sport": pick(self._pool("sports")),
            "favourite_television": pick(self._pool("television")),
            "favourite_film": pick(self._pool("films")),
            "disliked_food": self._food("disliked_foods"),
            "dislikes": pick(self._pool("dislikes")),
            "fears": pick(self._pool("fears")),
            "catchphrase": pick(self._pool("catchphrases")),
        }
        for key, pool in (
            ("background", "background"),
            ("dream", "dreams"),
            ("family", "family"),
            ("relationships", "relationships"),
        ):
            profile[key] = pick(self._pool(pool, self._life(group, pool)))
        for key in OPEN_FIELDS:
            if self.phrases and self.rng.random() < 0.5:
                profile[key] = pick(self.phrases)
        styles = [style["text"] for style in self.values["styles"] if style["voice"] == voice]
        character = Character(
            id="imagined",
            name={"zh": name, "en": ""},
            greeting={"zh": "", "en": ""},
            profile=profile,
            gender=gender,
            age_group=group,
            traits=tuple(self.rng.sample(traits(), self.rng.randint(3, 4))),
            style=Style(summary=pick(styles)) if styles else Style(),
        )
        return character, voice

    def _pool(self, name: str, key: str = "") -> list[Any]:
        pool = self.values[name]
        return kept(pool[key] if isinstance(pool, dict) else pool, self.heldout)

    def _life(self, group: str, pool: str) -> str:
        keys = self.values[pool]
        if not isinstance(keys, dict) or group in keys:
            return group
        return "adult" if "adult" in keys and group in ("young", "middle") else list(keys)[-1]

    def _food(self, pool: str) -> str:
        place = self.rng.choice(
            ["", "", "", "妈妈做的", "街口那家的", "放凉了的", "外婆包的", "刚出锅的", "自家的"]
        )
        return place + str(self.rng.choice(self._pool(pool)))

    def _height(self, age: int) -> int:
        middle = 105 + 5 * (age - 5) if age < 14 else 165
        return middle + self.rng.randint(-9, 14)

    def _weight(self, age: int) -> int:
        middle = 17 + 3 * (age - 5) if age < 14 else 59
        return middle + self.rng.randint(-5, 18)

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
        # Retrieval puts the right passage first about four times in five.
        place = 0 if self.rng.random() < 0.8 else self.rng.randint(0, len(wrong))
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
        """One exchange of any kind, in the shares that visitors bring."""
        if self.rng.random() < 0.5:
            return self.profile_exchange(character, voice)
        return self.everyday_exchange(character, voice)


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


_SIGNS = (
    (1, 20, "摩羯座"), (2, 19, "水瓶座"), (3, 21, "双鱼座"), (4, 20, "白羊座"),
    (5, 21, "金牛座"), (6, 22, "双子座"), (7, 23, "巨蟹座"), (8, 23, "狮子座"),
    (9, 23, "处女座"), (10, 24, "天秤座"), (11, 23, "天蝎座"), (12, 22, "射手座"),
)  # fmt: skip


def zodiac(month: int, day: int) -> str:
    """The sign of a birthday; each sign ends the day before the date in the table."""
    return next((sign for m, d, sign in _SIGNS if (month, day) < (m, d)), "摩羯座")


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


@functools.cache
def traits() -> list[str]:
    """The traits of the cast, which imagined people share."""
    return sorted({trait for one in cast() for trait in one.traits})
