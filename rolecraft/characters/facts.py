"""Whether what is said of a character agrees: with itself, and with the others of the cast.

Finds contradictions that can be computed: age and birthday, sign, sources, quoted values, likes,
relations in both directions, and what `claims` finds in speech. A reader still has to read.
"""

import re
from collections.abc import Mapping

from rolecraft.characters.claims import check_claims
from rolecraft.characters.findings import Findings
from rolecraft.characters.kinship import answer_each_other, gender_of
from rolecraft.characters.model import AGE_GROUPS, ATOMIC_FIELDS, Character, Question
from rolecraft.characters.numerals import number
from rolecraft.characters.spoken import texts_of

TODAY = (2026, 11, 22)  # the day on which the cast's ages hold

# First day of each sign, in order of the year (tropical zodiac, the dates used in China).
_SIGNS = (
    ((1, 20), "水瓶座"),
    ((2, 19), "双鱼座"),
    ((3, 21), "白羊座"),
    ((4, 20), "金牛座"),
    ((5, 21), "双子座"),
    ((6, 22), "巨蟹座"),
    ((7, 23), "狮子座"),
    ((8, 23), "处女座"),
    ((9, 23), "天秤座"),
    ((10, 24), "天蝎座"),
    ((11, 23), "射手座"),
    ((12, 22), "摩羯座"),
)
_OTHER_NAMES = {"牡羊座": "白羊座", "人马座": "射手座", "山羊座": "摩羯座", "魔羯座": "摩羯座"}
_LIKED = ("favourite_colour", "favourite_food", "favourite_sport", "favourite_film")
_DISLIKED = ("disliked_food", "dislikes")
_DISLIKING = r"(?:不喜欢|不爱|讨厌|最烦|受不了|不吃|吃不惯)"
_LIKING = r"(?:(?<!不)喜欢|(?<!不)爱|最馋)"


def check_facts(character: Character, cast: Mapping[str, Character], findings: Findings) -> None:
    """Note every contradiction; `cast` is everyone on the shelf, by id."""
    _age(character, findings)
    _sources(character, findings)
    _likes(character, findings)
    _relations(character, cast, findings)
    check_claims(character, findings)
    name = character.profile.get("name", "")
    if name != character.name["zh"]:
        findings.card("profile.name", name, f"The card is of {character.name['zh']}; agree.")


def zodiac_sign(month: int, day: int) -> str:
    """The sign of a day of the year."""
    passed = [sign for start, sign in _SIGNS if start <= (month, day)]
    return passed[-1] if passed else "摩羯座"


def _age(character: Character, findings: Findings) -> None:
    profile = character.profile
    age = number(profile.get("age", ""))
    if age is None:
        findings.card("profile.age", profile.get("age", ""), "Write the age as in 12岁.")
        return
    youngest, oldest = AGE_GROUPS.get(character.age_group, (0, 130))
    if not youngest <= age <= oldest:
        remedy = f"The profile says {age}; the group goes from {youngest} to {oldest}."
        findings.card("age_group", character.age_group, remedy)
    day = re.fullmatch(r"(\d{1,2})月(\d{1,2})[日号]", profile.get("birthday", ""))
    if not day:
        remedy = "Write the birthday as in 5月18日."
        findings.card("profile.birthday", profile.get("birthday", ""), remedy)
        return
    born = (int(day.group(1)), int(day.group(2)))
    if character.birth_year is None:
        findings.card("birth_year", "", "This field is missing; add it.")
    else:
        expected = TODAY[0] - character.birth_year - (born > TODAY[1:])
        if age != expected:
            remedy = f"Born in {character.birth_year} on {born[0]}/{born[1]} they are {expected}."
            findings.card("profile.age", profile["age"], remedy)
    sign = profile.get("zodiac", "")
    if _OTHER_NAMES.get(sign, sign) != zodiac_sign(*born):
        remedy = f"The sign of {profile['birthday']} is {zodiac_sign(*born)}."
        findings.card("profile.zodiac", sign, remedy)


def _sources(character: Character, findings: Findings) -> None:
    dialogues = {dialogue.id for dialogue in character.script}
    covered = set()
    for question in character.questions:
        kind, _, name = (question.source or "").partition(".")
        if kind == "profile" and name in character.profile:
            covered.add(name)
            _quoted(character, question, name, findings)
        elif question.source and not (kind == "script" and name in dialogues):
            remedy = "Name a field (profile.age) or a dialogue (script.d01) that exists, or null."
            findings.questions(question.line, "source", question.source, remedy)
        expected = {"profile": "profile", "experience": "script"}.get(question.kind)
        if expected and kind != expected:
            remedy = f"A question of the kind {question.kind} has a source {expected}.…"
            findings.questions(question.line, "source", question.source or "null", remedy)
    for field in character.profile:
        if character.questions and field not in covered:
            remedy = "No question asks for it; add one with this source."
            findings.questions(0, "source", f"profile.{field}", remedy)


def _quoted(character: Character, question: Question, field: str, findings: Findings) -> None:
    value = character.profile[field]
    if field in ATOMIC_FIELDS and value not in question.answer:
        remedy = f"Quote the profile word for word: {value}."
        findings.questions(question.line, "answer", question.answer, remedy)


def _likes(character: Character, findings: Findings) -> None:
    """A favourite that someone says they cannot stand, or the other way round."""
    patterns = [
        (field, re.compile(feeling + r"(?:吃|看|做|穿|的是)?" + re.escape(value)))
        for fields, feeling in ((_LIKED, _DISLIKING), (_DISLIKED, _LIKING))
        for field in fields
        if (value := character.profile.get(field, ""))
    ]
    for text in texts_of(character):
        for field, pattern in patterns:
            found = pattern.search(text.text) if text.own else None
            if found:
                remedy = f"The profile says {character.profile[field]} is {field}."
                findings.at(text.file, text.line, text.field, found.group(), remedy)


def _relations(character: Character, cast: Mapping[str, Character], findings: Findings) -> None:
    names = [relation.name for relation in character.relations]
    for n, relation in enumerate(character.relations):
        field = f"relations[{n}]"
        if relation.name in names[:n]:
            findings.card(f"{field}.name", relation.name, "They stand there twice; keep one.")
        if relation.character is None:
            continue
        other = cast.get(relation.character)
        if other is None:
            remedy = "Nobody of that id is on the shelf; leave the id out or add the character."
            findings.card(f"{field}.character", relation.character, remedy)
            continue
        if other.name["zh"] != relation.name:
            remedy = f"{other.id} is called {other.name['zh']}."
            findings.card(f"{field}.name", relation.name, remedy)
        back = [one.relation for one in other.relations if one.character == character.id]
        if not back:
            remedy = f"{other.id} does not name {character.id} in its relations; add it there."
            findings.card(f"{field}.character", relation.character, remedy)
        elif not any(answer_each_other(relation.relation, one) for one in back):
            remedy = f"{other.id} calls {character.id} {back[0]}; let the two answer each other."
            findings.card(f"{field}.relation", relation.relation, remedy)
        gender = gender_of(relation.relation)
        if gender and other.gender and gender != other.gender:
            remedy = f"{other.id} is {other.gender}; choose a word that fits."
            findings.card(f"{field}.relation", relation.relation, remedy)
