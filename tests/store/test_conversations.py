import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from rolecraft.conversation import Conversation, Identity, Message, Reply, Sampling, Turn
from rolecraft.errors import ConversationNotFound, InputRefused, StoreUnavailable
from rolecraft.store import replies
from rolecraft.store.conversations import TITLE_LENGTH, Conversations
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.schema import NodeRow
from rolecraft.store.stored import StoredMessage

MakeReply = Callable[..., Reply]


def texts(path: Sequence[StoredMessage]) -> list[str]:
    return [message.text for message in path]


def places(path: Sequence[StoredMessage]) -> list[tuple[int, int]]:
    return [(message.position, message.alternatives) for message in path]


class Talk:
    """A conversation of one visitor, for tests that only care about the messages."""

    def __init__(self, conversations: Conversations, make_reply: MakeReply) -> None:
        self.store, self.make_reply = conversations, make_reply
        self.id = conversations.create("v", "zhou-xiaobei", "来啦？").id

    def say(self, words: str, after: StoredMessage | None = None) -> StoredMessage:
        return self.store.append_user("v", self.id, after.id if after else None, words)

    def answer(self, words: str, to: StoredMessage, **changes: object) -> StoredMessage:
        return self.store.append_reply("v", self.id, to.id, self.make_reply(words, **changes))

    def path(self) -> tuple[StoredMessage, ...]:
        return self.store.path("v", self.id)


@pytest.fixture
def talk(conversations: Conversations, make_reply: MakeReply) -> Talk:
    return Talk(conversations, make_reply)


# --- the tree


def test_a_talk_comes_back_in_order(talk: Talk) -> None:
    asked = talk.say("在吗")
    answered = talk.answer("在呢", asked)
    again = talk.say("钓鱼去？", answered)
    path = talk.path()
    assert path == (asked, answered, again)
    assert [message.role for message in path] == ["user", "assistant", "user"]
    assert (answered.emotion, answered.finish, answered.partial) == ("快乐", "stop", False)
    assert (asked.emotion, asked.finish, asked.partial) == (None, None, False)
    assert asked.created_ms < answered.created_ms < again.created_ms


def test_answering_again_keeps_the_earlier_answers(talk: Talk) -> None:
    asked = talk.say("在吗")
    first = talk.answer("一", asked)
    follow = talk.say("然后呢", first)
    talk.answer("二", asked)
    third = talk.answer("三", asked)
    assert (third.position, third.alternatives) == (3, 3)
    assert texts(talk.path()) == ["在吗", "三"]
    assert texts(talk.store.select_sibling("v", talk.id, third.id, -1)) == ["在吗", "二"]
    path = talk.store.select_sibling("v", talk.id, third.id, -2)
    assert texts(path) == ["在吗", "一", "然后呢"]  # the branch as it was left
    assert places(path) == [(1, 1), (1, 3), (1, 1)]
    assert path == talk.path()
    assert path[-1].id == follow.id


def test_stepping_stops_at_the_ends(talk: Talk) -> None:
    asked = talk.say("在吗")
    first, last = talk.answer("一", asked), talk.answer("二", asked)
    assert talk.store.select_sibling("v", talk.id, first.id, -1)[-1].id == first.id
    assert talk.store.select_sibling("v", talk.id, last.id, 5)[-1].id == last.id


def test_an_edited_message_is_a_branch_and_the_old_one_stays(talk: Talk) -> None:
    old = talk.say("在吗")
    talk.answer("在呢", old)
    new = talk.say("在家吗")
    assert texts(talk.path()) == ["在家吗"]
    talk.answer("在家", new)
    assert places(talk.path()) == [(2, 2), (1, 1)]
    assert texts(talk.store.select("v", talk.id, old.id)) == ["在吗", "在呢"]
    assert texts(talk.path()) == ["在吗", "在呢"]


def test_a_message_deep_in_a_hidden_branch_brings_it_into_view(talk: Talk) -> None:
    asked = talk.say("在吗")
    hidden = talk.answer("一", asked)
    talk.answer("二", asked)
    talk.say("另起一句")
    talk.say("接着一说", hidden)
    assert texts(talk.path()) == ["在吗", "一", "接着一说"]


def test_a_late_reply_does_not_pull_the_visitor_back(talk: Talk) -> None:
    left = talk.say("在吗")
    talk.say("算了，换个话题")
    talk.answer("在……", left, finish="disconnect")
    assert texts(talk.path()) == ["算了，换个话题"]
    assert texts(talk.store.select("v", talk.id, left.id)) == ["在吗", "在……"]


@pytest.mark.parametrize("finish", ["user_stop", "disconnect", "error", "length", "stop"])
def test_a_partial_reply_is_kept_and_marked(talk: Talk, finish: str) -> None:
    reply = talk.answer("在", talk.say("在吗"), finish=finish)
    assert reply.finish == finish
    assert reply.partial == (finish not in ("stop", "length"))
    assert talk.path()[-1] == reply


def test_who_answers_whom_is_checked(talk: Talk, make_reply: MakeReply) -> None:
    asked = talk.say("在吗")
    answered = talk.answer("在呢", asked)
    with pytest.raises(ValueError, match="'assistant' is needed"):
        talk.say("在吗在吗", asked)
    with pytest.raises(ValueError, match="'user' is needed"):
        talk.answer("我自己接", answered)
    assert len(talk.path()) == 2


# --- as values


def test_a_reply_comes_back_exactly(talk: Talk, make_reply: MakeReply) -> None:
    reply = make_reply("行。\x00\u2028“好”", finish="length", emotion=None)
    asked = talk.say("在吗")
    kept = talk.store.append_reply("v", talk.id, asked.id, reply)
    assert talk.store.reply("v", talk.id, kept.id) == reply
    assert kept.sha256 == reply.sha256 == talk.store.reply("v", talk.id, kept.id).sha256


def test_the_path_becomes_the_value_that_prompts_are_made_of(talk: Talk) -> None:
    asked = talk.say("在吗")
    first = talk.answer("一", asked)
    talk.answer("二", asked)
    last = talk.say("然后呢", talk.path()[-1])
    one, two = talk.make_reply("一"), talk.make_reply("二")
    opened = Conversation("zhou-xiaobei", "来啦？")
    whole = talk.store.as_conversation("v", talk.id)
    assert whole == replace(opened, turns=(Turn("在吗", two), Turn("然后呢")))
    assert talk.store.as_conversation("v", talk.id, asked.id) == opened.ask("在吗")
    assert talk.store.as_conversation("v", talk.id, first.id).turns == (Turn("在吗", one),)
    assert talk.store.path("v", talk.id, last.id) == talk.path()
    assert talk.store.as_conversation("w", talk.store.create("w", "tao").id) == Conversation("tao")


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
numbers = st.floats(allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Reply,
        text=words,
        emotion=st.none() | words,
        passages=st.just(()),
        identity=st.builds(Identity, engine=words, base=words, adapter=st.none() | words),
        sampling=st.builds(Sampling, seed=st.none() | st.integers(), temperature=st.floats(0, 2)),
        seed=st.integers(),
        prompt=st.tuples(st.builds(Message, role=st.just("user"), content=words)),
        prompt_tokens=st.integers(),
        reply_tokens=st.integers(),
        first_token_ms=numbers,
        total_ms=numbers,
        finish=st.sampled_from(["stop", "error"]),
    )
)
def test_any_reply_survives_its_json(reply: Reply) -> None:
    back = replies.load(replies.dump(reply), reply.sha256, "n")
    assert back == reply
    assert back.sha256 == reply.sha256


def test_a_reply_that_was_changed_by_hand_is_refused(talk: Talk, database: Database) -> None:
    answered = talk.answer("在呢", talk.say("在吗"))
    with database.write() as session:
        session.execute(text("UPDATE node SET reply_json = replace(reply_json, '在呢', '滚')"))
    for look in (talk.store.as_conversation, lambda v, c: talk.store.reply(v, c, answered.id)):
        with pytest.raises(StoreUnavailable, match=f"{answered.id} does not match its hash"):
            look("v", talk.id)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(message=st.text(max_size=40))
def test_any_text_is_kept_exactly_or_refused(talk: Talk, message: str) -> None:
    try:
        kept = talk.say(message)
    except InputRefused:
        assert any(each == "\0" or "\ud800" <= each <= "\udfff" for each in message)
    else:
        assert talk.path()[-1].text == kept.text == message


@pytest.mark.parametrize(("bad", "name"), [("a\0b", r"U\+0000"), ("\ud83d", r"U\+D83D")])
def test_a_character_that_cannot_be_kept_is_named(talk: Talk, bad: str, name: str) -> None:
    with pytest.raises(InputRefused, match=name):
        talk.say(bad)
    assert talk.path() == ()


# --- whose it is


CALLS: dict[str, Callable[[Conversations, str, str, str, Reply], object]] = {
    "get": lambda s, v, c, m, r: s.get(v, c),
    "append_user": lambda s, v, c, m, r: s.append_user(v, c, None, "x"),
    "append_reply": lambda s, v, c, m, r: s.append_reply(v, c, m, r),
    "path": lambda s, v, c, m, r: s.path(v, c),
    "select": lambda s, v, c, m, r: s.select(v, c, m),
    "select_sibling": lambda s, v, c, m, r: s.select_sibling(v, c, m, 1),
    "reply": lambda s, v, c, m, r: s.reply(v, c, m),
    "as_conversation": lambda s, v, c, m, r: s.as_conversation(v, c),
    "rename": lambda s, v, c, m, r: s.rename(v, c, "x"),
    "use_engine": lambda s, v, c, m, r: s.use_engine(v, c, "x"),
    "delete": lambda s, v, c, m, r: s.delete(v, c),
    "export_json": lambda s, v, c, m, r: s.export_json(v, c),
    "export_markdown": lambda s, v, c, m, r: s.export_markdown(v, c),
}
TAKE_A_MESSAGE = ("append_reply", "select", "select_sibling", "reply")


def test_every_public_call_is_tried_below() -> None:
    public = {name for name in vars(Conversations) if not name.startswith("_")}
    assert public - {"create", "list", "purge"} == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_a_conversation_of_someone_else_is_as_good_as_none(
    call: str, talk: Talk, make_reply: MakeReply
) -> None:
    asked = talk.say("在吗")
    before = talk.store.export_json("v", talk.id)
    with pytest.raises(ConversationNotFound) as foreign:
        CALLS[call](talk.store, "w", talk.id, asked.id, make_reply())
    with pytest.raises(ConversationNotFound) as missing:
        CALLS[call](talk.store, "v", "nothing", asked.id, make_reply())
    assert str(foreign.value) == str(missing.value).replace("nothing", talk.id)
    assert talk.store.export_json("v", talk.id) == before
    assert talk.store.list("w") == ()


@pytest.mark.parametrize("call", TAKE_A_MESSAGE)
def test_a_message_of_another_conversation_is_not_found(
    call: str, talk: Talk, make_reply: MakeReply
) -> None:
    other = talk.store.create("w", "zhou-xiaobei")
    theirs = talk.store.append_user("w", other.id, None, "悄悄话")
    with pytest.raises(ConversationNotFound, match="no message"):
        CALLS[call](talk.store, "v", talk.id, theirs.id, make_reply())


def test_paths_and_parents_of_another_conversation_are_not_found(talk: Talk) -> None:
    other = talk.store.create("v", "zhou-xiaobei")
    with pytest.raises(ConversationNotFound, match="no message 'nowhere'"):
        talk.store.append_user("v", other.id, "nowhere", "嗨")
    for look in (talk.store.path, talk.store.as_conversation):
        with pytest.raises(ConversationNotFound, match="no message 'nowhere'"):
            look("v", talk.id, "nowhere")


# --- the list


def test_the_last_used_comes_first(conversations: Conversations) -> None:
    first, second = (conversations.create("v", "zhou-xiaobei") for _ in range(2))
    assert [each.id for each in conversations.list("v")] == [second.id, first.id]
    conversations.append_user("v", first.id, None, "在吗")
    assert [each.id for each in conversations.list("v")] == [first.id, second.id]
    assert [each.id for each in conversations.list("v", limit=1)] == [first.id]


def test_the_first_message_gives_the_title(talk: Talk) -> None:
    talk.say("  周末\n去钓鱼  好不好" + "呢" * 40)
    title = talk.store.get("v", talk.id).title
    assert title.startswith("周末 去钓鱼 好不好呢")
    assert len(title) == 31
    assert title.endswith("…")
    talk.say("换一句")
    assert talk.store.get("v", talk.id).title == title


def test_a_conversation_can_be_renamed_and_keep_its_engine(talk: Talk) -> None:
    assert talk.store.rename("v", talk.id, " 钓鱼 \n的事 ").title == "钓鱼 的事"
    assert talk.store.use_engine("v", talk.id, "written").engine == "written"
    talk.say("在吗")
    kept = talk.store.get("v", talk.id)
    assert (kept.title, kept.engine, kept.character) == ("钓鱼 的事", "written", "zhou-xiaobei")


@pytest.mark.parametrize("title", ["", " \n ", "长" * (TITLE_LENGTH + 1), "a\0"])
def test_a_title_that_is_none_is_refused(talk: Talk, title: str) -> None:
    with pytest.raises(InputRefused):
        talk.store.rename("v", talk.id, title)
    assert talk.store.get("v", talk.id).title == ""


# --- deleting


def test_deleting_erases_the_text_and_keeps_the_others(talk: Talk, database: Database) -> None:
    kept = Talk(talk.store, talk.make_reply)
    kept.say("留着")
    talk.answer("回答", talk.say("忘了它"))
    talk.store.rename("v", talk.id, "秘密")
    talk.store.delete("v", talk.id)
    assert [each.id for each in talk.store.list("v")] == [kept.id]
    with pytest.raises(ConversationNotFound):
        talk.path()
    with database.read() as session:
        query = select(NodeRow).where(NodeRow.conversation_id == talk.id)
        left = session.scalars(query.order_by(NodeRow.number)).all()
        assert [(row.text, row.reply_json, row.emotion) for row in left] == [("", None, None)] * 2
        assert [row.sha256 is None for row in left] == [True, False]
        assert session.scalar(text("SELECT count(*) FROM conversation WHERE title = '秘密'")) == 0
    assert texts(kept.path()) == ["留着"]


def test_purging_removes_what_deletion_left(talk: Talk, database: Database) -> None:
    kept = Talk(talk.store, talk.make_reply)
    kept.say("留着")
    talk.say("再见", talk.answer("回答", talk.say("忘了它")))
    talk.store.delete("v", talk.id)
    assert talk.store.purge(before_ms=0) == 0
    assert talk.store.purge(before_ms=10**9) == 1
    assert talk.store.purge(before_ms=10**9) == 0
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(NodeRow)) == 1
        assert session.scalar(text("SELECT count(*) FROM conversation")) == 1


def test_deleted_text_is_in_no_file(folder: DataFolder, make_reply: MakeReply) -> None:
    database = Database.open(folder)
    store = Conversations(database)
    talks = []
    for number in range(12):
        talk = Talk(store, make_reply)
        talks.append(talk)
        parent: StoredMessage | None = None
        for turn in range(5):
            asked = talk.say(f"SECRET{number}." * 3**turn, parent)
            parent = talk.answer(f"SECRET{number}!" * 4**turn, asked)
    assert b"SECRET3." in everything(folder.path)
    for talk in talks[::2]:
        store.delete("v", talk.id)
    left = everything(folder.path)
    for number in range(12):
        assert (f"SECRET{number}".encode() in left) == (number % 2 == 1)
    database.close()


def everything(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.iterdir() if file.is_file())


# --- taking it away


def test_the_json_holds_every_branch_and_what_made_the_replies(talk: Talk) -> None:
    asked = talk.say("在吗")
    first, second = talk.answer("一", asked), talk.answer("二", asked, finish="user_stop")
    found = json.loads(talk.store.export_json("v", talk.id))
    assert (found["format"], found["character"], found["greeting"]) == (
        "rolecraft.conversation/1",
        "zhou-xiaobei",
        "来啦？",
    )
    said = found["messages"]
    assert [each["id"] for each in said] == [asked.id, first.id, second.id]
    assert [each["shown"] for each in said] == [True, False, True]
    assert said[0]["reply"] is None
    assert said[2]["reply"]["passages"] == [
        {"field": "hobby", "text": "喜欢钓鱼", "similarity": 0.1 + 0.2, "used": False}
    ]
    body = json.dumps(said[1]["reply"], ensure_ascii=False, sort_keys=True)
    assert replies.load(body, said[1]["sha256"], "n") == talk.make_reply("一")
    assert "v" not in found.values()  # who the visitor is stays here


def test_the_markdown_reads_like_a_talk(talk: Talk) -> None:
    asked = talk.say("在吗\n在的话回一下")
    talk.answer("一", asked)
    talk.answer("二", asked, finish="user_stop")
    assert talk.store.export_markdown("v", talk.id, speaker="周小北") == (
        "# 在吗 在的话回一下\n\n周小北 · 1970-01-01 00:00 UTC\n\n**周小北**\n\n> 来啦？\n\n"
        "**我**\n\n> 在吗\\\n> 在的话回一下\n\n"
        "**周小北** · 快乐 · 被访客停止 · 第 2/2 个版本\n\n> 二\n"
    )
    english = talk.store.export_markdown("v", talk.id, language="en")
    assert "**zhou-xiaobei** · 快乐 · stopped by the visitor · version 2 of 2" in english


def test_marks_in_a_message_stay_text_in_the_markdown(talk: Talk) -> None:
    talk.say("# 大\n<img src=x onerror=y>\n![a](http://b)\n1. x\n---\n    code `c` *d* _e_ &lt;")
    said = talk.store.export_markdown("v", talk.id).split("**我**\n\n")[1]
    assert said == (
        "> \\# 大\\\n> \\<img src=x onerror=y\\>\\\n> \\!\\[a\\](http://b)\\\n> 1\\. x\\\n"
        "> \\---\\\n> code \\`c\\` \\*d\\* \\_e\\_ \\&lt;\n"
    )
