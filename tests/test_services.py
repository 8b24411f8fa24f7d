"""Opening and closing everything that a process needs, and stopping answers from outside."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rolecraft.conversation import Passage
from rolecraft.errors import CharacterInvalid, CheckpointError, DataFolderBusy
from rolecraft.services import Running, Services, without_sources, written_answers
from rolecraft.store.folder import DataFolder
from tests.tiny import SHELF


def test_everything_is_open_and_fits_together(opened: Callable[..., Services]) -> None:
    services = opened()
    person = services.shelf.get("陆远")
    assert services.index.retrieve(person, "你多大了？")
    assert services.catalog.open("written").card.kind == "written"
    assert services.conversations.list("a" * 32) == ()


def test_a_folder_has_one_owner_and_is_given_back(
    opened: Callable[..., Services], tmp_path: Path
) -> None:
    services = opened()
    with pytest.raises(DataFolderBusy, match="in use"):
        opened()
    services.close()
    opened()


def test_what_fails_half_way_leaves_nothing_open(
    opened: Callable[..., Services], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CharacterInvalid, match="characters check"):
        opened(shelf=tmp_path / "empty")
    (tmp_path / "none" / "mini" / "encoder").mkdir(parents=True)
    with pytest.raises(CheckpointError):
        opened(models=tmp_path / "none")
    with DataFolder.claim(tmp_path / "house" / "data"):
        pass
    opened()


def test_faulty_characters_are_named_and_left_out(
    opened: Callable[..., Services], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "lu-yuan").symlink_to(SHELF / "lu-yuan")
    (shelf / "broken").mkdir()
    (shelf / "broken" / "card.yaml").write_text("id: [", encoding="utf-8")
    services = opened(shelf=shelf)
    assert [one.id for one in services.shelf.characters] == ["lu-yuan"]
    assert "broken" in caplog.text and "card.yaml" in caplog.text


def test_written_answers_are_those_of_training(opened: Callable[..., Services]) -> None:
    shelf = opened().shelf
    answers = written_answers(shelf, "lu-yuan")
    train = shelf.get("lu-yuan").questions_of("train")
    assert [one.answer for one in answers] == [one.answer for one in train]
    evasions = [one.kind == "out_of_knowledge" for one in train]
    assert [one.evasion for one in answers] == evasions


def test_a_talk_without_passages_still_tells_what_was_near() -> None:
    near = (Passage("profile.age", "年龄：46岁", 0.9),)
    assert without_sources(near) == (Passage("profile.age", "年龄：46岁", 0.9, used=False),)


class Cancelled:
    """Stands for an answer: only its cancel is of interest."""

    def __init__(self) -> None:
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def test_a_conversation_has_one_answer_at_a_time() -> None:
    running = Running()
    assert running.claim("a") and running.claim("b")
    assert not running.claim("a") and running.busy("a")
    running.end("a")
    assert not running.busy("a") and running.claim("a")


def test_stopping_cancels_and_tells_whether_there_was_something() -> None:
    running, answer = Running(), Cancelled()
    assert not running.stop("a")
    running.claim("a")
    running.begin("a", answer)  # type: ignore[arg-type]
    assert running.stop("a") and answer.cancelled == 1
    running.end("a")
    assert not running.stop("a")


def test_a_stop_before_the_beginning_counts_for_that_answer_alone() -> None:
    running, first, second = Running(), Cancelled(), Cancelled()
    running.claim("a")
    assert running.stop("a")
    running.begin("a", first)  # type: ignore[arg-type]
    assert first.cancelled == 1
    running.end("a")
    running.claim("a")
    running.begin("a", second)  # type: ignore[arg-type]
    assert second.cancelled == 0


def test_settling_waits_for_the_end() -> None:
    running = Running()
    running.claim("a")
    assert not running.settle("a", 0.01)
    threading.Timer(0.05, running.end, ["a"]).start()
    begun = time.monotonic()
    assert running.settle("a", 5) and time.monotonic() - begun < 4
    assert running.settle("b", 0)


def test_everything_can_be_stopped_at_once() -> None:
    running, answers = Running(), [Cancelled() for _ in range(3)]
    for number, answer in enumerate(answers):
        running.claim(str(number))
        running.begin(str(number), answer)  # type: ignore[arg-type]
    assert not running.stop_all(0.01)
    assert [answer.cancelled for answer in answers] == [1, 1, 1]
    for number in range(3):
        running.end(str(number))
    assert running.stop_all(0)
