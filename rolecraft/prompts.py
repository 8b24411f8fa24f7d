"""The prompt of one turn: persona, then every turn with the passages it was answered from.

The same function renders training examples, so that what a model learnt is what it meets.
Knows no model: length is counted by a function that is passed in.

The prompt only grows at its end from turn to turn (persona, greeting, passages, question, reply,
passages, question …), so an engine can keep the attention cache of everything before.
"""

from collections.abc import Sequence

from rolecraft.characters.model import Character, field_name
from rolecraft.conversation import Budget, Conversation, Message, Passage, Reply, Turn
from rolecraft.emotions import LABELS, opening, split_opening

RULES = (
    "你就是这个人，用第一人称，像平常说话那样简短地回答，守住自己的性格和口吻。"
    "只说这个人知道的事；不知道就照自己的脾气承认或岔开，不替对方说话，不写动作和旁白。"
)
EMOTION_RULE = (
    "每次回答先用括号写出此刻的情绪，只能从这十个里选一个：{labels}。例如：{example}接着说话。"
)
SOURCES = "资料："


def persona(character: Character, budget: Budget) -> str:
    """The system message that says who speaks."""
    profile = character.profile
    name = profile.get("name") or character.name["zh"]
    facts = [profile[key] for key in ("age", "occupation") if profile.get(key)]
    if profile.get("residence"):
        facts.append(f"住在{profile['residence']}")
    lines = [f"你是{'，'.join([name, *facts])}。"]
    if character.traits:
        lines.append(f"性格：{'、'.join(character.traits)}。")
    if character.style.summary:
        lines.append(f"说话：{character.style.summary}。")
    if budget.full_persona:
        lines += _biography(character)
        lines.append(RULES)
        if character.style.never_says:
            lines.append(f"你从不会说：{'；'.join(character.style.never_says)}。")
    if budget.emotion_rule:
        rule = EMOTION_RULE.format(labels="、".join(LABELS), example=opening("快乐"))
        lines.append(rule)
    return ("\n" if budget.full_persona else "").join(lines)


def _biography(character: Character) -> list[str]:
    keys = ("personality", "background", "family", "relationships", "dream", "catchphrase")
    return [
        f"{field_name(key)}：{character.profile[key]}" for key in keys if character.profile.get(key)
    ]


def sources_text(passages: Sequence[Passage], chars: int) -> str:
    """The message that holds the used passages, or "" when there are none."""
    lines = [_cut(passage.text, chars) for passage in passages if passage.used]
    return "\n".join([SOURCES, *lines]) if lines else ""


def _cut(text: str, chars: int) -> str:
    """At most `chars` characters, ending after a sentence where one ends in the second half."""
    flat = " ".join(text.split())
    if len(flat) <= chars:
        return flat
    head = flat[:chars]
    end = max(head.rfind(mark) for mark in "。！？；")
    return head[: end + 1] if end >= chars // 2 else head


def render(
    character: Character,
    passages: Sequence[Passage],
    conversation: Conversation,
    budget: Budget,
) -> tuple[Message, ...]:
    """The messages of the last turn of `conversation`, which is open or being rendered again.

    `passages` belong to the last turn; earlier turns bring those their replies were made from.
    When the prompt is longer than the budget, whole turns are left out from the oldest on; the
    persona and the last turn always stay.
    """
    head = [Message("system", persona(character, budget))]
    if conversation.greeting:
        head.append(Message("assistant", conversation.greeting))
    *earlier, last = conversation.turns
    blocks = [_exchange(turn, budget) for turn in earlier]
    return _fitted(head, blocks, _question(last.user, passages, budget), budget)


def retold(
    character: Character, messages: Sequence[Message], budget: Budget
) -> tuple[Message, ...]:
    """A prompt that was rendered under another budget, as `render` would have made it under this.

    What the other budget left out stays out. Of a prompt without a persona, as talks from elsewhere
    have it, everything is kept. Raises ValueError for messages that do not end with a question.
    """
    rest = list(messages)
    if rest and rest[0].role == "system" and not _holds_sources(rest[0]):
        rest.pop(0)
    head = [Message("system", persona(character, budget))]
    if rest and rest[0].role == "assistant":
        head.append(rest.pop(0))
    if not rest or rest[-1].role != "user":
        raise ValueError("The prompt does not end with what a visitor said.")
    blocks: list[list[Message]] = [[]]
    for message in rest:
        asked = any(one.role == "user" for one in blocks[-1])
        if asked and message.role != "assistant":
            blocks.append([])
        blocks[-1].append(_under(message, budget))
    return _fitted(head, blocks[:-1], blocks[-1], budget)


def _holds_sources(message: Message) -> bool:
    return message.content.startswith(SOURCES + "\n")


def _under(message: Message, budget: Budget) -> Message:
    """One message of an earlier rendering, cut and labelled as this budget wants it."""
    if message.role == "system" and _holds_sources(message):
        _, *lines = message.content.split("\n")
        cut = (_cut(line, budget.passage_chars) for line in lines)
        return Message("system", "\n".join([SOURCES, *cut]))
    if message.role == "assistant" and not budget.emotions:
        return Message("assistant", split_opening(message.content)[1])
    return message


def _fitted(
    head: list[Message], blocks: list[list[Message]], final: list[Message], budget: Budget
) -> tuple[Message, ...]:
    """Head, as many of the newest blocks as fit, and the last turn."""
    free = budget.tokens - _size([*head, *final], budget)
    kept: list[list[Message]] = []
    for block in reversed(blocks):
        free -= _size(block, budget)
        if free < 0:
            break
        kept.append(block)
    return (*head, *(message for block in reversed(kept) for message in block), *final)


def _size(messages: Sequence[Message], budget: Budget) -> int:
    # Each message costs its role token and the line break behind it.
    return sum(budget.count(message.content) + 3 for message in messages)


def _question(text: str, passages: Sequence[Passage], budget: Budget) -> list[Message]:
    sources = sources_text(passages, budget.passage_chars)
    return [*([Message("system", sources)] if sources else []), Message("user", text)]


def _exchange(turn: Turn, budget: Budget) -> list[Message]:
    reply = turn.reply
    messages = _question(turn.user, reply.passages if reply else (), budget)
    if reply and reply.text:
        messages.append(Message("assistant", spoken(reply, budget.emotions)))
    return messages


def spoken(reply: Reply, emotions: bool = True) -> str:
    """A reply as the model wrote it: with its emotion in front."""
    return opening(reply.emotion) + reply.text if reply.emotion and emotions else reply.text
