"""What the characters' data holds, counted: Table 1 of the paper, emotions, traits, verbs.

Counts only: `figures` draws them and `cast_page` writes them down.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rolecraft.characters.counts import counts_of, han
from rolecraft.characters.model import Character
from rolecraft.emotions import LABELS

VERBS = 20  # the most frequent verbs, as in Fig. 3 of the paper

# RoleInstruct, Table 1 of RoleCraft-GLM (Tao et al., 2023, arXiv 2401.09432).
PAPER_TABLE: dict[str, float] = {
    "dialogues": 48_677,
    "rounds": 14.85,
    "characters": 28,
    "traits": 45,
    "profile_length": 382.15,
    "instructions": 43_358,
    "specific_instructions": 13_778,
    "general_instructions": 29_580,
    "instruction_length": 27.68,
    "responses": 161_678,
    "specific_responses": 13_778,
    "general_responses": 147_900,
    "response_length": 33.29,
}

# jieba calls these verbs; in a question they are copulas, modals, directions or the asking itself.
_EMPTY_VERBS = frozenset(
    (
        "是", "有", "没", "没有", "有没有", "还有", "会", "不会", "能", "不能", "可以", "要",
        "不要", "想", "想要", "让", "请", "来", "去", "到", "起来", "出来", "回来", "应该",
        "该不该", "打算", "算", "像", "使", "觉得", "知道", "有用吗", "值得", "干", "咋办", "最怕",
        "行", "成", "属", "该", "肯", "得", "出", "回", "走", "叫", "讲讲", "起",
    )
)  # fmt: skip
# Nouns that are no object of what is asked: points in time and manners of speaking.
_EMPTY_NOUNS = frozenset(
    (
        "时候", "时", "人", "时间", "有点", "意思", "后来", "样子", "感觉", "会儿", "那阵",
    )
)  # fmt: skip
_MEASURE = re.compile("^[种首道份](?=.)")  # jieba leaves it on the noun: 种颜色
_ASPECT = re.compile("(?<=.)[过着]$")  # and on the verb: 修过
_NOUN_FLAGS = ("n", "vn", "an", "nz", "nr", "ns", "nt", "nrt")
_BETWEEN_FLAGS = ("r", "m", "q", "a", "uj", "ul", "ud", "uz", "ug", "b", "mq", "f", "t", "zg", "d")


def table_of(characters: Sequence[Character], instructions: int) -> dict[str, float]:
    """The numbers of Table 1 for these characters.

    `instructions` is how many general instructions they share; each character's answers to one are
    counted as the paper counts them: an instruction for each character, several responses. An
    answer to what everybody says is a general response, its topic a general instruction. Lengths
    are in characters, of a profile in Chinese characters, of an instruction where it is specific; a
    round is an utterance.
    """
    dialogues = [dialogue for one in characters for dialogue in one.script]
    questions = [question for one in characters for question in one.questions]
    rows = [row for one in characters for row in one.general]
    everyday = [row.answer for one in characters for row in one.everyday]
    answers = [*(answer for row in rows for answer in row.answers), *everyday]
    replies = [question.answer for question in questions] + [answer.text for answer in answers]
    general = instructions * len(characters) + len(everyday)
    return {
        "dialogues": len(dialogues),
        "rounds": _mean(len(dialogue.turns) for dialogue in dialogues),
        "characters": len(characters),
        "traits": len({trait for one in characters for trait in one.traits}),
        "profile_length": _mean(han(one) for one in characters),
        "instructions": len(questions) + general,
        "specific_instructions": len(questions),
        "general_instructions": general,
        "instruction_length": _mean(len(question.question) for question in questions),
        "responses": len(replies),
        "specific_responses": len(questions),
        "general_responses": len(answers),
        "response_length": _mean(len(reply) for reply in replies),
    }


def emotion_counts(characters: Iterable[Character]) -> dict[str, int]:
    """Utterances of the scripts by emotion, all speakers, in the order of the ten labels."""
    found = Counter(
        turn.emotion for one in characters for dialogue in one.script for turn in dialogue.turns
    )
    return {label: found[label] for label in LABELS}


def signature(character: Character) -> dict[str, float]:
    """The shares of the ten emotions in the character's own lines; zeros without a script."""
    own = Counter(
        turn.emotion
        for dialogue in character.script
        for turn in dialogue.turns
        if turn.speaker == character.name["zh"]
    )
    return {label: own[label] / max(own.total(), 1) for label in LABELS}


def verb_objects(questions: Iterable[str], verbs: int = VERBS) -> dict[str, dict[str, int]]:
    """The most frequent verbs of the questions with their objects, most frequent first.

    Parts of speech are jieba's. The object is the head of the first noun phrase after the verb in
    the same clause; a question counts once for a verb and object, and one without an object not at
    all. Ties are broken by the letters, so the same questions give the same table.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for question in questions:
        pairs.update(set(_pairs(_tagged(question))))
    totals: Counter[str] = Counter()
    for (verb, _), count in pairs.items():
        totals[verb] += count
    chosen = sorted(totals, key=lambda verb: (-totals[verb], verb))[:verbs]
    return {
        verb: dict(
            sorted(
                ((noun, count) for (one, noun), count in pairs.items() if one == verb),
                key=lambda item: (-item[1], item[0]),
            )
        )
        for verb in chosen
    }


@dataclass(frozen=True)
class Dataset:
    """Everything that the page, the pictures and `results data --json` show."""

    table: dict[str, float]
    emotions: dict[str, int]
    traits: dict[str, int]  # trait → characters, most frequent first
    verbs: dict[str, dict[str, int]]
    signatures: dict[str, dict[str, float]]  # id → emotion → share of their own lines
    counts: dict[str, dict[str, Any]]  # id → the counts of `characters check`

    def as_json(self) -> dict[str, Any]:
        """The numbers with those of the paper, shares rounded for people."""
        return {
            "table": {
                key: {"paper": PAPER_TABLE[key], "here": round(value, 2)}
                for key, value in self.table.items()
            },
            "emotions": self.emotions,
            "traits": self.traits,
            "verbs": self.verbs,
            "signatures": {
                identity: {label: round(share, 3) for label, share in shares.items()}
                for identity, shares in self.signatures.items()
            },
            "counts": self.counts,
        }


def read_dataset(characters: Sequence[Character]) -> Dataset:
    """Count the data of these characters."""
    traits = Counter(trait for one in characters for trait in one.traits)
    shared = {row.instruction for one in characters for row in one.general}
    return Dataset(
        table=table_of(characters, len(shared)),
        emotions=emotion_counts(characters),
        traits=dict(sorted(traits.items(), key=lambda item: (-item[1], item[0]))),
        verbs=verb_objects(question.question for one in characters for question in one.questions),
        signatures={one.id: signature(one) for one in characters},
        counts={one.id: counts_of(one) for one in characters},
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0


def _tagged(text: str) -> list[tuple[str, str]]:
    import jieba
    import jieba.posseg

    jieba.setLogLevel(logging.WARNING)  # it reports on loading its dictionary otherwise
    return [(token.word, token.flag) for token in jieba.posseg.cut(text)]


def _pairs(tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    found = []
    for place, (word, flag) in enumerate(tokens):
        verb = _ASPECT.sub("", word)
        if flag == "v" and verb not in _EMPTY_VERBS:
            noun = _object(tokens[place + 1 :])
            if noun:
                found.append((verb, noun))
    return found


def _object(tokens: list[tuple[str, str]]) -> str | None:
    """The last noun of the first noun phrase, before another verb or the end of the clause."""
    head = None
    for word, flag in tokens:
        if flag in _NOUN_FLAGS:
            head = _MEASURE.sub("", word)
        elif flag not in _BETWEEN_FLAGS or (head and flag in ("a", "d", "r", "t", "f", "zg")):
            break
    return head if head and head not in _EMPTY_NOUNS else None
