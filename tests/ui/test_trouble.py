"""The database is locked or the disk is full while somebody talks: it is said, nothing is lost."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from rolecraft.errors import (
    CharacterNotFound,
    CheckpointError,
    ConfigurationError,
    ConversationNotFound,
    EngineFailed,
    EngineUnavailable,
    InputRefused,
    StoreUnavailable,
)
from rolecraft.services import Services
from rolecraft.store.database import Database
from rolecraft.ui.page import in_words
from rolecraft.ui.texts import EN, ZH
from tests.tiny import VOICES, make_encoder, make_voices, voice_arms
from tests.ui.test_saying import Page

REPOSITORY = Path(__file__).parents[2]
WORDS = "雨下了一整天，我数了三遍浪头。"


@pytest.fixture
def page(opened: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> Page:
    """A visitor whose database waits for nobody."""
    monkeypatch.setattr(Database.open.__func__, "__kwdefaults__", {"patience_ms": 50})
    return Page(opened(replies=[WORDS, "另一句。"])).pick()


@pytest.fixture
def chatterbox(page: Page, opened: Callable[..., Services]) -> Page:
    """The same with replies that fill more than one page of the file."""
    return Page(opened("long", replies=[WORDS * 1000, "另一句。"])).pick()


@contextmanager
def locked(page: Page) -> Iterator[None]:
    """Another program has the database."""
    with closing(sqlite3.connect(page.services.database.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(page: Page) -> Iterator[None]:
    """The disk takes no more pages."""
    most = [1]  # SQLite keeps at least what there is

    def limit(raw: sqlite3.Connection, _: object) -> None:
        raw.execute(f"PRAGMA max_page_count = {most[0]}")

    engine = page.services.database.engine
    event.listen(engine, "connect", limit)
    engine.dispose()
    yield
    most[0] = 1_000_000
    engine.dispose()


Trouble = Callable[[Page], "contextmanager[None]"]


@pytest.mark.parametrize("trouble", [locked, full])
def test_a_reply_that_cannot_be_stored_is_said_and_waits(
    chatterbox: Page, trouble: Trouble
) -> None:
    page, words = chatterbox, WORDS * 1000
    steps = page.begin(do="send", text="在吗？")
    page.take(next(steps))
    with trouble(page), pytest.raises(StoreUnavailable):
        for shown in steps:
            page.take(shown)
    assert page.path == [("user", "在吗？", None)]
    assert words in str(page.shown.stream) and "还没存上" in str(page.shown.stream)
    assert "还没有回答" in str(page.shown.log) and "再试一次" in str(page.shown.log)
    assert str(page.shown.composer).startswith("idle:")
    page.make(do="again", id=page.ids[0])  # asks no model: the words are there
    assert page.path == [("user", "在吗？", None), ("assistant", words, "stop")]
    assert page.shown.stream == "" and "2/2" not in str(page.shown.log)


def test_what_waits_is_stored_before_the_next_message(page: Page) -> None:
    steps = page.begin(do="send", text="在吗？")
    page.take(next(steps))
    with locked(page):
        with pytest.raises(StoreUnavailable):
            list(steps)
        with pytest.raises(StoreUnavailable):  # still
            page.make(do="again", id=page.ids[0])
    page.say("还在吗？")
    assert [text for _, text, _ in page.path] == ["在吗？", WORDS, "还在吗？", "另一句。"]


def test_what_a_closed_tab_left_waits_too(page: Page) -> None:
    steps = page.begin(do="send", text="在吗？")
    for shown in steps:
        page.take(shown)
        if "雨" in str(shown.stream):
            break
    with locked(page):
        steps.close()  # type: ignore[attr-defined]
    page.make(do="again", id=page.ids[0])
    role, text, finish = page.path[-1]
    assert finish == "disconnect" and WORDS.startswith(text) and text


def test_a_message_that_cannot_be_stored_stays_with_its_writer(page: Page) -> None:
    page.say("在吗？")
    kept = page.shown.composer
    with locked(page), pytest.raises(StoreUnavailable):
        page.say("还在吗？")
    # no message is named as taken, so the box keeps its text
    assert str(page.shown.composer).startswith("idle:") and page.shown.composer != kept
    assert len(str(page.shown.composer)) < len("idle:") + 32
    assert len(page.path) == 2
    page.say("还在吗？")
    assert len(page.path) == 4


@pytest.mark.parametrize(
    ("error", "zh", "en"),
    [
        (StoreUnavailable("/home/me/rolecraft.db is locked"), "存不下", "database is busy"),
        (EngineFailed("gpt-4: no answer in 60 s"), "出了问题", "broke"),
        (EngineUnavailable("gpt-4: set OPENAI_API_KEY"), "另选一个", "Choose another"),
        (EngineUnavailable("/home/me/mini cannot be loaded: x"), "另选一个", "noted, number"),
        (EngineFailed("mini failed: [Errno 2] '/home/me/x.so'. Try again."), "编号", "noted"),
        (CheckpointError("config.json is missing in /home/me/mini."), "编号", "number"),
        (ConfigurationError("/home/me/catalog.yaml cannot be read"), "编号", "number"),
        (ConversationNotFound("abc"), "不在了", "gone"),
        (CharacterNotFound("abc"), "架上", "on the shelf"),
        (InputRefused("太长 too long"), "太长", "too long"),
        (KeyError("/secret"), "编号", "number"),
    ],
)
def test_every_trouble_is_told_in_the_visitors_language(
    error: Exception, zh: str, en: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert zh in in_words(error, "zh") and en in in_words(error, "en")
    assert "/home/me" not in in_words(error, "en") and "secret" not in in_words(error, "zh")
    if "/home/me" in str(error) or isinstance(error, KeyError):
        assert str(error) in caplog.text  # for the keeper of the house
    assert "machine" in EN["machine_note"] and "机器" in ZH["machine_note"]


def test_what_is_no_place_of_this_machine_is_told(caplog: pytest.LogCaptureFixture) -> None:
    said = "gpt-4: https://api.example.org/v1/chat/completions gave 404 (bf16/fp16, and/or)"
    assert said in in_words(EngineFailed(said), "en") and not caplog.text


def test_weights_that_are_damaged_are_said_and_can_be_mended(
    opened: Callable[..., Services], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine is listed; that it cannot be loaded is found by the first who asks it."""
    models = make_voices(make_encoder(tmp_path / "models"), ["calm"])
    weights = models / VOICES["folder"] / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    arms = {"rolecraft-mini": {**voice_arms(["calm"])["calm"], "sampling": {"max_new_tokens": 4}}}
    services = opened(models=models, arms=arms, bases={"voices": VOICES})
    page = Page(services, "en").pick()
    with pytest.raises(EngineUnavailable) as caught:
        page.say("在吗？")
    told = in_words(caught.value, "en")
    assert str(tmp_path) not in told and "Choose another" in told and "number" in told
    assert "model.safetensors is truncated" in caplog.text
    assert page.path == [("user", "在吗？", None)]
    assert "Try again" in str(page.shown.log) and str(page.shown.composer).startswith("idle:")
    page.say("在吗？", engine="written")  # whoever chooses another goes on
    weights.write_bytes(whole)
    page.make(do="again", id=page.ids[0])
    assert page.path[-1][2] in ("stop", "length") and page.path[-1][1]


def test_a_second_page_on_the_same_folder_is_refused(page: Page) -> None:
    folder = page.services.folder.path
    second = subprocess.run(
        [sys.executable, "-m", "rolecraft", "serve"], cwd=REPOSITORY, capture_output=True,
        text=True, timeout=150, env={"ROLECRAFT_DATA_DIR": str(folder), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert second.returncode == 1 and "Traceback" not in second.stderr
    assert str(folder) in second.stderr and "kill" in second.stderr
    page.say("在吗？")  # the first goes on
    assert len(page.path) == 2
