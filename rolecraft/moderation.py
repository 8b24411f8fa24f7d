"""Whether words may be shown to everyone: decided by rules over one text.

Knows no store and no model. Nothing is refused or dropped for what is found here: talks go on, and
ratings count; only what is published leaves the words out.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from rolecraft import marks, privacy

Verdict = Literal["pass", "fail", "unknown"]
RULES = 1  # their version; a text that was judged by others is judged again
_LONGEST = 4000  # characters; what is longer is looked at by a person

# Words of self-harm. They over-match on purpose: a kind word too many harms nobody.
_SELF_HARM = re.compile(
    r"自杀|自殺|自残|自殘|轻生|輕生|寻死|尋死|了结(?:自己|生命|这一切)|结束(?:自己的|我的)?生命|"
    r"(?:不想|不愿|懒得|没力气)(?:再)?活(?:了|下去|着)|活不下去|"
    r"活着(?:没|真没|也没)(?:什么|有)?(?:意思|意义)|"
    r"(?<![笑累饿吵热冷困])(?:我|真|好|就)想(?:去)?死(?!你|党|磕|守|心)|想死了算了|死了算了|"
    r"不如(?:去)?死了|一了百了|"
    r"割腕|跳楼(?!价|机|甩卖|大甩卖)|吞安眠药|伤害(?:我)?自己|遗书|"
    r"\b(?:suicide|suicidal|unalive|kill(?:ing)? myself|end(?:ing)? my life|self[- ]?harm\w*|"
    r"hurt(?:ing)? myself|(?:want|wish) to die|wish i (?:was|were) dead|better off dead|"
    r"(?:don't|do not|no longer) want to (?:live|be alive)|no reason to live|"
    r"cut(?:ting)? myself)\b",
    re.IGNORECASE,
)
# Abuse of a person, in the words that leave no doubt; a character's rough tongue is not meant.
_ABUSE = re.compile(
    r"(?:操|肏|艹|日|干)(?:你|他|她)(?:妈|娘|祖宗|全家)|(?:你|他|她)妈(?:逼|比|的逼)|"
    r"傻[逼屄比]|煞笔|沙雕玩意|狗(?:东西|杂种|娘养的)|杂种|贱[货人]|婊子|臭婊|"
    r"去死吧|弄死你|杀了你|砍死你|死全家|"
    r"\b(?:fuck(?:ing)? (?:you|off)|motherfucker|cunt|nigger|faggot|whore|bitch|"
    r"kill yourself|kys|(?:i will|i'll|gonna) kill you|rape you)\b",
    re.IGNORECASE,
)
# What people put between characters so that a filter does not read them.
_BETWEEN = re.compile(r"(?<=[\u3400-\u9fff])[\s.·*_-]+(?=[\u3400-\u9fff])")


@dataclass(frozen=True)
class Moderation:
    """What the rules say of a text, and what they found in it."""

    verdict: Verdict
    labels: tuple[str, ...] = ()

    def as_json(self) -> str:
        """As it is stored beside the text, with the version of the rules."""
        body = {"labels": list(self.labels), "rules": RULES, "verdict": self.verdict}
        return json.dumps(body, sort_keys=True)


def judge(text: str, *, personal: bool = True) -> Moderation:
    """The verdict on a text: `unknown` when the rules cannot read it, and say nothing of it.

    `personal` also looks for personal data, which in a written character's life is invented.
    Asking which model answers is a label alone: such words harm nobody.
    """
    plain = _plain(text)
    found = {
        "deanonymise": marks.asks_identity(text),
        "personal": personal and bool(privacy.mask(text)[1]),
        "self_harm": _matches(_SELF_HARM, plain),
        "abuse": _matches(_ABUSE, plain),
    }
    labels = tuple(name for name, is_so in found.items() if is_so)
    if set(labels) - {"deanonymise"}:
        return Moderation("fail", labels)
    if len(text) > _LONGEST or any(_foreign(sign) for sign in text):
        return Moderation("unknown", labels)
    return Moderation("pass", labels)


def speaks_of_self_harm(text: str) -> bool:
    """Whether a message must be answered by words of care instead of a model."""
    return _matches(_SELF_HARM, _plain(text))


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")


def _matches(pattern: re.Pattern[str], plain: str) -> bool:
    return bool(pattern.search(plain) or pattern.search(_BETWEEN.sub("", plain)))


def _foreign(sign: str) -> bool:
    """Whether a letter is of a script that the rules have no words in."""
    return (
        sign > "\u02ff"
        and sign.isalpha()
        and not unicodedata.name(sign, "").startswith(("CJK", "FULLWIDTH LATIN", "MODIFIER"))
    )
