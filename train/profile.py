"""Writes what is missing in the profiles of characters, from their dialogues and their emotions.

`python -m train profile IN OUT --engine NAME`: IN holds character folders, best annotated; OUT is
a new folder. What a card says already stays, unless --rewrite. A short fact (age, birthday …)
without a dialogue to prove it is dropped and counted. OUT/profile-report.json has the counts.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from rolecraft.characters.counts import ATOMIC_LENGTH, HAN
from rolecraft.characters.model import (
    ATOMIC_FIELDS,
    FIELD_NAMES,
    LONG_FIELDS,
    Character,
    Dialogue,
    field_name,
)
from rolecraft.conversation import Message
from rolecraft.emotions import opening
from train.asking import Settled, Task
from train.asking.forms import read_form
from train.asking.prompts import prompt
from train.asking.stage import Made, carry_out, stage_parser
from train.asking.work import sampling_of
from train.importers.profiles import age_group
from train.shelves import Changed, Source

VERSION = 1  # raise it when the same answers make another profile
HAN_WANTED = 382  # Chinese characters of a whole profile: the mean of the paper
MUCH = 1.6  # times that many are sent back


def make_parser() -> argparse.ArgumentParser:
    """The arguments of this stage."""
    parser = stage_parser("profile", __doc__, top_p=0.95)
    parser.add_argument("--rewrite", action="store_true", help="write known fields anew, too")
    parser.add_argument("--han", type=int, default=HAN_WANTED, help="length of a profile")
    parser.add_argument(
        "--prompt-chars", type=int, default=6000, help="most characters of dialogue in a prompt"
    )
    return parser


def main(args: argparse.Namespace) -> int:
    """Write profiles."""

    def tasks_of(source: Source) -> list[Task]:
        found = [task_of(one, args) for one in source.chosen(args.character)]
        return [task for task in found if task]

    return carry_out(args, "profile", VERSION, tasks_of, lambda _, settled: make(settled, args))


class Fact(BaseModel):
    """One field of the profile and the dialogues that prove it."""

    field: str
    value: str = Field(min_length=1, max_length=200)
    evidence: list[str] = []

    @field_validator("field")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        wanted = (info.context or {})["wanted"]
        if name not in wanted:
            raise ValueError(f"没有要求写 {name!r}，可以写的是 {'、'.join(wanted)}")
        return name

    @field_validator("evidence")
    @classmethod
    def _there(cls, ids: list[str], info: ValidationInfo) -> list[str]:
        unknown = sorted(set(ids) - set((info.context or {})["dialogues"]))
        if unknown:
            raise ValueError(f"没有编号是 {'、'.join(unknown)} 的对话")
        return ids

    @model_validator(mode="after")
    def _short(self) -> "Fact":
        if self.field in ATOMIC_FIELDS and len(self.value) > ATOMIC_LENGTH:
            raise ValueError(f"{self.field} 只写一个值，最多{ATOMIC_LENGTH}个字")
        return self


class Profile(BaseModel):
    """What an engine writes of a character."""

    fields: list[Fact]
    traits: list[str] = Field(min_length=1, max_length=6)
    style: str = Field(min_length=1, max_length=60)

    @field_validator("traits")
    @classmethod
    def _words(cls, traits: list[str]) -> list[str]:
        long = [trait for trait in traits if not 1 <= len(trait) <= 6]
        if long:
            raise ValueError(f"性格词太长：{'、'.join(long)}")
        return list(dict.fromkeys(traits))

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> "Profile":
        context = info.context or {}
        names = [one.field for one in self.fields]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"{'、'.join(twice)} 写了两次")
        missing = [key for key in ("personality", "background") if key in context["wanted"]]
        missing = [key for key in missing if key not in names]
        if missing:
            raise ValueError(f"一定要写 {'、'.join(missing)}")
        written = sum(len(HAN.findall(one.value)) for one in self.fields)
        if written > context["most"]:
            raise ValueError(f"一共写了{written}个字，最多{context['most']}个")
        return self


def task_of(character: Character, args: argparse.Namespace) -> Task | None:
    """The task for one character; None when nothing is missing or there is nothing to read."""
    known = {key: value for key, value in character.profile.items() if key == "name"}
    if not args.rewrite:
        known = dict(character.profile)
    wanted = [key for key in FIELD_NAMES if key not in known]
    dialogues = chosen(character, args.prompt_chars)
    if not wanted or not dialogues:
        return None
    told = sum(len(HAN.findall(value)) for value in known.values())
    context = {
        "wanted": wanted,
        "dialogues": [one.id for one in dialogues],
        "most": max(round(args.han * MUCH) - told, args.han // 2),
    }
    names = "、".join(f"{key}（{field_name(key)}）" for key in wanted)
    shown = "；".join(f"{field_name(key)}：{value}" for key, value in known.items())
    messages = (
        Message("system", prompt("profile", "system", han=args.han, fields=names)),
        Message(
            "user",
            prompt(
                "profile", "user", name=character.name["zh"], known=shown or "没有",
                dialogues="\n\n".join(map(shown_dialogue, dialogues)), wanted="、".join(wanted),
            ),
        ),
    )  # fmt: skip
    return Task(
        character.id,
        messages,
        sampling_of(args),
        lambda text: read_form(text, Profile, context),
        records=len(wanted),
        facts=(character, known),
    )


def chosen(character: Character, room: int) -> list[Dialogue]:
    """Dialogues of at most `room` characters together, from as many feelings as there are."""
    name = character.name["zh"]
    by_feeling: dict[str, list[Dialogue]] = defaultdict(list)
    for one in character.script:
        own = Counter(turn.emotion for turn in one.turns if turn.speaker == name)
        felt = Counter({label: n for label, n in own.items() if label != "中立"}) or own
        if felt:
            by_feeling[felt.most_common(1)[0][0]].append(one)
    taken: list[Dialogue] = []
    queues = sorted(by_feeling.values(), key=len)
    while queues:
        for queue in queues:
            one = queue.pop(0)
            room -= len(shown_dialogue(one))
            if room < 0 and taken:
                return sorted(taken, key=lambda one: character.script.index(one))
            taken.append(one)
        queues = [queue for queue in queues if queue]
    return sorted(taken, key=lambda one: character.script.index(one))


def shown_dialogue(dialogue: Dialogue) -> str:
    """A dialogue with its id, its scene and the emotions, as prompts show it."""
    head = f"{dialogue.id}　{dialogue.scene}".rstrip()
    lines = [f"{turn.speaker}：{opening(turn.emotion)}{turn.text}" for turn in dialogue.turns]
    return "\n".join([head, *lines])


def make(settled: Sequence[Settled], args: argparse.Namespace) -> Made:
    """The characters with their profiles."""
    made = Made()
    lengths = []
    for one in settled:
        if one.value is None:
            continue
        character, known = one.task.facts
        profile = dict(known)
        for fact in one.value.fields:
            if fact.field not in LONG_FIELDS and not fact.evidence:
                made.dropped["short fact without a dialogue to prove it"] += 1
                continue
            profile[fact.field] = " ".join(fact.value.split())
            made.kept += 1
        made.changed.append(Changed(with_profile(character, profile, one.value, args.rewrite)))
        lengths.append(sum(len(HAN.findall(value)) for value in profile.values()))
    made.facts["profiles"] = len(lengths)
    made.facts["mean_han"] = round(sum(lengths) / len(lengths), 1) if lengths else None
    return made


def with_profile(
    character: Character, profile: dict[str, str], told: Profile, rewrite: bool
) -> Character:
    """The character with this profile, and traits and style where they are missing."""
    ordered = {key: profile[key] for key in FIELD_NAMES if key in profile}
    style = character.style
    if rewrite or not style.summary:
        style = replace(style, summary=told.style)
    return replace(
        character,
        profile=ordered,
        traits=tuple(told.traits) if rewrite or not character.traits else character.traits,
        style=style,
        age_group=character.age_group or age_group(ordered.get("age", "")),
    )
