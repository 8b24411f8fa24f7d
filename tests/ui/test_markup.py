"""Whatever was written is shown as it was written and does nothing."""

from html.parser import HTMLParser

import pytest

from rolecraft.chat import Partial
from rolecraft.conversation import Identity, Message, Passage, Reply, Sampling
from rolecraft.store.stored import StoredConversation, StoredMessage
from rolecraft.ui import side, talk, why
from rolecraft.ui.composer import composer
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import emotion_tag, escape, portrait

EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "`${alert(1)}`",
    "{{{this}}}",
    "</div></article><h1>x",
    "<form action=https://evil.example><button>",
    '<a href="javascript:alert(1)">x</a>',
    "![x](https://evil.example/x.png)",
    "\\${1}",
    "&lt;b&gt; &amp;",
]
TAGS = {
    "div", "article", "img", "span", "strong", "button", "svg", "path", "circle", "rect", "p",
    "i", "ol", "ul", "li", "h2", "h3", "header", "dl", "dt", "dd", "code", "details", "summary",
    "time", "nav",
}  # fmt: skip


class Reader(HTMLParser):
    """Collects the tags, attributes and text that a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def check_harmless(html: str, evil: str) -> None:
    reader = read(html)
    assert reader.tags <= TAGS
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert not [v for n, v in reader.attributes if n in ("href", "action", "formaction")]
    assert evil in reader.text or any(evil in (v or "") for _, v in reader.attributes)
    for mark in ("${", "{{", "`"):
        assert mark not in html


def face(name: str = "陆远") -> Face:
    return Face("lu-yuan", {"zh": name, "en": name}, {"zh": name, "en": name}, None)


def message(text: str, role: str = "user", **changes: object) -> StoredMessage:
    fields: dict[str, object] = {
        "id": "a" * 32, "parent": None, "role": role, "text": text, "emotion": None,
        "finish": None if role == "user" else "stop", "created_ms": 0, "sha256": None,
        "position": 1, "alternatives": 1,
    }  # fmt: skip
    return StoredMessage(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("evil", EVIL)
def test_escape_keeps_the_text_and_only_the_text(evil: str) -> None:
    reader = read(f'<i title="{escape(evil)}">{escape(evil)}</i>')
    assert reader.text == evil
    assert reader.attributes == [("title", evil)]
    assert reader.tags == {"i"}


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_messages_are_shown_as_text(evil: str, role: str) -> None:
    shown = talk.Talk(face(evil), evil, evil, (message(evil, role),), ({"zh": evil, "en": evil},))
    check_harmless(talk.log(shown, "zh"), evil)
    check_harmless(talk.log(shown, "en"), evil)
    fresh = talk.Talk(face(evil), evil, evil, (), ({"zh": evil, "en": evil},))
    check_harmless(talk.log(fresh, "en"), evil)
    check_harmless(talk.head(face(evil), evil, "zh"), evil)
    check_harmless(talk.stream(face(), Partial(evil, None), "zh"), evil)


@pytest.mark.parametrize("evil", EVIL)
def test_the_list_of_conversations_shows_text(evil: str) -> None:
    talks = [StoredConversation("b" * 32, evil, evil, evil, evil, 0, 0)]
    check_harmless(side.conversations(talks, "", lambda _: face(evil), "zh"), evil)


@pytest.mark.parametrize("evil", EVIL)
def test_the_panel_shows_text(evil: str) -> None:
    check_harmless(why.why(reply(evil), "en"), evil)


def reply(text: str, **changes: object) -> Reply:
    fields: dict[str, object] = {
        "text": text, "emotion": None,
        "passages": (Passage(text, text, 0.5), Passage("profile.age", text, -0.1, used=False)),
        "identity": Identity(text, text, "ab" * 32, text, "cd" * 32), "sampling": Sampling(),
        "seed": 7, "prompt": (Message("system", text), Message("user", text)),
        "prompt_tokens": 1234, "reply_tokens": 5, "first_token_ms": 12.3, "total_ms": 4567.8,
        "finish": "stop",
    }  # fmt: skip
    return Reply(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_panel_tells_everything() -> None:
    shown = read(why.why(reply("好"), "zh"))
    assert "4,568 ms" in shown.text and "12 ms" in shown.text and "1234" in shown.text
    assert ("data-hash", "ab" * 32) in shown.attributes
    assert ("data-hash", "cd" * 32) in shown.attributes
    assert "已写进提示" in shown.text and "没有用上" in shown.text and "年龄" in shown.text
    assert ("style", "width:50%") in shown.attributes
    assert ("style", "width:0%") in shown.attributes


def test_a_care_reply_says_that_no_model_was_asked() -> None:
    from rolecraft.admission import care

    assert "没有问任何模型" in why.why(care("zh"), "zh")


def test_a_reply_is_marked_as_it_ended() -> None:
    for finish, mark in [
        ("user_stop", "已停下"), ("disconnect", "连接中断"), ("error", "出错了"),
        ("length", "到了长度上限"),
    ]:  # fmt: skip
        shown = talk.log(
            talk.Talk(face(), "", messages=(message("好", "assistant", finish=finish),)), "zh"
        )
        assert mark in shown
        assert ("再试一次" in shown) == (finish != "length")
    whole = talk.log(talk.Talk(face(), "", messages=(message("好", "assistant"),)), "zh")
    assert 'class="mark"' not in whole


def test_words_that_could_not_be_stored_are_marked() -> None:
    shown = talk.stream(face(), Partial("雨下了一整天。", "悲伤"), "zh", mark="unkept")
    assert "雨下了一整天。" in shown and "还没存上" in shown and 'aria-busy="false"' in shown


def test_a_machine_is_named_always_and_the_sample_when_it_answers() -> None:
    for language, said in (("zh", "是机器"), ("en", "A machine plays")):
        always, _, others = composer(language, 2000).partition(" hidden>")
        assert said in always and others
        assert "样品" in others or "sample of" in others


def test_what_the_author_wrote_is_marked() -> None:
    answers = (message("在吗"), message("在。", "assistant", by_hand=True, emotion="快乐"))
    shown = talk.log(talk.Talk(face(), "", messages=answers), "zh")
    assert shown.count('<span class="hand">亲笔</span>') == 1
    assert "written by the author" in talk.log(talk.Talk(face(), "", messages=answers), "en")
    machine = (message("在吗"), message("亲笔", "assistant"))
    assert 'class="hand"' not in talk.log(talk.Talk(face(), "", messages=machine), "zh")


def test_alternatives_can_be_stepped_through() -> None:
    first = message("好", "assistant", position=1, alternatives=3)
    shown = talk.log(talk.Talk(face(), "", messages=(first,)), "en")
    assert "1/3" in shown and "Version 1 of 3" in shown
    assert 'data-step="-1" disabled' in shown and 'data-step="1">' in shown
    assert "1/1" not in talk.log(talk.Talk(face(), "", messages=(message("好"),)), "en")


def test_an_unanswered_message_offers_another_try() -> None:
    waiting = talk.Talk(face(), "", messages=(message("在吗"),))
    assert "还没有回答" in talk.log(waiting, "zh")
    busy = talk.Talk(face(), "", messages=(message("在吗"),), elsewhere=True)
    assert "正在另一处回答" in talk.log(busy, "zh")
    answering = talk.Talk(face(), "", messages=(message("在吗"),), answering=True)
    assert "还没有回答" not in talk.log(answering, "zh")


def test_a_character_who_left_the_shelf_can_only_be_read() -> None:
    from rolecraft.ui.faces import stranger

    gone = talk.Talk(stranger("nobody"), "", messages=(message("在吗"), message("在", "assistant")))
    shown = talk.log(gone, "zh")
    assert 'data-act="again"' not in shown and 'data-act="edit"' not in shown
    assert "不在架上" in shown and 'data-act="copy"' in shown


def test_an_english_page_says_starters_in_chinese_and_tells_their_meaning() -> None:
    fresh = talk.Talk(
        face(), "茶是热的。", "The tea is hot.", (), ({"zh": "灯坏过吗？", "en": "Ever?"},)
    )
    shown = talk.log(fresh, "en")
    assert 'data-text="灯坏过吗？"' in shown and "Ever?" in shown and "The tea is hot." in shown
    assert "Ever?" not in talk.log(fresh, "zh")


def test_a_label_that_is_none_of_the_ten_is_no_tag() -> None:
    assert emotion_tag("快乐", "en") and "Happiness" in emotion_tag("快乐", "en")
    assert emotion_tag(None, "zh") == "" and emotion_tag("<b>", "zh") == ""


def test_portraits() -> None:
    assert 'src="look/portraits/x?v=1"' in portrait("x", "陆", "look/portraits/x?v=1")
    assert ">陆<" in portrait("x", "陆远", None)
