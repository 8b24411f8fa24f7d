"""How much a character has of everything, and whether that is enough for the cast.

Counts only; whether the facts agree is `facts`' work, whether the words are good `writing`'s.
"""

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

from rolecraft.characters.findings import Findings
from rolecraft.characters.model import ATOMIC_FIELDS, FIELD_NAMES, KINDS, SPLITS, Character

HAN = re.compile(r"[\u3400-\u9fff]")
_SENTENCE_ENDS = re.compile(r"[。！？!?…]+")

PROFILE_HAN = (350, 420)
TRAITS = (3, 6)
LEAST_EMOTIONS = 6
LEAST_DIALOGUES = 14
TURNS = (4, 16)
LEAST_UTTERANCES = 120
LEAST_OWN_UTTERANCES = 60
LEAST_OTHER_SPEAKERS = 2
MOST_NEUTRAL = 0.55
LEAST_QUESTIONS = 60
LEAST_OF_A_KIND = {"profile": 20, "experience": 10, "out_of_knowledge": 8}
LEAST_OF_OTHER_KINDS = 6
LEAST_TEST_SHARE = 0.20
ANSWER_LENGTH = (25, 60)
INSTRUCTIONS = tuple(f"g{n:02d}" for n in range(1, 11))
ANSWERS_TO_AN_INSTRUCTION = 3
EVERYDAY_LENGTH = (6, 55)  # with what was said it stands in the 80 characters of a passage
SHARE_TOLERANCE = 0.08
ATOMIC_LENGTH = 14


def counts_of(character: Character) -> dict[str, Any]:
    """The numbers of a character, for the report and for people."""
    turns = [turn for dialogue in character.script for turn in dialogue.turns]
    own = [turn for turn in turns if turn.speaker == character.name["zh"]]
    neutral = sum(turn.emotion == "中立" for turn in turns)
    answers = [len(question.answer) for question in character.questions]
    test = len(character.questions_of("test"))
    return {
        "profile_han": han(character),
        "fields": len(character.profile),
        "traits": len(character.traits),
        "relations": len(character.relations),
        "dialogues": len(character.script),
        "utterances": len(turns),
        "own_utterances": len(own),
        "other_speakers": len({turn.speaker for turn in turns} - {character.name["zh"]}),
        "emotions": len({turn.emotion for turn in turns}),
        "neutral_share": round(neutral / len(turns), 3) if turns else 0.0,
        "questions": len(answers),
        "kinds": dict(Counter(question.kind for question in character.questions)),
        "test_share": round(test / len(answers), 3) if answers else 0.0,
        "mean_answer": round(sum(answers) / len(answers), 1) if answers else 0.0,
        "general_answers": sum(len(row.answers) for row in character.general),
        "everyday_answers": len(character.everyday),
    }


def han(character: Character) -> int:
    """Chinese characters in all profile values together."""
    return sum(len(HAN.findall(value)) for value in character.profile.values())


def check_counts(character: Character, findings: Findings) -> None:
    """Counts and lengths of everything."""
    _card(character, findings)
    _profile(character, findings)
    _emotions(character, findings)
    _script(character, findings)
    _questions(character, findings)
    _general(character, findings)


def check_everyday(character: Character, topics: Collection[str], findings: Findings) -> None:
    """Whether every topic of the shelf is answered, briefly enough to stand in a prompt."""
    answered = {row.topic for row in character.everyday}
    for topic in topics:
        if topic not in answered:
            findings.everyday(0, "topic", topic, "This topic is not answered.")
    for row in character.everyday:
        low, high = EVERYDAY_LENGTH
        if not low <= len(row.answer.text) <= high:
            findings.everyday(
                row.line, "text", row.answer.text, f"Write {low} to {high} characters."
            )


def _card(character: Character, findings: Findings) -> None:
    for field in ("gender", "age_group", "licence", "author"):
        if not getattr(character, field):
            findings.card(field, "", "This field is missing; add it.")
    if character.portrait is None:
        findings.card("portrait", "", "Put a portrait.svg, .png, .jpg or .webp beside the card.")
    for field, limit in (("zh", 24), ("en", 80)):
        tagline = character.tagline[field]
        if not 0 < len(tagline) <= limit:
            findings.card(f"tagline.{field}", tagline, f"Write 1 to {limit} characters.")
    for field, wanted in (("alternate_greetings", 2), ("starters", 4)):
        found = len(getattr(character, field))
        if found != wanted:
            findings.card(field, found, f"Write exactly {wanted}.")
    for n, starter in enumerate(character.starters):
        if len(starter["zh"]) > 18:
            findings.card(f"starters[{n}]", starter["zh"], "Keep it to 18 characters: a click.")
    for n, greeting in enumerate((character.greeting, *character.alternate_greetings)):
        field = f"alternate_greetings[{n - 1}]" if n else "greeting"
        if len([part for part in _SENTENCE_ENDS.split(greeting["zh"]) if part.strip()]) > 4:
            findings.card(field, greeting["zh"], "Greet in one to three sentences.")
    if not TRAITS[0] <= len(set(character.traits)) <= TRAITS[1]:
        remedy = f"Give {TRAITS[0]} to {TRAITS[1]} different traits."
        findings.card("traits", " ".join(character.traits), remedy)
    if len(character.relations) < 3:
        findings.card("relations", len(character.relations), "Name at least 3 people.")
    _style(character, findings)


def _style(character: Character, findings: Findings) -> None:
    style = character.style
    if not 0 < len(style.summary) <= 40:
        findings.card("style.summary", style.summary, "Say in 1 to 40 characters how they speak.")
    if not 2 <= len(style.particles) <= 6:
        findings.card("style.particles", len(style.particles), "Give 2 to 6 particles.")
    if len(style.dialect) > 6:
        findings.card("style.dialect", len(style.dialect), "Give at most 6 dialect words.")
    if not style.humour:
        findings.card("style.humour", "", "Say in a phrase what is funny about them.")
    if len(style.never_says) < 2:
        findings.card("style.never_says", len(style.never_says), "Give at least 2 phrases.")


def _profile(character: Character, findings: Findings) -> None:
    for field in FIELD_NAMES:
        if field not in character.profile:
            findings.card(f"profile.{field}", "", "This field is missing; add it.")
    for field in ATOMIC_FIELDS:
        value = character.profile.get(field, "")
        if len(value) > ATOMIC_LENGTH:
            remedy = f"Keep it to {ATOMIC_LENGTH} characters, so that answers can quote it."
            findings.card(f"profile.{field}", value, remedy)
    found = han(character)
    if not PROFILE_HAN[0] <= found <= PROFILE_HAN[1]:
        remedy = f"Bring all values together to {PROFILE_HAN[0]} to {PROFILE_HAN[1]} characters."
        findings.card("profile", f"{found} Chinese characters", remedy)


def _emotions(character: Character, findings: Findings) -> None:
    shares = {one.emotion: one.share for one in character.emotions}
    if len(shares) < LEAST_EMOTIONS:
        remedy = f"Give at least {LEAST_EMOTIONS} different emotions."
        findings.card("emotions", " ".join(shares), remedy)
    if abs(sum(one.share for one in character.emotions) - 1) > 0.011:
        total = sum(one.share for one in character.emotions)
        findings.card("emotions", f"{total:.2f}", "Make the shares sum to 1.")
    for n, one in enumerate(character.emotions):
        if not one.trigger:
            findings.card(f"emotions[{n}].trigger", "", "Say what brings it on.")
    if character.mood == "中立" or character.mood not in shares:
        findings.card("mood", character.mood, "Choose one of their emotions, but not 中立.")
    turns = [turn for dialogue in character.script for turn in dialogue.turns]
    own = Counter(turn.emotion for turn in turns if turn.speaker == character.name["zh"])
    for emotion in sorted(shares.keys() | own.keys()):
        shown = own[emotion] / max(own.total(), 1)
        said = shares.get(emotion, 0.0)
        if turns and abs(shown - said) > SHARE_TOLERANCE + 1e-9:
            remedy = (
                f"Their own lines in the script show {shown:.2f}; agree within {SHARE_TOLERANCE}."
            )
            findings.card("emotions", f"{emotion} {said:.2f}", remedy)


def _script(character: Character, findings: Findings) -> None:
    numbers = counts_of(character)
    for key, least in (
        ("dialogues", LEAST_DIALOGUES),
        ("utterances", LEAST_UTTERANCES),
        ("own_utterances", LEAST_OWN_UTTERANCES),
        ("other_speakers", LEAST_OTHER_SPEAKERS),
        ("emotions", LEAST_EMOTIONS),
    ):
        if numbers[key] < least:
            findings.script(0, key, numbers[key], f"Write at least {least}.")
    if numbers["neutral_share"] > MOST_NEUTRAL:
        remedy = f"Let at most {MOST_NEUTRAL:.0%} of the utterances be 中立."
        findings.script(0, "emotion", f"{numbers['neutral_share']:.1%} 中立", remedy)
    for dialogue in character.script:
        speakers = [turn.speaker for turn in dialogue.turns]
        if not TURNS[0] <= len(speakers) <= TURNS[1]:
            remedy = f"Give a dialogue {TURNS[0]} to {TURNS[1]} turns."
            findings.script(dialogue.line, "turns", len(speakers), remedy)
        if not dialogue.scene:
            findings.script(dialogue.line, "scene", "", "Say where and when it happens.")
        if len(set(speakers)) != 2 or character.name["zh"] not in speakers:
            remedy = f"Let exactly two speak, one of them {character.name['zh']}."
            findings.script(dialogue.line, "turns", " ".join(sorted(set(speakers))), remedy)
        for n in range(1, len(speakers)):
            if speakers[n] == speakers[n - 1]:
                remedy = "The same speaks twice in a row; join the two turns."
                findings.script(dialogue.line, f"turns[{n}].speaker", speakers[n], remedy)


def _questions(character: Character, findings: Findings) -> None:
    numbers = counts_of(character)
    if numbers["questions"] < LEAST_QUESTIONS:
        remedy = f"Write at least {LEAST_QUESTIONS}."
        findings.questions(0, "questions", numbers["questions"], remedy)
    for kind in KINDS:
        asked = [question for question in character.questions if question.kind == kind]
        least = LEAST_OF_A_KIND.get(kind, LEAST_OF_OTHER_KINDS)
        if len(asked) < least:
            findings.questions(0, "kind", f"{len(asked)} {kind}", f"Write at least {least}.")
        for split in SPLITS:
            if asked and not any(question.split == split for question in asked):
                findings.questions(0, "split", f"{kind}: no {split}", "Put some in both splits.")
    if numbers["test_share"] < LEAST_TEST_SHARE:
        remedy = f"Put at least {LEAST_TEST_SHARE:.0%} of the questions in the test split."
        findings.questions(0, "split", f"{numbers['test_share']:.1%} test", remedy)
    if not ANSWER_LENGTH[0] <= numbers["mean_answer"] <= ANSWER_LENGTH[1]:
        low, high = ANSWER_LENGTH
        remedy = f"Bring the mean length of the answers to {low} to {high} characters."
        findings.questions(0, "answer", f"{numbers['mean_answer']} characters", remedy)


def _general(character: Character, findings: Findings) -> None:
    rows = {row.instruction: row for row in character.general}
    for instruction in INSTRUCTIONS:
        if instruction not in rows:
            findings.general(0, "instruction", instruction, "This instruction is not answered.")
    for row in character.general:
        if row.instruction not in INSTRUCTIONS:
            remedy = f"Use one of {INSTRUCTIONS[0]} to {INSTRUCTIONS[-1]}."
            findings.general(row.line, "instruction", row.instruction, remedy)
        if len(row.answers) != ANSWERS_TO_AN_INSTRUCTION:
            remedy = f"Write exactly {ANSWERS_TO_AN_INSTRUCTION}."
            findings.general(row.line, "answers", len(row.answers), remedy)
