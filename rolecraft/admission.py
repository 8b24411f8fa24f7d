"""What a visitor may send: length, control characters, rate; and the words no model answers.

Knows no page and no model. Refusals are in both languages, because they are shown as they are.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from rolecraft.conversation import Conversation, Identity, Reply, Sampling
from rolecraft.errors import InputRefused

CARE_ENGINE = "care"  # the engine's name in replies that no model made
_KEPT_CONTROLS = "\n\t"
_DROPPED = ("Cc", "Cs", "Co")  # controls, half characters, private signs
_MANY_BREAKS = re.compile(r"\n{3,}")

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
# What people put between characters so that a filter does not read them.
_BETWEEN = re.compile(r"(?<=[\u3400-\u9fff])[\s.·*_-]+(?=[\u3400-\u9fff])")

CARE = {
    "zh": (
        "谢谢你愿意说出来。听起来你现在很难受，我很在意你的安全。\n\n"
        "这里的角色帮不上这样的忙，但有真实的人可以马上陪你说话：\n"
        "· 全国统一心理援助热线 12356\n"
        "· 希望24热线 400-161-9995（全天）\n"
        "· 如果你已经受伤或者马上有危险，请拨打 120 或 110\n\n"
        "也请告诉一个你信得过的人，让他现在就陪在你身边。你不用一个人扛着。"
    ),
    "en": (
        "Thank you for saying it. It sounds as if things hurt a great deal right now, and your "
        "safety matters.\n\n"
        "The characters here cannot help with this, but real people can talk with you at once:\n"
        "· In China: 12356 (national line) or 400-161-9995 (day and night)\n"
        "· Elsewhere: findahelpline.com lists a line in your country; 988 in the US and Canada, "
        "116 123 in the UK and Ireland\n"
        "· If you are hurt or in danger, call your emergency number now\n\n"
        "Please also tell someone you trust and ask them to stay with you. You do not have to "
        "carry this alone."
    ),
}


def speaks_of_self_harm(text: str) -> bool:
    """Whether a message must be answered by `CARE` instead of a model."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    plain = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    return bool(_SELF_HARM.search(plain) or _SELF_HARM.search(_BETWEEN.sub("", plain)))


def care(language: Literal["zh", "en"]) -> Reply:
    """The fixed answer to a message that speaks of self-harm, as a reply that no model made."""
    return Reply(
        text=CARE[language],
        emotion=None,
        passages=(),
        identity=Identity(CARE_ENGINE, CARE_ENGINE),
        sampling=Sampling(),
        seed=0,
        prompt=(),
        prompt_tokens=0,
        reply_tokens=0,
        first_token_ms=0.0,
        total_ms=0.0,
        finish="stop",
    )


def without_care(told: Conversation) -> Conversation:
    """The conversation as a model may see it: help lines are not the character's own words."""
    *before, last = told.turns
    kept = (t for t in before if not (t.reply and t.reply.identity.engine == CARE_ENGINE))
    return replace(told, turns=(*kept, last))


def clean(text: str, limit: int) -> str:
    """The message without control characters and outer blanks.

    Raises InputRefused when nothing is left or more than `limit` characters are.
    """
    kept = "".join(
        character
        for character in text.replace("\r\n", "\n").replace("\r", "\n")
        if character in _KEPT_CONTROLS or unicodedata.category(character) not in _DROPPED
    )
    kept = _MANY_BREAKS.sub("\n\n", kept).strip()
    if all(unicodedata.category(character) == "Cf" for character in kept):  # also when empty
        raise InputRefused("先写点什么再发送吧。 Write something first.")
    if len(kept) > limit:
        raise InputRefused(
            f"这条消息有 {len(kept)} 个字，一次最多 {limit} 个，请分几次说。 "
            f"This message has {len(kept)} characters; the most is {limit}. "
            "Please send it in parts."
        )
    return kept


@dataclass(frozen=True)
class Rates:
    """Messages one visitor may send."""

    per_minute: int = 20
    per_hour: int = 300


class Doorkeeper:
    """Counts messages per visitor in a moving window. Safe to call from threads."""

    def __init__(self, rates: Rates) -> None:
        self._limits = (
            RateLimitItemPerMinute(rates.per_minute),
            RateLimitItemPerHour(rates.per_hour),
        )
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def admit(self, *visitors: str) -> None:
        """Count a message for each of these keys (visitor, address).

        Raises InputRefused when one of them is over its rate.
        """
        for limit in self._limits:
            for visitor in visitors:
                if not self._windows.test(limit, visitor):
                    raise InputRefused(
                        "说得太快啦，歇一会儿再聊吧。 That was fast! Please wait a moment."
                    )
        for limit in self._limits:
            for visitor in visitors:
                self._windows.hit(limit, visitor)
