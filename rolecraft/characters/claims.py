"""What a character says of itself, held against its card: age, birthday, size, place, kin, work.

Finds plain claims in the first person; hints, and what others say, are for a reader.
"""

import re
from collections.abc import Iterator
from functools import cache

from rolecraft.characters.findings import Findings
from rolecraft.characters.kinship import KIN
from rolecraft.characters.model import Character
from rolecraft.characters.numerals import NUMBER, number
from rolecraft.characters.places import NAMES, agree
from rolecraft.characters.spoken import texts_of

_END = r"(?=[，。！？、；…,!?\s]|[呀啊啦呢嘛哦哟咯哩的]?(?:[，。！？…]|$))"
_NOW = r"(?:今年|现在|如今|都|才|刚|已经|刚满|满|也|就|虚)"
_AGE = re.compile(
    rf"我(?:{_NOW}+({NUMBER})岁(?!那|时|的时候|以前|之前|以后|进|上|就|起|开始|半)"
    rf"|({NUMBER})岁(?:了|啦|咯|喽){_END})"
)
_DAY = rf"({NUMBER})月(?:初)?({NUMBER})[日号]?"
_BIRTHDAY = (
    re.compile(rf"我(?:的)?(?:生日|出生)[^。！？\n]{{0,8}}?{_DAY}"),
    re.compile(rf"{_DAY}[^。！？，\n]{{0,4}}(?:我(?:的|过)?生日|我(?:出)?生的|(?<=我)出生)"),
    re.compile(rf"我是?[^。！？，\n]{{0,4}}{_DAY}(?:出)?生(?:的|日)?"),
)
_SIZES = (
    (
        "height",
        re.compile(r"我(?:的)?(?:身高|个子|长到)[^。！？\n]{0,6}?(\d{2,3})(?:厘米|公分)"),
    ),
    ("weight", re.compile(r"我(?:的)?(?:体重|有)[^。！？\n]{0,4}?(\d{2,3})公斤")),
)
_PLACE = re.compile(
    rf"我(?:们?家)?(?:现在|如今|就|一直|还|老|也|打小|从小)*(?:住在?(?!过|了)|(?<=家)(?:就)?在"
    rf"|是(?:土生土长的|地道的|地地道道的|老|个|正宗)*(?=[^，。！？]{{2,4}}人))({'|'.join(NAMES)})"
)

_OWNED = tuple(words for words in KIN if words[0] in (
    "妻子", "丈夫", "儿子", "女儿", "哥哥", "姐姐", "弟弟", "妹妹", "孙子", "孙女",
))  # fmt: skip
_NO_KIN = r"(?<![徒师兄老小大阿])"  # 徒弟, 师姐, 老弟 and their like are no family
_JOBS = (
    "医生", "护士", "律师", "警察", "民警", "记者", "厨师", "会计", "歌手", "演员", "作家", "画家",
    "军人", "农民", "裁缝", "咖啡师", "老师", "调音师", "发明人", "客服", "司机", "编辑", "快递员",
    "插画师", "老板", "老板娘", "工程师", "研究助理", "销售", "摄影师", "木匠", "程序员", "商人",
    "档案管理员", "留学生", "大学生", "高中生", "初中生", "小学生", "公务员", "理发师", "飞行员",
)  # fmt: skip
_JOB = re.compile(
    rf"我(?:现在|如今|就|可|其实|只)?是(?:一?[个名位])?({'|'.join(sorted(_JOBS)[::-1])}){_END}"
)
_SUPPOSED = re.compile(r"如果|要是|假如|假装|扮|梦见|要不|以为|想当|像|说我|当成")


def check_claims(character: Character, findings: Findings) -> None:
    """Note every claim of the character's own that its card contradicts."""
    known = _Known(character)
    for text in texts_of(character):
        for said, remedy in known.contradicted(text.text) if text.own else ():
            findings.at(text.file, text.line, text.field, said[:20], remedy)


class _Known:
    """What card and script tell of a character, to hold its words against."""

    def __init__(self, character: Character) -> None:
        self.profile = character.profile
        self.relations = character.relations
        people = [f"{one.name} {one.relation} {one.note}" for one in character.relations]
        self.card = "\n".join([*character.profile.values(), character.tagline["zh"], *people])
        turns = [turn for dialogue in character.script for turn in dialogue.turns]
        script = "\n".join(f"{turn.speaker} {turn.text}" for turn in turns)
        self.all = f"{self.card}\n{script}"
        self.kin = {
            words: bool(re.search(f"{_NO_KIN}(?:{'|'.join(words)})", self.all)) for words in KIN
        }

    def contradicted(self, said: str) -> Iterator[tuple[str, str]]:
        """What of a text is contradicted, and by what."""
        if "我" in said:
            for check in (_age, _birthday, _size, _place, _kin, _names, _job):
                yield from check(self, said)


def _age(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    age = number(known.profile.get("age", ""))
    for found in _AGE.finditer(said):
        told = number(found.group(1) or found.group(2))
        if None not in (age, told) and told != age and "虚" not in found.group():
            yield found.group(), f"The profile says {age}."


def _birthday(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    told = known.profile.get("birthday", "")
    day = re.match(_DAY, told)
    for pattern in _BIRTHDAY if day else ():
        for found in pattern.finditer(said):
            lunar = re.search("农历|阴历|腊月|正月", found.group())
            if day and not lunar and _numbers(found) != _numbers(day):
                yield found.group(), f"The profile says {told}."


def _numbers(found: re.Match[str]) -> tuple[int | None, ...]:
    return tuple(number(one) for one in found.groups())


def _size(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    for field, pattern in _SIZES:
        told = known.profile.get(field, "")
        for found in pattern.finditer(said):
            if told and number(told) != int(found.group(1)):
                yield found.group(), f"The profile says {told}."


def _place(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    for found in _PLACE.finditer(said):
        if not agree(found.group(1), known.card):
            yield found.group(), f"The profile says {known.profile.get('residence', 'nothing')}."


def _kin(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    """A relative of whom card and script know nothing, or one denied whom the card names."""
    for words, has_one in known.kin.items():
        has, lacks = _claims_of(words)
        if words in _OWNED and not has_one and (found := has.search(said)):
            yield found.group(), f"Neither card nor script knows of a {words[0]}."
        named = [one.name for one in known.relations if one.relation in words]
        if named and (found := lacks.search(said)):
            yield found.group(), f"The card names {named[0]}."


@cache
def _claims_of(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """How somebody says that they have such a relative, and that they have none."""
    kin = "|".join(words)
    count = rf"(?:(?:{NUMBER}|几|好几)个?)?"
    has = rf"我(?:还|也|就)?有{count}(?:亲|大|小)?(?:{kin}){_END}"
    has += rf"|我(?:家|的|们家)?(?:亲)?(?:{kin})(?=在|是|叫|说|今年|上|读|念|也|就|从|给|最|老|总)"
    lacks = rf"我(?:又|可|也|家)?没(?:有)?(?:{kin})(?=[，。！？…呀啊啦]|$)"
    return re.compile(has), re.compile(lacks)


def _names(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    """A relative who has another name in another place: 我妈叫…"""
    for relation in known.relations:
        words = {word for group in KIN if relation.relation in group for word in group}
        found = _called(tuple(sorted(words or {relation.relation}, reverse=True))).search(said)
        if found and found.group(1)[:2] not in known.card:
            yield found.group(), f"The card calls them {relation.name}."


@cache
def _called(words: tuple[str, ...]) -> re.Pattern[str]:
    kin = "|".join(map(re.escape, words))
    no_name = "我|你|他|她|它|咱|俺|人|大家|醒|住|不|得|着|了|作|做|囡|宝|乖|丫头"
    return re.compile(
        rf"我(?:的|家|们家)?(?:{kin})(?:名字|大名|就|本名)?"
        rf"叫(?!{no_name})([\u3400-\u9fff]{{2,3}}?){_END}"
    )


def _job(known: _Known, said: str) -> Iterator[tuple[str, str]]:
    for found in _JOB.finditer(said):
        before = re.split("[。！？]", said[: found.start()])[-1]
        work = known.profile.get("occupation", "")
        loose = ".{0,5}".join(found.group(1).replace("中", ""))  # 高中生 of a 高二学生
        own = found.group(1) in known.all or re.search(loose, work)
        if not own and not _SUPPOSED.search(before):
            yield found.group(), f"The profile says {work or 'nothing of work'}."
