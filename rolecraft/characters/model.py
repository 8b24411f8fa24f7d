"""The frozen values of a character: card, script, questions, general and everyday answers.

Knows no file format: `shelf` reads them from disk, `cards` from Tavern cards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Bilingual = Mapping[str, str]  # always both keys, "zh" and "en"
Kind = Literal["profile", "experience", "opinion", "small_talk", "out_of_knowledge"]
Split = Literal["train", "test"]

GENDERS = ("male", "female")
AGE_GROUPS = {  # youngest and oldest age of each group
    "child": (0, 12),
    "teen": (13, 19),
    "young": (20, 34),
    "middle": (35, 59),
    "elder": (60, 130),
}
BEYOND = "beyond-"  # how topics are called that no character can know of
LENGTHS = ("short", "medium", "long")
KINDS: tuple[Kind, ...] = ("profile", "experience", "opinion", "small_talk", "out_of_knowledge")
SPLITS: tuple[Split, ...] = ("train", "test")

# Profile fields in the order in which prompts and pages show them: key, Chinese, English.
FIELD_NAMES: dict[str, Bilingual] = {
    "name": {"zh": "姓名", "en": "Name"},
    "age": {"zh": "年龄", "en": "Age"},
    "height": {"zh": "身高", "en": "Height"},
    "weight": {"zh": "体重", "en": "Weight"},
    "birthday": {"zh": "生日", "en": "Birthday"},
    "zodiac": {"zh": "星座", "en": "Zodiac sign"},
    "occupation": {"zh": "职业", "en": "Occupation"},
    "residence": {"zh": "住处", "en": "Residence"},
    "personality": {"zh": "性格", "en": "Personality"},
    "background": {"zh": "经历", "en": "Background"},
    "hobbies": {"zh": "爱好", "en": "Hobbies"},
    "strengths": {"zh": "特长", "en": "Strengths"},
    "dream": {"zh": "梦想", "en": "Dream"},
    "family": {"zh": "家人", "en": "Family"},
    "relationships": {"zh": "人际关系", "en": "Relationships"},
    "favourite_colour": {"zh": "喜欢的颜色", "en": "Favourite colour"},
    "favourite_food": {"zh": "喜欢的食物", "en": "Favourite food"},
    "favourite_sport": {"zh": "喜欢的运动", "en": "Favourite sport"},
    "favourite_television": {"zh": "喜欢的电视节目", "en": "Favourite television"},
    "favourite_film": {"zh": "喜欢的电影", "en": "Favourite film"},
    "disliked_food": {"zh": "不喜欢的食物", "en": "Disliked food"},
    "dislikes": {"zh": "讨厌的事", "en": "Dislikes"},
    "fears": {"zh": "害怕的事", "en": "Fears"},
    "catchphrase": {"zh": "口头禅", "en": "Catchphrase"},
}

# Fields told in a sentence or more; every other field is one short value that answers can quote.
LONG_FIELDS = (
    "personality",
    "background",
    "hobbies",
    "strengths",
    "dream",
    "family",
    "relationships",
)
ATOMIC_FIELDS = tuple(key for key in FIELD_NAMES if key not in LONG_FIELDS)


def field_name(key: str, language: str = "zh") -> str:
    """The name of a profile field as it is shown; an unknown key is its own name."""
    names = FIELD_NAMES.get(key)
    return names[language] if names else key


@dataclass(frozen=True)
class Tendency:
    """How often a character feels something (share of its utterances), and what brings it on."""

    emotion: str
    share: float
    trigger: str = ""


@dataclass(frozen=True)
class Style:
    """How a character speaks."""

    summary: str = ""
    particles: tuple[str, ...] = ()
    dialect: tuple[str, ...] = ()
    length: str = "medium"
    humour: str = ""
    never_says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relation:
    """A person in a character's life; `character` is an id when that person is in the cast."""

    name: str
    relation: str
    character: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Utterance:
    """One turn of a script."""

    speaker: str
    text: str
    emotion: str


@dataclass(frozen=True)
class Dialogue:
    """A scene of a character's life; `line` is where it stands in script.jsonl."""

    id: str
    scene: str
    turns: tuple[Utterance, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Question:
    """A question, the character's own answer, and whether models may be trained on it."""

    id: str
    kind: Kind
    question: str
    answer: str
    emotion: str
    split: Split
    source: str | None = None  # profile.<field> | script.<dialogue id>
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Answer:
    """One in-character answer to a general instruction."""

    text: str
    emotion: str


@dataclass(frozen=True)
class GeneralAnswers:
    """A character's answers to an instruction that the whole cast shares."""

    instruction: str
    answers: tuple[Answer, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Everyday:
    """A character's answer to what everybody says; `said` are the ways in which it is said.

    The ways are the shelf's (everyday.yaml) and empty where the shelf has none.
    """

    topic: str
    answer: Answer
    said: tuple[str, ...] = field(default=(), compare=False)
    line: int = field(default=0, compare=False)

    @property
    def beyond(self) -> bool:
        """Whether the topic lies beyond what a character knows, and the answer is an evasion."""
        return self.topic.startswith(BEYOND)


@dataclass(frozen=True)
class Character:
    """A persona: everything that its folder says."""

    id: str
    name: Bilingual
    greeting: Bilingual
    profile: Mapping[str, str]  # Chinese values by field key, in the order of the card
    tagline: Bilingual = field(default_factory=lambda: {"zh": "", "en": ""})
    gender: str = ""
    age_group: str = ""
    alternate_greetings: tuple[Bilingual, ...] = ()
    starters: tuple[Bilingual, ...] = ()
    traits: tuple[str, ...] = ()
    mood: str = "中立"
    emotions: tuple[Tendency, ...] = ()
    style: Style = Style()
    relations: tuple[Relation, ...] = ()
    birth_year: int | None = None
    licence: str = ""
    author: str = ""
    script: tuple[Dialogue, ...] = ()
    questions: tuple[Question, ...] = ()
    general: tuple[GeneralAnswers, ...] = ()
    everyday: tuple[Everyday, ...] = ()
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # ways of asking, by origin
    # How everybody is asked after the fields of this profile; the shelf's asked.yaml.
    asked_commonly: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    tavern: Mapping[str, Any] | None = None  # the Tavern card it was imported from, untouched
    folder: Path | None = None
    portrait: Path | None = None

    def questions_of(self, split: Split) -> tuple[Question, ...]:
        """The questions of one split, in file order."""
        return tuple(question for question in self.questions if question.split == split)
