"""One turn of talk: what is yielded, what the reply holds, how it ends."""

from itertools import count

import pytest

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Character
from rolecraft.chat import Partial, Request, start
from rolecraft.conversation import Budget, Conversation, Passage, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.errors import EngineFailed
from tests.tiny import SHELF

CARD = EngineCard("scripted", "scripted", {"zh": "", "en": ""})
PASSAGES = (
    Passage("profile.age", "年龄：46岁", 0.9),
    Passage("profile.fears", "害怕的事：灯忽然灭了", 0.1, used=False),
)


class Shelf:
    """Retrieval that always finds the same, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def retrieve(
        self, character: Character, question: str, history: tuple[str, ...] = ()
    ) -> tuple[Passage, ...]:
        self.asked.append((question, history))
        return PASSAGES


@pytest.fixture(scope="module")
def keeper() -> Character:
    return read_shelf(SHELF).get("lu-yuan")


@pytest.fixture
def talk() -> Conversation:
    return Conversation("lu-yuan", "茶是热的。").ask("在吗？")


def request_of(keeper: Character, talk: Conversation, *replies: str, **changes: object) -> Request:
    engine = ScriptedEngine(CARD, replies, fail_after=changes.pop("fail_after", None))  # type: ignore[arg-type]
    fields: dict[str, object] = {"sampling": Sampling(), **changes}
    return Request(keeper, talk, engine, Budget(), **fields)  # type: ignore[arg-type]


def test_the_label_is_taken_off_and_never_seen(keeper: Character, talk: Conversation) -> None:
    answering = start(request_of(keeper, talk, "（快乐）你来啦。"), Shelf())
    partials = list(answering)
    assert partials[0] == Partial("", "快乐")
    assert partials[-1] == Partial("你来啦。", "快乐")
    assert all("（" not in partial.text for partial in partials)
    assert (answering.reply.text, answering.reply.emotion) == ("你来啦。", "快乐")


@pytest.mark.parametrize(
    ("written", "text", "emotion"),
    [
        ("你来啦。", "你来啦。", None),
        ("（笑）你来啦。", "（笑）你来啦。", None),
        ("(快乐) 你来啦。", "你来啦。", "快乐"),
        ("（快乐", "（快乐", None),
        ("（", "（", None),
        ("（快乐）", "", "快乐"),
        ("  \n你好\n", "你好", None),
        ("好（快乐）", "好（快乐）", None),
    ],
)
def test_labels(
    keeper: Character, talk: Conversation, written: str, text: str, emotion: str | None
) -> None:
    answering = start(request_of(keeper, talk, written), Shelf())
    list(answering)
    assert (answering.reply.text, answering.reply.emotion) == (text, emotion)


def test_an_asked_emotion_opens_the_reply(keeper: Character, talk: Conversation) -> None:
    answering = start(request_of(keeper, talk, "走吧。", emotion="兴奋"), Shelf())
    assert list(answering)[0] == Partial("走", "兴奋")
    assert answering.reply.emotion == "兴奋" and answering.reply.text == "走吧。"


def test_a_reply_holds_everything_that_made_it(keeper: Character, talk: Conversation) -> None:
    ticks = count()
    request = request_of(keeper, talk, "好。", sampling=Sampling(seed=5))
    answering = start(request, Shelf(), clock=lambda: next(ticks) / 1000)
    list(answering)
    reply = answering.reply
    assert reply.passages == PASSAGES
    assert reply.prompt[-1].content == "在吗？"
    prompt = "".join(message.content for message in reply.prompt)
    assert "46岁" in prompt and "灯忽然灭了" not in prompt.replace(keeper.profile["background"], "")
    assert (reply.seed, reply.sampling.seed, reply.finish) == (5, 5, "stop")
    assert (reply.reply_tokens, reply.identity.engine) == (2, "scripted")
    assert (reply.first_token_ms, reply.total_ms) == (1.0, 2.0)
    assert reply == answering.reply and len(reply.sha256) == 64


def test_the_first_word_is_waited_for_from_the_question_on(
    keeper: Character, talk: Conversation
) -> None:
    """Retrieval and rendering are part of the wait."""
    now = [5.0]

    class Slow(Shelf):
        def retrieve(self, *asked: object) -> tuple[Passage, ...]:
            now[0] += 0.07
            return PASSAGES

    answering = start(request_of(keeper, talk, "好。"), Slow(), clock=lambda: now[0])
    assert len(list(answering)) == 2
    assert (answering.reply.first_token_ms, answering.reply.total_ms) == (70.0, 70.0)
    asked = request_of(keeper, talk, "好。", passages=PASSAGES, begun=4.0)  # retrieved before
    answering = start(asked, Slow(), clock=lambda: now[0])
    list(answering)
    assert answering.reply.first_token_ms == 1070.0


def test_passages_that_are_given_are_not_looked_up(keeper: Character, talk: Conversation) -> None:
    shelf = Shelf()
    answering = start(request_of(keeper, talk, "好。", passages=()), shelf)
    list(answering)
    assert shelf.asked == [] and answering.reply.passages == ()


def test_retrieval_knows_what_was_said_before(keeper: Character, talk: Conversation) -> None:
    shelf = Shelf()
    first = start(request_of(keeper, talk, "好。"), shelf)
    list(first)
    list(start(request_of(keeper, talk.answer(first.reply).ask("那灯呢？"), "亮。"), shelf))
    assert shelf.asked == [("在吗？", ()), ("那灯呢？", ("在吗？",))]


def test_a_stop_keeps_what_was_written(keeper: Character, talk: Conversation) -> None:
    answering = start(request_of(keeper, talk, "好" * 50), Shelf())
    for number, _ in enumerate(answering):
        if number == 2:
            answering.cancel()
    assert (answering.reply.text, answering.reply.finish) == ("好好好", "user_stop")


def test_leaving_is_a_disconnect(keeper: Character, talk: Conversation) -> None:
    answering = start(request_of(keeper, talk, "好" * 50), Shelf())
    partials = iter(answering)
    for _ in range(3):
        next(partials)
    partials.close()  # type: ignore[attr-defined]
    assert (answering.reply.text, answering.reply.finish) == ("好好好", "disconnect")
    assert answering.reply.reply_tokens == 3


def test_a_failure_keeps_what_was_written(keeper: Character, talk: Conversation) -> None:
    answering = start(request_of(keeper, talk, "好" * 50, fail_after=4), Shelf())
    with pytest.raises(EngineFailed):
        list(answering)
    assert (answering.reply.text, answering.reply.finish) == ("好好好好", "error")


def test_a_reply_before_the_first_word_is_empty(keeper: Character, talk: Conversation) -> None:
    answering = start(request_of(keeper, talk, "好"), Shelf())
    assert answering.reply.text == "" and answering.reply.total_ms >= 0
