"""What a visitor may send: length, control characters, rate; and the words no model answers.

Knows no page and no model. Refusals are in both languages, because they are shown as they are.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from rolecraft.conversation import Conversation, Identity, Reply, Sampling
from rolecraft.errors import InputRefused

CARE_ENGINE = "care"  # the engine's name in replies that no model made
_KEPT_CONTROLS = "\n\t"
_DROPPED = ("Cc", "Cs", "Co")  # controls, half characters, private signs
_MANY_BREAKS = re.compile(r"\n{3,}")

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
    """Messages one visitor may send, and how many times as many all visitors of one address.

    A visitor is a token that a browser may make anew; an address is shared by a school or a phone
    network.
    """

    per_minute: int = 20
    per_hour: int = 300
    address: int = 3


class Doorkeeper:
    """Counts messages per visitor and per address in a moving window. Safe to call from threads."""

    def __init__(self, rates: Rates) -> None:
        self._own = _limits(rates, 1)
        self._shared = _limits(rates, rates.address)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def admit(self, visitor: str, address: str = "") -> None:
        """Count a message of this visitor, who comes from `address` where that is known.

        Raises InputRefused when one of them is over its rate; then nothing is counted.
        """
        counted = [(limit, f"visitor {visitor}") for limit in self._own]
        if address:
            counted += [(limit, f"address {address}") for limit in self._shared]
        for limit, key in counted:
            if not self._windows.test(limit, key):
                raise InputRefused(
                    "说得太快啦，歇一会儿再聊吧。 That was fast! Please wait a moment."
                )
        for limit, key in counted:
            self._windows.hit(limit, key)


def _limits(rates: Rates, times: int) -> tuple[RateLimitItem, ...]:
    return (
        RateLimitItemPerMinute(rates.per_minute * times),
        RateLimitItemPerHour(rates.per_hour * times),
    )
