"""Talking through the steps of the page, with the real database, index and scripted engine."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rolecraft.admission import CARE
from rolecraft.conversation import Finish
from rolecraft.errors import (
    CharacterNotFound,
    ConversationNotFound,
    EngineFailed,
    EngineNotFound,
    EngineUnavailable,
    InputRefused,
)
from rolecraft.services import Services
from rolecraft.ui.saying import Saying
from rolecraft.ui.scene import Scene, Shown
from rolecraft.ui.talking import Talking
from rolecraft.ui.texts import Language
from rolecraft.ui.visitor import new_place
from tests.tiny import SHELF

Opened = Callable[..., Services]


class Page:
    """A visitor with a page in front of them."""

    def __init__(self, services: Services, language: Language = "zh") -> None:
        self.services = services
        scene = Scene(services)
        self.quick, self.saying = Talking(services, scene), Saying(services, scene)
        self.language: Language = language
        self.place = new_place()
        self.shown = Shown()

    def take(self, shown: Shown) -> Shown:
        """What a browser does with an answer: keep what is new."""
        given = {name: part for name, part in shown._asdict().items() if part is not None}
        self.shown = self.shown._replace(**given)
        self.place = self.shown.place or self.place
        return shown

    def pick(self, character: str = "lu-yuan") -> "Page":
        self.take(self.quick.pick(self.place, character, self.language))
        return self

    def make(self, **sent: Any) -> list[Shown]:
        return [self.take(one) for one in self.begin(**sent)]

    def begin(self, **sent: Any) -> Iterator[Shown]:
        return self.saying.make(self.place, sent, self.language)

    def say(self, text: str, **settings: Any) -> list[Shown]:
        return self.make(do="send", text=text, settings=settings)

    @property
    def path(self) -> list[tuple[str, str, Finish | None]]:
        messages = self.services.conversations.path(self.place.visitor, self.place.conversation)
        return [(one.role, one.text, one.finish) for one in messages]

    @property
    def ids(self) -> list[str]:
        messages = self.services.conversations.path(self.place.visitor, self.place.conversation)
        return [one.id for one in messages]


@pytest.fixture
def page(services: Services) -> Page:
    return Page(services).pick()


def test_a_pick_writes_nothing_before_something_is_said(page: Page) -> None:
    assert page.place.character == "lu-yuan" and page.place.conversation == ""
    assert "岛上就你一个人？" in str(page.shown.log) and "陆远" in str(page.shown.head)
    assert page.services.conversations.list(page.place.visitor) == ()


def test_every_greeting_comes_round(page: Page) -> None:
    seen = set()
    for _ in range(6):
        page.take(page.quick.greet(page.place, "zh"))
        seen.add(page.place.greeting)
    assert seen == {0, 1, 2}


def test_a_reply_streams_and_is_kept(page: Page) -> None:
    shown = page.say("在吗？")
    assert str(shown[0].composer).startswith("busy:")
    assert "waiting" in str(shown[0].stream) and "在吗？" in str(shown[0].log)
    assert page.path == [("user", "在吗？", None), ("assistant", "你来啦，快坐。", "stop")]
    assert "你来啦，快坐。" in str(page.shown.log) and "快乐" in str(page.shown.log)
    assert page.shown.stream == "" and str(page.shown.composer).startswith("idle:")
    assert page.place.conversation in str(page.shown.side)


def test_what_was_said_is_stored_before_the_model_starts(page: Page) -> None:
    steps = page.begin(do="send", text="在吗？")
    page.take(next(steps))
    assert page.path == [("user", "在吗？", None)]
    list(steps)


def test_the_greeting_enters_the_prompt_in_chinese(services: Services) -> None:
    page = Page(services, "en").pick()
    page.say("在吗？")
    stored = services.conversations.get(page.place.visitor, page.place.conversation)
    assert stored.greeting in (
        "风大，进来坐。茶是热的。",
        "雾起来了，你听见雾号了吗？",
        "补给船刚走，我有新苹果。",
    )
    assert "greeting" in str(page.shown.log) and "translation" in str(page.shown.log)
    reply = services.conversations.reply(page.place.visitor, page.place.conversation, page.ids[-1])
    assert stored.greeting in [message.content for message in reply.prompt]
    assert reply.passages and reply.prompt[-1].content == "在吗？"


def test_stop_keeps_what_was_written(opened: Opened) -> None:
    page = Page(opened(pause_s=0.02, replies=["好" * 500])).pick()
    steps = page.begin(do="send", text="讲个长的")
    for shown in steps:
        page.take(shown)
        if "好好好" in str(shown.stream):
            page.quick.stop(page.place, "zh")
    role, text, finish = page.path[-1]
    assert finish == "user_stop" and 3 <= len(text) < 100
    assert "已停下" in str(page.shown.log) and 'data-act="again"' in str(page.shown.log)


def test_stop_before_the_model_starts_stops_it(opened: Opened) -> None:
    page = Page(opened(pause_s=0.02, replies=["好" * 500])).pick()
    steps = page.begin(do="send", text="讲个长的")
    page.take(next(steps))
    page.quick.stop(page.place, "zh")
    for shown in steps:
        page.take(shown)
    assert page.path[-1] == ("assistant", "", "user_stop")


def test_stop_with_nothing_to_stop_puts_the_page_right(page: Page) -> None:
    page.say("在吗？")
    shown = page.quick.stop(page.place, "zh")
    assert str(shown.composer).startswith("idle:") and shown.stream == ""


def test_a_closed_tab_stops_the_model_and_keeps_what_was_written(opened: Opened) -> None:
    page = Page(opened(pause_s=0.02, replies=["好" * 500])).pick()
    steps = page.begin(do="send", text="讲个长的")
    for shown in steps:
        page.take(shown)
        if "好好好" in str(shown.stream):
            break
    steps.close()  # type: ignore[attr-defined]
    role, text, finish = page.path[-1]
    assert finish == "disconnect" and 3 <= len(text) < 100
    assert not page.services.running.busy(page.place.conversation)
    back = page.take(page.quick.arrive(page.place.to_browser(), "zh"))
    assert "连接中断" in str(back.log)


def test_again_keeps_the_earlier_answer(page: Page) -> None:
    page.say("在吗？")
    page.make(do="again", id=page.ids[-1])
    assert page.path[-1][1] == "雨下了一整天。" and "2/2" in str(page.shown.log)
    page.make(do="again", id=page.ids[-1])
    assert "3/3" in str(page.shown.log)
    page.take(page.quick.step(page.place, page.ids[-1], -1, "zh"))
    assert page.path[-1][1] == "雨下了一整天。" and "2/3" in str(page.shown.log)


def test_an_earlier_answer_can_be_made_again(page: Page) -> None:
    page.say("在吗？")
    page.say("吃了吗？")
    first = page.ids[1]
    page.make(do="again", id=first)
    assert [text for _, text, _ in page.path] == ["在吗？", "我在想晚饭吃什么。"]
    page.take(page.quick.step(page.place, page.ids[1], -1, "zh"))
    assert len(page.path) == 4  # the old branch is whole


def test_an_edit_is_a_branch_and_the_old_one_stays(page: Page) -> None:
    page.say("在吗？")
    page.say("吃了吗？")
    page.make(do="edit", id=page.ids[2], text="下雨了吗？", settings={})
    assert [text for _, text, _ in page.path][2:] == ["下雨了吗？", "我在想晚饭吃什么。"]
    assert "2/2" in str(page.shown.log)
    page.take(page.quick.step(page.place, page.ids[2], -1, "zh"))
    assert [text for _, text, _ in page.path][2:] == ["吃了吗？", "雨下了一整天。"]


def test_the_first_message_can_be_edited(page: Page) -> None:
    page.say("在吗？")
    page.make(do="edit", id=page.ids[0], text="喂")
    assert page.path[0][1] == "喂" and "2/2" in str(page.shown.log)


def test_an_engine_that_breaks_leaves_the_conversation_whole(opened: Opened) -> None:
    page = Page(opened(replies=["好好好好好好好好"], fail_after=4)).pick()
    with pytest.raises(EngineFailed):
        page.say("在吗？")
    assert page.path == [("user", "在吗？", None), ("assistant", "好好好好", "error")]
    assert "出错了" in str(page.shown.log) and "再试一次" in str(page.shown.log)
    assert str(page.shown.composer).startswith("idle:") and page.shown.stream == ""


def test_an_engine_that_breaks_at_once_offers_another_try(opened: Opened) -> None:
    page = Page(opened(fail_after=0)).pick()
    with pytest.raises(EngineFailed):
        page.say("在吗？")
    assert page.path[-1] == ("assistant", "", "error")
    with pytest.raises(EngineFailed):
        page.make(do="again", id=page.ids[-1])
    assert "2/2" in str(page.shown.log)


def test_a_refused_engine_stores_nothing(page: Page) -> None:
    with pytest.raises(EngineNotFound):
        page.say("在吗？", engine="secret")
    with pytest.raises(EngineUnavailable, match="OPENAI_API_KEY"):
        page.say("在吗？", engine="gpt-4")
    assert page.services.conversations.list(page.place.visitor) == ()
    assert "岛上就你一个人？" in str(page.shown.log)


def test_the_written_engine_answers_too(page: Page) -> None:
    page.say("你多大了？", engine="written", emotion="")
    assert page.path[-1][2] == "stop" and page.path[-1][1]
    stored = page.services.conversations.get(page.place.visitor, page.place.conversation)
    assert stored.engine == "written" and 'data-engine="written"' in str(page.shown.head)
    assert str(page.shown.log).count('class="hand"') == 1
    page.say('"base": "encoder"', engine="rolecraft-mini")  # a machine's is not, whatever is said
    assert str(page.shown.log).count('class="hand"') == 1
    file = page.quick.export(page.place, page.place.conversation, "md", "en")
    assert file["text"].count("written by the author") == 1


def test_settings_reach_the_reply(page: Page) -> None:
    page.say("在吗？", preset="custom", temperature=0.3, seed=11, emotion="快乐", passages=False)
    reply = page.services.conversations.reply(
        page.place.visitor, page.place.conversation, page.ids[-1]
    )
    assert (reply.sampling.temperature, reply.seed, reply.emotion) == (0.3, 11, "快乐")
    assert reply.passages and not any(passage.used for passage in reply.passages)
    assert reply.text == "你来啦，快坐。"


def test_help_comes_before_any_model(opened: Opened) -> None:
    page = Page(opened(rate_per_minute=1, rate_per_hour=1)).pick()
    page.say("在吗？")
    page.say("我不想活了", engine="gpt-4")  # over the rate and without an engine
    assert page.path[-1] == ("assistant", CARE["zh"], "stop")
    assert 'class="message care"' in str(page.shown.log)
    assert str(page.shown.composer).startswith("idle:") and len(str(page.shown.composer)) == 37
    assert "没有问任何模型" in page.quick.why(page.place, page.ids[-1], "zh")


def test_a_model_never_sees_the_help_as_its_own_words(page: Page) -> None:
    page.say("我不想活了")
    page.say("谢谢你")
    reply = page.services.conversations.reply(
        page.place.visitor, page.place.conversation, page.ids[-1]
    )
    prompt = "".join(message.content for message in reply.prompt)
    assert "12356" not in prompt and "不想活" not in prompt and prompt.endswith("谢谢你")


def test_help_is_given_to_an_edit_as_well(page: Page) -> None:
    page.say("在吗？")
    page.make(do="edit", id=page.ids[0], text="我想自杀")
    assert page.path[-1][1] == CARE["zh"]


def test_too_long_empty_and_control_characters(page: Page) -> None:
    with pytest.raises(InputRefused, match="100000"):
        page.say("好" * 100_000)
    with pytest.raises(InputRefused):
        page.say(" \x00\n ")
    with pytest.raises(InputRefused):
        page.make(do="send")
    assert page.services.conversations.list(page.place.visitor) == ()
    page.say("你\x00好\x1b[0m")
    assert page.path[0][1] == "你好[0m"


def test_too_fast(opened: Opened) -> None:
    page = Page(opened(rate_per_minute=2, rate_per_hour=9)).pick()
    page.say("一")
    page.say("二")
    with pytest.raises(InputRefused, match="歇一会儿"):
        page.say("三")
    assert len(page.path) == 4
    assert str(page.shown.composer).startswith("idle:")


def test_a_new_token_for_each_message_is_too_fast_as_well(opened: Opened) -> None:
    services = opened(rate_per_minute=1, rate_per_hour=9)
    sent = {"do": "send", "text": "一"}

    def say(address: str) -> None:
        page = Page(services).pick()
        list(page.saying.make(page.place, sent, "zh", address))

    for _ in range(3):
        say("192.0.2.1")
    with pytest.raises(InputRefused, match="歇一会儿"):
        say("192.0.2.1")
    say("192.0.2.2")


def test_two_visitors_are_never_mixed(opened: Opened) -> None:
    services = opened(pause_s=0.001, replies=["甲甲甲甲甲甲", "乙乙乙乙乙乙"])
    pages = [Page(services).pick() for _ in range(6)]

    def talk(page: Page, number: int) -> None:
        for turn in range(3):
            page.say(f"{number}-{turn}")

    threads = [threading.Thread(target=talk, args=(p, n)) for n, p in enumerate(pages)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, page in enumerate(pages):
        said = [text for role, text, _ in page.path if role == "user"]
        assert said == [f"{number}-{turn}" for turn in range(3)]
        assert len(services.conversations.list(page.place.visitor)) == 1
        for other in pages:
            if other is not page:
                assert other.place.conversation not in str(page.shown.side)


def test_a_strangers_conversation_is_as_good_as_none(page: Page, services: Services) -> None:
    page.say("秘密")
    thief = Page(services)
    thief.place = thief.place.at(page.place.conversation, "lu-yuan")
    for step in (
        lambda: thief.quick.open(thief.place, page.place.conversation, "zh"),
        lambda: thief.quick.why(thief.place, page.ids[-1], "zh"),
        lambda: thief.quick.step(thief.place, page.ids[-1], 1, "zh"),
        lambda: thief.quick.delete(thief.place, page.place.conversation, "zh"),
        lambda: thief.quick.rename(thief.place, page.place.conversation, "x", "zh"),
        lambda: thief.quick.export(thief.place, page.place.conversation, "json", "zh"),
        lambda: thief.say("你好"),
        lambda: thief.make(do="again", id=page.ids[-1]),
        lambda: thief.make(do="edit", id=page.ids[0], text="x"),
    ):
        with pytest.raises(ConversationNotFound):
            step()
    arrived = thief.quick.arrive(thief.place.to_browser(), "zh")
    assert "秘密" not in str(arrived) and arrived.place is not None
    assert arrived.place.conversation == ""
    assert len(page.path) == 2


def test_a_second_message_waits_for_the_first(opened: Opened) -> None:
    page = Page(opened(pause_s=0.02, replies=["好" * 500])).pick()
    steps = page.begin(do="send", text="一")
    page.take(next(steps))
    other = Page(page.services)
    other.place = page.place
    for deed in (
        lambda: other.say("二"),
        lambda: other.make(do="again", id=page.ids[0]),
        lambda: other.make(do="edit", id=page.ids[0], text="三"),
    ):
        with pytest.raises(InputRefused, match="还没说完"):
            deed()
    page.quick.stop(page.place, "zh")
    list(steps)
    assert len(page.path) == 2


def test_a_conversation_that_is_deleted_meanwhile_stays_deleted(opened: Opened) -> None:
    page = Page(opened(pause_s=0.02, replies=["好" * 500])).pick()
    steps = page.begin(do="send", text="一")
    page.take(next(steps))
    gone = page.place.conversation

    def delete() -> None:
        time.sleep(0.2)
        page.quick.delete(page.place, gone, "zh")

    thread = threading.Thread(target=delete)
    thread.start()
    with suppress(ConversationNotFound):  # when the last look at it comes after
        for shown in steps:
            page.take(shown)
    thread.join(20)
    assert page.services.conversations.list(page.place.visitor) == ()
    assert not page.services.running.busy(gone)


def test_the_list_can_be_worked_on(page: Page) -> None:
    page.say("在吗？")
    first = page.place.conversation
    page.take(page.quick.rename(page.place, first, "  灯塔\n夜话 ", "zh"))
    assert "灯塔 夜话" in str(page.shown.side)
    for bad in ("", "   ", "长" * 81):
        with pytest.raises(InputRefused):
            page.quick.rename(page.place, first, bad, "zh")
    page.take(page.quick.back(page.place, "zh"))
    assert page.shown.head == "" and page.place.conversation == ""
    page.take(page.quick.open(page.place, first, "zh"))
    assert "在吗？" in str(page.shown.log) and 'aria-current="true"' in str(page.shown.side)
    page.take(page.quick.delete(page.place, first, "zh"))
    assert page.shown.head == "" and "还没有对话" in str(page.shown.side)


def test_exports_hold_what_was_said(page: Page) -> None:
    page.say("在吗？")
    file = page.quick.export(page.place, page.place.conversation, "json", "zh")
    assert '"在吗？"' in file["text"] and file["name"].endswith(".json")
    markdown = page.quick.export(page.place, page.place.conversation, "md", "en")
    assert "你来啦，快坐。" in markdown["text"] and markdown["type"] == "text/markdown"
    assert "/" not in markdown["name"] and markdown["nonce"] != file["nonce"]


def test_a_browser_comes_back_to_where_it_was(page: Page) -> None:
    page.say("在吗？")
    back = Page(page.services)
    back.take(back.quick.arrive(page.place.to_browser(), "zh"))
    assert back.place == page.place and "你来啦，快坐。" in str(back.shown.log)


def test_a_new_browser_sees_the_cards(services: Services) -> None:
    page = Page(services)
    page.take(page.quick.arrive(None, "zh"))
    assert page.shown.head == "" and page.shown.log == "" and len(page.place.token) >= 32


def test_a_talk_that_was_not_begun_comes_back_too(page: Page) -> None:
    back = page.quick.arrive(page.place.to_browser(), "zh")
    assert back.place == page.place and "岛上就你一个人？" in str(back.log)
    gone = replace(page.place, character="nobody")
    assert page.quick.arrive(gone.to_browser(), "zh").head == ""


def test_after_a_restart_everything_is_there(opened: Opened, tmp_path: Path) -> None:
    services = opened("one")
    page = Page(services).pick()
    page.say("在吗？")
    services.close()
    again = Page(opened("one"))
    again.take(again.quick.arrive(page.place.to_browser(), "zh"))
    assert "你来啦，快坐。" in str(again.shown.log)
    again.say("还在吗？")
    assert len(again.path) == 4


def test_who_left_the_shelf_can_be_read_but_not_talked_with(opened: Opened, tmp_path: Path) -> None:
    services = opened("one")
    page = Page(services).pick("an-ran")
    page.say("在吗？")
    services.close()
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "lu-yuan").symlink_to(SHELF / "lu-yuan")
    again = Page(opened("one", shelf=tmp_path / "shelf"))
    again.take(again.quick.arrive(page.place.to_browser(), "zh"))
    assert "在吗？" in str(again.shown.log) and "不在架上" in str(again.shown.log)
    with pytest.raises(CharacterNotFound):
        again.say("还在吗？")
    with pytest.raises(CharacterNotFound):
        again.pick("an-ran")


def test_a_message_that_was_never_answered_can_be(page: Page) -> None:
    page.say("在吗？")
    store = page.services.conversations
    store.append_user(page.place.visitor, page.place.conversation, page.ids[-1], "还在吗？")
    page.take(page.quick.open(page.place, page.place.conversation, "zh"))
    assert "还没有回答" in str(page.shown.log)
    page.make(do="again", id=page.ids[-1])
    assert page.path[-1][0] == "assistant" and len(page.path) == 4


def test_nonsense_from_a_browser_changes_nothing(page: Page) -> None:
    page.say("在吗？")
    for sent in (None, [], "x", {}, {"do": "format c:"}):
        assert list(page.saying.make(page.place, sent, "zh")) == []
    for name in ("x", "../..", "", None, {"a": 1}):
        with pytest.raises(ConversationNotFound):
            page.quick.open(page.place, name, "zh")
        with pytest.raises(ConversationNotFound):
            page.make(do="again", id=name)
    with pytest.raises(CharacterNotFound):
        page.quick.pick(page.place, {"$ne": 1}, "zh")
    with pytest.raises(InputRefused):
        Page(page.services).say("没有挑人")
    assert len(page.path) == 2


def test_a_reply_of_another_role_cannot_be_edited(page: Page) -> None:
    page.say("在吗？")
    with pytest.raises(InputRefused):
        page.make(do="edit", id=page.ids[1], text="我说的")
    assert len(page.path) == 2
