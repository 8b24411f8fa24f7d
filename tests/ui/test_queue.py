"""More visitors than the engine has slots: each sees their place, nobody is forgotten."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from rolecraft.chat import Partial
from rolecraft.conversation import Message, Sampling
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.local import LocalEngine
from rolecraft.engines.slots import Slots
from rolecraft.errors import InputRefused
from rolecraft.services import Services
from rolecraft.ui import talk
from rolecraft.ui.faces import stranger
from rolecraft.ui.scene import Shown
from rolecraft.ui.texts import Language
from tests.tiny import VOICES, make_encoder, make_voices, voice_arms
from tests.ui.test_saying import Page

SHORT = {"preset": "custom", "max_new_tokens": 16, "temperature": 0}
ENDLESS = Sampling(temperature=0.0, max_new_tokens=2048)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_encoder(tmp_path_factory.mktemp("voices"))
    return make_voices(folder, ["low"])


@pytest.fixture
def house(opened: Callable[..., Services], voices: Path) -> Services:
    """One slot, and room for two who wait."""
    one = {"voices": {**VOICES, "slots": 1}}
    return opened(models=voices, bases=one, arms=voice_arms(["low"]), max_queue=2)


@contextmanager
def held(house: Services) -> Iterator[LocalGeneration]:
    """Somebody has the only slot until the block ends, on a machine that takes its time."""
    engine = cast(LocalEngine, house.catalog.open("low"))
    engine.load()
    slots = cast(Slots, engine.worker.slots)
    step = slots.step

    def slowly() -> None:
        time.sleep(0.05)
        step()

    answer = engine.stream([Message("user", "说个没完")], ENDLESS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots, "step", slowly)
        pieces = iter(answer)  # letting go of it would let go of the slot
        next(pieces)
        yield answer
        answer.cancel()


class Visitor:
    """A page whose streamed parts are read until something is seen."""

    def __init__(self, house: Services, language: Language = "zh") -> None:
        self.page = Page(house, language).pick()
        self.seen: list[str] = []

    def ask(self) -> "Visitor":
        self.steps = self.page.begin(do="send", text="在吗？", settings={"engine": "low", **SHORT})
        self.page.take(next(self.steps))
        return self

    def until(self, *said: str) -> "Visitor":
        end = time.monotonic() + 60
        for shown in self.steps:
            self._take(shown)
            if all(part in str(self.page.shown.stream) for part in said):
                return self
            assert time.monotonic() < end, self.seen
        raise AssertionError(f"{said} was never shown: {self.seen}")

    def finish(self) -> "Visitor":
        for shown in self.steps:
            self._take(shown)
        return self

    def _take(self, shown: Shown) -> None:
        self.page.take(shown)
        self.seen += [shown.stream] if shown.stream else []


def test_everyone_sees_their_place_and_moves_up(house: Services) -> None:
    with held(house):
        first = Visitor(house).ask().until("马上轮到你了")
        second = Visitor(house, "en").ask().until("1 person is before you")
        assert 'role="status"' in str(second.page.shown.stream)
        assert house.running.stop(first.page.place.conversation)
        first.finish()
        second.until("You are next")
    second.finish()
    role, text, finish = second.page.path[-1]
    assert (role, finish) == ("assistant", "length") and text
    thinking = [html for html in second.seen if "waiting" in html]
    assert thinking and second.seen.index(thinking[0]) > 0  # its turn came, then it was thought of
    assert first.page.path[-1] == ("assistant", "", "user_stop")


def test_who_closes_the_page_leaves_the_queue(house: Services) -> None:
    with held(house):
        first = Visitor(house).ask().until("马上轮到你了")
        second = Visitor(house).ask().until("前面还有 1 位")
        first.steps.close()  # type: ignore[attr-defined]
        assert first.page.path[-1] == ("assistant", "", "disconnect")
        second.until("马上轮到你了")
        second.steps.close()  # type: ignore[attr-defined]


def test_a_full_house_is_said_and_the_words_are_kept(house: Services) -> None:
    with held(house):
        waiting = [Visitor(house).ask().until("轮到你"), Visitor(house).ask().until("1 位")]
        late = Visitor(house).ask()
        with pytest.raises(InputRefused, match="很多人正在聊天.*Many people are talking"):
            late.finish()
        assert late.page.path == [("user", "在吗？", None)]
        assert "还没有回答" in str(late.page.shown.log) and "再试一次" in str(late.page.shown.log)
        assert str(late.page.shown.composer).startswith("idle:") and late.page.shown.stream == ""
        for one in waiting:
            one.steps.close()  # type: ignore[attr-defined]
    late.page.make(do="again", id=late.page.ids[0], settings={"engine": "low", **SHORT})
    assert late.page.path[-1][0] == "assistant" and late.page.path[-1][1]


def test_who_need_not_wait_hears_nothing_of_a_queue(house: Services) -> None:
    house.catalog.open("low").load()  # type: ignore[attr-defined]
    visitor = Visitor(house).ask().finish()
    assert not [html for html in visitor.seen if "queued" in html]


def test_as_many_as_the_queue_takes_are_let_in(house: Services) -> None:
    assert house.at_once > house.catalog.slots + house.settings.max_queue == 3


@pytest.mark.parametrize(
    ("place", "wait", "zh", "en"),
    [
        (1, None, "马上轮到你了 稍等一下，很快就来。", "You are next It will not be long."),
        (1, 1.2, "马上轮到你了 就几秒钟的事。", "You are next Just a few seconds."),
        (2, 7.4, "前面还有 1 位 大约再等 7 秒。", "1 person is before you About 7 seconds"),
        (4, 42.0, "前面还有 3 位 大约再等 40 秒。", "3 people are before you About 40 seconds"),
        (30, 200.0, "前面还有 29 位 大约再等 3 分钟。", "29 people are before you About 3 minutes"),
    ],
)
def test_a_place_is_told_as_people_say_it(place: int, wait: float | None, zh: str, en: str) -> None:
    for language, said in (("zh", zh), ("en", en)):
        shown = talk.stream(stranger("x"), Partial("", None, place, wait), language)  # type: ignore[arg-type]
        assert said in shown.replace("</strong><span>", " ")
