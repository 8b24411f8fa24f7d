"""The index encodes once, follows edits, survives damage, and finds what is asked for."""

import dataclasses
import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rolecraft.characters import Character, Shelf
from rolecraft.characters.model import Answer, Everyday
from rolecraft.errors import ConfigurationError, StoreUnavailable
from rolecraft.knowledge.chroma import open_chroma
from rolecraft.knowledge.encoder import FlagEncoder, Vectors
from rolecraft.knowledge.index import Index, standalone
from rolecraft.knowledge.passages import WAYS_ENCODED, marked, searched_of
from rolecraft.knowledge.refreshing import Refreshing
from rolecraft.knowledge.vectors import VectorStore
from tests.chroma_server import chroma_server


class Counting:
    """The real encoder, with a count of the passages that it was given."""

    def __init__(self, encoder: FlagEncoder, identity: str | None = None) -> None:
        self._encoder = encoder
        self.identity = identity or encoder.identity
        self.passages: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.passages += texts
        return self._encoder.encode_passages(texts)


class Opened:
    """An index on files, as one run of the program has it."""

    def __init__(self, folder: Path, encoder: FlagEncoder, identity: str | None = None) -> None:
        self.encoder = Counting(encoder, identity)
        self.store = VectorStore(open_chroma(folder), self.encoder)
        self.index = Index(self.store, self.encoder)

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chroma"


@pytest.fixture
def lu(shelf: Shelf) -> Character:
    return shelf.get("陆远")


def total(shelf: Shelf) -> int:
    return sum(len(searched_of(one)) for one in shelf.characters)


def test_a_restart_encodes_nothing(folder: Path, encoder: FlagEncoder, shelf: Shelf) -> None:
    with Opened(folder, encoder) as first:
        result = first.index.refresh(shelf.characters)
        assert (result.kept, result.encoded, result.removed) == (0, total(shelf), 0)
    with Opened(folder, encoder) as second:
        result = second.index.refresh(shelf.characters)
        assert (result.kept, result.encoded, result.removed) == (total(shelf), 0, 0)
        assert second.encoder.passages == []
        assert second.index.retrieve(shelf.get("陆远"), "年龄：46岁")[0].field == "profile.age"


def talking(character: Character, *topics: str) -> Character:
    answer = Answer("来啦，风大，进来坐。", "快乐")
    everyday = tuple(Everyday(topic, answer, (f"{topic}说一", f"{topic}说二")) for topic in topics)
    return dataclasses.replace(character, everyday=everyday)


def test_what_everybody_says_is_encoded_once_and_finds_each_ones_answer(
    folder: Path, encoder: FlagEncoder, shelf: Shelf
) -> None:
    one, other = (talking(character, "打招呼", "道晚安") for character in shelf.characters)
    with Opened(folder, encoder) as opened:
        opened.index.refresh([one, other])
        assert opened.encoder.passages.count("打招呼说一") == 1
        for character in (one, other):
            best = opened.index.retrieve(character, "道晚安说二")[0]
            assert best.field == "everyday.道晚安" and best.similarity > 0.95
    with Opened(folder, encoder) as again:
        stranger = dataclasses.replace(talking(one, "打招呼"), id="newcomer")
        assert again.index.retrieve(stranger, "打招呼说一")[0].field == "everyday.打招呼"
        again.encoder.passages.clear()
        assert again.index.retrieve(other, "道晚安说二")[0].field == "everyday.道晚安"
        assert again.encoder.passages == []  # the newcomer, who says less, took nothing away


def test_ways_of_asking_that_all_share_find_each_ones_own_field(
    folder: Path, encoder: FlagEncoder, shelf: Shelf
) -> None:
    ways = {"profile.age": ("您老高寿几何",), "profile.dream": ("将来图个什么奔头",)}
    both = [dataclasses.replace(one, asked_commonly=ways) for one in shelf.characters]
    with Opened(folder, encoder) as opened:
        opened.index.refresh(both)
        assert opened.encoder.passages.count("您老高寿几何？") == 1
        for character in both:
            best = opened.index.retrieve(character, "您老高寿几何")[0]
            assert best.text == f"年龄：{character.profile['age']}" and best.similarity > 0.99


def test_of_a_scene_the_nearest_stands_and_of_a_field_itself(
    folder: Path, encoder: FlagEncoder, lu: Character
) -> None:
    with Opened(folder, encoder) as opened:
        told = "问：谁给你寄来挂号信？ 答：老班长。信封湿了一角，字一点没花。"
        fields = [one.field for one in opened.index.retrieve(lu, told)]
        assert fields[0] == "question.q003" and "script.d01" not in fields
        told = "问：你多大年纪了？ 答：46岁，头发让海风吹白了一半哩。"
        fields = [one.field for one in opened.index.retrieve(lu, told)]
        assert fields[0] == "profile.age" and "question.q001" not in fields


def test_an_edit_encodes_only_what_changed(
    folder: Path, encoder: FlagEncoder, shelf: Shelf, lu: Character
) -> None:
    older = dataclasses.replace(lu, profile={**lu.profile, "age": "47岁"}, script=lu.script[:1])
    with Opened(folder, encoder) as opened:
        opened.index.refresh(shelf.characters)
        opened.encoder.passages.clear()
        result = opened.index.refresh([older, shelf.get("安然")])
        assert opened.encoder.passages == ["年龄：47岁"]
        assert (result.encoded, result.removed) == (1, 1)
        found = opened.index.retrieve(older, "你今年几岁？年龄多大", k=1)
        assert found[0].text == "年龄：47岁"
        assert not any(
            one.field == "script.d02" for one in opened.index.retrieve(older, "海鸥", k=30)
        )


def test_a_way_of_asking_finds_what_it_asks_after(
    folder: Path, encoder: FlagEncoder, lu: Character
) -> None:
    asked = dataclasses.replace(lu, asked={"profile.age": ("属什么生肖来着",)})
    with Opened(folder, encoder) as opened:
        plain = opened.index.retrieve(lu, "属什么生肖来着", k=30)
        found = opened.index.retrieve(asked, "属什么生肖来着", k=30)
        assert found[0].text == "年龄：46岁"
        assert found[0].similarity > 0.99
        assert {one.field for one in found} == {one.field for one in plain}


def test_the_cast_is_brought_up_to_date_beside_the_visitors(
    folder: Path, encoder: FlagEncoder, shelf: Shelf, lu: Character
) -> None:
    with Opened(folder, encoder) as opened:
        refreshing = Refreshing(opened.index, shelf.characters)
        assert opened.index.retrieve(lu, "年龄：46岁")[0].field == "profile.age"
        assert refreshing.wait(60)
        assert len(opened.encoder.passages) == total(shelf)
    with Opened(folder, encoder) as again:
        assert again.index.refresh(shelf.characters).kept == total(shelf)


def test_a_refresh_ends_between_two_characters(
    folder: Path, encoder: FlagEncoder, shelf: Shelf
) -> None:
    first, stopped = shelf.characters[0], threading.Event()
    with Opened(folder, encoder) as opened:
        encode = opened.encoder.encode_passages

        def once(texts: Sequence[str]) -> Vectors:
            stopped.set()
            return encode(texts)

        opened.encoder.encode_passages = once  # type: ignore[method-assign]
        assert opened.index.refresh(shelf.characters, stopped).encoded == len(searched_of(first))
    with Opened(folder, encoder) as again:
        assert again.index.refresh(shelf.characters).kept == len(searched_of(first))


def test_characters_that_left_are_removed(
    folder: Path, encoder: FlagEncoder, shelf: Shelf, lu: Character
) -> None:
    with Opened(folder, encoder) as opened:
        opened.index.refresh(shelf.characters)
        result = opened.index.refresh([lu])
        assert result.removed == len(searched_of(shelf.get("安然")))


def test_more_passages_than_one_page_of_the_store(
    folder: Path,
    encoder: FlagEncoder,
    shelf: Shelf,
    lu: Character,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rolecraft.knowledge.vectors._PAGE", 3)
    monkeypatch.setattr("rolecraft.knowledge.vectors._BATCH", 2)
    with Opened(folder, encoder) as opened:
        assert opened.index.refresh(shelf.characters).encoded == total(shelf)
        again = opened.index.refresh(shelf.characters)
        assert (again.kept, again.encoded, again.removed) == (total(shelf), 0, 0)
        assert opened.index.retrieve(lu, "年龄：46岁")[0].field == "profile.age"
        assert opened.index.refresh([lu]).removed == len(searched_of(shelf.get("安然")))


def test_a_character_that_was_never_refreshed_is_brought_in(
    folder: Path, encoder: FlagEncoder, lu: Character
) -> None:
    with Opened(folder, encoder) as opened:
        assert opened.index.retrieve(lu, "年龄：46岁")[0].field == "profile.age"
        assert len(opened.encoder.passages) == len(searched_of(lu))
        opened.index.retrieve(lu, "生日")
        assert len(opened.encoder.passages) == len(searched_of(lu))


def test_another_encoder_has_its_own_collection(
    folder: Path, encoder: FlagEncoder, shelf: Shelf
) -> None:
    with Opened(folder, encoder) as opened:
        opened.index.refresh(shelf.characters)
    with Opened(folder, encoder, identity="小模型|另一个") as opened:
        assert opened.index.refresh(shelf.characters).encoded == total(shelf)
    with Opened(folder, encoder) as opened:
        assert opened.index.refresh(shelf.characters).encoded == 0


@pytest.mark.parametrize("damage", ["removed", "truncated"])
def test_lost_index_files_are_rebuilt_with_a_clear_line(
    folder: Path, encoder: FlagEncoder, lu: Character, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Chroma drops its log after a thousand records: what its files lose then is lost."""
    talkative = dataclasses.replace(
        lu,
        questions=tuple(
            dataclasses.replace(lu.questions[4], id=f"n{n}", answer=f"第{n}次擦镜片")
            for n in range(1100)
        ),
    )
    with Opened(folder, encoder) as opened:
        opened.index.refresh([talkative])
        before = opened.index.retrieve(talkative, "你怕什么？")
    inner = next(path for path in folder.iterdir() if path.is_dir())
    if damage == "removed":
        shutil.rmtree(inner)
    else:
        for path in inner.iterdir():
            path.write_bytes(path.read_bytes()[:16])
    with caplog.at_level(logging.WARNING), Opened(folder, encoder) as opened:
        assert opened.index.refresh([talkative]).rebuilt
        assert opened.index.retrieve(talkative, "你怕什么？") == before
    assert "is broken" in caplog.text
    assert "Building it anew from the characters' files" in caplog.text
    with Opened(folder, encoder) as opened:
        assert opened.index.refresh([talkative]).encoded == 0


def test_a_damaged_database_is_set_aside(
    folder: Path, encoder: FlagEncoder, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    (folder / "chroma.sqlite3").write_bytes(b"not a database at all" * 300)
    with caplog.at_level(logging.WARNING), Opened(folder, encoder) as opened:
        assert opened.index.refresh(shelf.characters).encoded == total(shelf)
    assert "set aside as chroma.broken-1" in caplog.text
    assert (folder.parent / "chroma.broken-1" / "chroma.sqlite3").exists()


def test_a_folder_that_is_a_file(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.parent.joinpath("file").write_text("")
    with pytest.raises(StoreUnavailable, match="Check"):
        open_chroma(folder.parent / "file" / "chroma")


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("你的年龄是多少？", "profile.age"),
        ("你多大年纪了？", "profile.age"),
        ("独脚的海鸥叫什么名字？", "script.d02"),
        ("谁给你寄来了挂号信？", "question.q003"),
        ("在忙什么呢？", "question.q005"),
        ("最喜欢的食物是什么", "profile.favourite_food"),
    ],
)
def test_what_is_asked_for_is_found(
    folder: Path, mini_encoder: FlagEncoder, lu: Character, question: str, field: str
) -> None:
    with Opened(folder, mini_encoder) as opened:
        found = opened.index.retrieve(lu, question, k=3)
    assert field in [one.field for one in found]
    assert len(found) == 3
    assert len({one.field for one in found}) == 3


def test_used_says_what_enters_the_prompt(
    folder: Path, encoder: FlagEncoder, lu: Character
) -> None:
    with Opened(folder, encoder) as opened:
        found = opened.index.retrieve(lu, "你多大年纪了？", k=2, threshold=-1, shown=5)
        assert [one.used for one in found] == [True, True, False, False, False]
        found = opened.index.retrieve(lu, "你多大年纪了？", k=3, threshold=1.1)
        assert [one.used for one in found] == [False, False, False]
        assert opened.index.retrieve(lu, " \n ") == ()
        assert all(-1 <= one.similarity <= 1.0001 for one in found)
        assert opened.index.retrieve(lu, "海" * 100_000, k=1)


def test_a_fragment_is_read_after_what_was_said_before(
    folder: Path, encoder: FlagEncoder, lu: Character
) -> None:
    with Opened(folder, encoder) as opened:
        found = opened.index.retrieve(lu, "那它呢？", ["早上好", "独脚的海鸥偷走了你的咸鱼？"])
    assert "script.d02" in [one.field for one in found]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("那他呢？", "你爸爸做什么工作？ 那他呢？"),
        ("为什么？", "你爸爸做什么工作？ 为什么？"),
        ("后来怎么样了", "你爸爸做什么工作？ 后来怎么样了"),
        ("你喜欢吃什么菜？", "你喜欢吃什么菜？"),
        ("我昨天在码头边上等了整整一个下午也没有见到他回来", None),
    ],
)
def test_standalone(question: str, expected: str | None) -> None:
    assert standalone(question, ["你好", "你爸爸做什么工作？"]) == (expected or question)
    assert standalone(question, []) == question


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with chroma_server(tmp_path / "served") as address:
        yield address


def test_a_chroma_server_keeps_the_vectors(
    server: str, tmp_path: Path, encoder: FlagEncoder, shelf: Shelf
) -> None:
    for encoded in (total(shelf), 0):
        store = VectorStore(open_chroma(tmp_path / "unused", server), encoder)
        index = Index(store, encoder)
        assert index.refresh(shelf.characters).encoded == encoded
        assert index.retrieve(shelf.get("陆远"), "年龄：46岁")[0].field == "profile.age"
        store.close()
    assert not (tmp_path / "unused").exists()


def test_an_index_that_another_process_rebuilt_is_taken_over(
    server: str, tmp_path: Path, encoder: FlagEncoder, shelf: Shelf
) -> None:
    one, other = (
        Index(VectorStore(open_chroma(tmp_path, server), encoder), encoder) for _ in range(2)
    )
    one.refresh(shelf.characters)
    assert other.refresh(shelf.characters).encoded == 0
    one._store._collection = one._store._fresh()  # what a broken index is answered with
    one.refresh(shelf.characters)
    names = [found.name for found in one._store._client.list_collections()]
    for index in (other, one):  # neither builds a third
        assert index.retrieve(shelf.get("陆远"), "年龄：46岁")[0].field == "profile.age"
    assert [found.name for found in one._store._client.list_collections()] == names
    assert len(names) == 1


def test_no_chroma_server(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No Chroma server answers at http://127.0.0.1:1"):
        open_chroma(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="write http://host:port"):
        open_chroma(tmp_path, "localhost:8000")


class Placed:
    """An encoder that gives the texts the similarities to any question that the test says."""

    identity = "placed"

    def __init__(self, cosines: dict[str, float]) -> None:
        self.cosines = cosines

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([[1.0, 0.0] for _ in texts], np.float32)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        cosines = np.array([self.cosines.get(text, 0.1) for text in texts], np.float32)
        return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)


def test_of_a_field_several_ways_that_fit_tell_more_than_the_nearest(
    folder: Path, lu: Character
) -> None:
    near = dict.fromkeys(("甲甲？", "乙乙？", "丙丙？", "丁丁？", "戊戊？"), 0.8)
    far = dict.fromkeys(("己己？", "庚庚？", "辛辛？"), 0.2) | {"子子？": 0.9, "丑丑？": 0.85}
    lu = dataclasses.replace(
        lu, asked={"profile.residence": tuple(near), "profile.age": tuple(far)}
    )
    encoder = Placed(near | far)
    store = VectorStore(open_chroma(folder), encoder)
    found = Index(store, encoder).retrieve(lu, "寅寅")
    assert [one.field for one in found][:2] == ["profile.residence", "profile.age"]
    store.close()


def test_ways_beyond_those_that_are_encoded_find_their_field_too(
    folder: Path, encoder: FlagEncoder, lu: Character
) -> None:
    many = tuple(f"你{number}岁了没有" for number in range(WAYS_ENCODED))
    ways = {"profile.age": (*many, "贵庚几何"), "profile.dream": ("将来图个什么奔头",)}
    with Opened(folder, encoder) as opened:
        found = opened.index.retrieve(dataclasses.replace(lu, asked_commonly=ways), "贵庚几何？")
        assert found[0].field == "profile.age"
        assert f"{many[-1]}？" in opened.encoder.passages
        assert "贵庚几何？" not in opened.encoder.passages


@pytest.mark.parametrize(
    ("question", "field"), [("啥是你怕的", "profile.fears"), ("啥是你盼的", "profile.dream")]
)
def test_letters_tell_apart_what_vectors_do_not(
    folder: Path, lu: Character, question: str, field: str
) -> None:
    ways = {"profile.fears": ("你怕的是啥", "怕啥"), "profile.dream": ("你盼的是啥", "盼啥")}
    profile = {**lu.profile, "fears": "甲", "dream": "乙"}
    encoder = Placed({})  # to which everything is alike
    store = VectorStore(open_chroma(folder), encoder)
    knowing = dataclasses.replace(lu, asked_commonly=ways, profile=profile)
    found = [one.field for one in Index(store, encoder).retrieve(knowing, question, k=50)]
    assert [one for one in found if one in ways][0] == field
    store.close()


@pytest.mark.parametrize("asked", ["你多大年纪了", "你几岁啦", "饭吃了没"])
def test_a_question_mark_that_is_left_out_changes_nothing(
    folder: Path, encoder: FlagEncoder, lu: Character, asked: str
) -> None:
    with Opened(folder, encoder) as opened:
        assert opened.index.retrieve(lu, asked) == opened.index.retrieve(lu, f"{asked}？")


def test_what_ends_with_a_sign_is_left_as_it_is() -> None:
    assert [marked(one) for one in ("你几岁", "你几岁?", "好累。", "嗯…", "")] == [
        "你几岁？", "你几岁?", "好累。", "嗯…", "？",
    ]  # fmt: skip
