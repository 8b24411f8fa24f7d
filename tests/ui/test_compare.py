"""Comparing through the steps of the page, with the real database, index and scripted engines."""

import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from rolecraft.comparison import arms, worker
from rolecraft.engines.scripted import ScriptedGeneration
from rolecraft.errors import EngineUnavailable
from rolecraft.services import Services
from rolecraft.store.compared import Compared, Pair
from rolecraft.store.rating_check import verify
from rolecraft.ui.comparing import Comparing, View
from rolecraft.ui.markup import plain
from rolecraft.ui.seat import Caller, Seats
from rolecraft.ui.stand import Stand, Wish, read_stand
from rolecraft.ui.visitor import new_place

Opened = Callable[..., Services]
ONE, OTHER = "rolecraft-mini", "second"
TWO_ARMS = {OTHER: {}, "written": {"hidden": True}, "broken": {"hidden": True},
            "gpt-4": {"hidden": True}}  # fmt: skip


class Page:
    """A visitor with the page /compare in one tab."""

    def __init__(self, services: Services, tab: str = "tab", language: Any = "zh") -> None:
        self.services = services
        self.steps = Comparing(services, Seats(services.desk), random.Random(7))
        self.caller = Caller(tab, "", "desktop", language)
        self.place, self.stand = new_place(), Stand()
        self.shown = View()

    def take(self, view: View) -> View:
        given = {name: part for name, part in view._asdict().items() if part is not None}
        self.shown = self.shown._replace(**given)
        self.place, self.stand = view.place or self.place, view.stand or self.stand
        return view

    def arrive(self) -> View:
        kept, stood = self.place.to_browser(), self.stand.to_browser()
        return self.take(self.steps.arrive(kept, stood, self.caller))

    def do(self, deed: str, **sent: Any) -> View:
        kept, stood = self.place.to_browser(), self.stand.to_browser()
        return self.take(self.steps.act(kept, stood, {"do": deed, **sent}, self.caller))

    def pick(self, **more: Any) -> "Page":
        self.do("pick", character="lu-yuan", rate=True, **more)
        return self

    def say(self, text: str = "在吗？") -> "Page":
        self.do("say", text=text)
        return self.wait()

    def wait(self) -> "Page":
        """Until nothing is being written."""
        assert self.services.running.settle(self.stand.conversation, 30)
        self.do("look", form="seen")
        return self

    @property
    def state(self) -> str:
        found = re.search(r'data-state="(\w+)"', str(self.shown.pair))
        return found.group(1) if found else ""

    def ballot(self, preference: str | None = "left", **more: Any) -> dict[str, Any]:
        found = re.search(r'data-form="(\w+)" data-token="(\w+)"', str(self.shown.pair))
        assert found, self.shown.pair
        return {
            "id": str(uuid.uuid4()), "form": found.group(1), "token": found.group(2),
            "preference": preference, "scores": [], "active_ms": 5, "wall_ms": 9,
            "n_changes": 1, "input_mode": "mouse", **more,
        }  # fmt: skip

    def vote(self, preference: str | None = "left", **more: Any) -> "Page":
        self.do("submit", **self.ballot(preference, **more))
        return self

    def reveal(self) -> "Page":
        self.do("reveal")
        return self

    @property
    def pairs(self) -> list[Pair]:
        visit = self.services.desk.enter(self.place.token, self.caller.tab)
        path = self.services.conversations.path(self.place.visitor, self.stand.conversation)
        keys = [f"{self.stand.conversation}/{one.id}" for one in path]
        found = Compared(self.services.database).pairs(visit.rater, keys)
        return [found[key] for key in keys if key in found]

    @property
    def texts(self) -> list[str]:
        path = self.services.conversations.path(self.place.visitor, self.stand.conversation)
        return [one.text for one in path]


@pytest.fixture
def page(compared: Opened) -> Page:
    page = Page(compared())
    page.arrive()
    return page.pick()


def texts_of(page: Page, pair: Pair) -> tuple[str, str]:
    shown = page.services.desk.shown
    return shown.text(pair.left).text, shown.text(pair.right).text


def test_a_round_from_the_question_to_the_telling(page: Page) -> None:
    page.say()
    assert page.state == "vote"
    (pair,) = page.pairs
    left, right = texts_of(page, pair)
    assert left in str(page.shown.pair) and right in str(page.shown.pair)
    assert (pair.mode, pair.policy, pair.probability) == ("blind", "uniform", 1.0)
    assert ONE not in str(page.shown) and OTHER not in str(page.shown)
    assert page.texts == ["在吗？"]
    page.vote("right")
    assert page.state == "saved" and ONE not in str(page.shown)
    page.reveal()
    assert page.state == "told"
    assert ONE in str(page.shown.pair) and OTHER in str(page.shown.pair)
    assert page.texts == ["在吗？", right]
    page.say("还在吗？")
    assert page.state == "vote" and page.texts == ["在吗？", right, "还在吗？"]
    assert right in str(page.shown.stage)
    assert verify(page.services.database).ok


def test_both_sides_are_asked_alike(page: Page) -> None:
    page.say().vote("left").reveal()
    page.say("灯坏过吗？")
    pair = page.pairs[-1]
    one, other = (Compared(page.services.database).reply(g) for g in (pair.left, pair.right))
    assert one.prompt == other.prompt and one.passages == other.passages
    assert one.seed == other.seed and one.sampling.seed == one.seed
    assert {one.identity.engine, other.identity.engine} == {ONE, OTHER}
    chosen = texts_of(page, page.pairs[0])[0]
    assert any(chosen in message.content for message in one.prompt)
    trace = page.services.desk.shown.trace(pair.left)
    assert trace["whole_sha256"] == one.sha256  # it comes back exactly


def test_the_threads_know_whose_request_they_serve(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZeroGPU reads from the context of a call which visitor's share of a GPU it is."""
    visitor, seen = ContextVar("visitor", default="nobody"), []
    spoken = ScriptedGeneration.__iter__

    def speak(generation: ScriptedGeneration) -> Iterator[str]:
        seen.append(visitor.get())
        return spoken(generation)

    monkeypatch.setattr(ScriptedGeneration, "__iter__", speak)
    visitor.set("ann")
    page.say()
    assert seen == ["ann", "ann"]


def test_sides_are_drawn_and_the_pair_has_its_chance(compared: Opened) -> None:
    services = compared(arms={**TWO_ARMS, "third": {}})
    page = Page(services).pick()
    lefts = set()
    for number in range(6):
        page.say(f"第{number}句").vote("tie").reveal()
        lefts.add(Compared(services.database).arm(page.pairs[-1].left)[0])
    assert len(lefts) > 1
    assert {round(pair.probability, 3) for pair in page.pairs} == {0.333}
    rng = random.Random(0)
    drawn = {
        frozenset(side.engine for side in arms.draw(services.catalog, rng).sides) for _ in range(40)
    }
    assert len(drawn) == 3


def test_a_tie_goes_on_with_one_of_the_two(page: Page) -> None:
    page.say().vote("both_bad").reveal()
    (pair,) = page.pairs
    assert page.texts[1] == texts_of(page, pair)[pair.goes_on == "right"]
    assert "抽中" in str(page.shown.pair)


def test_scores_alone_are_a_vote_and_the_better_one_goes_on(page: Page) -> None:
    page.say()
    scores = [
        {"side": side, "criterion": name, "value": value}
        for side, value in (("left", 2), ("right", 5))
        for name in ("communication", "consistency", "diversity")
    ]
    scores[0]["value"] = None
    page.vote(None, scores=scores).reveal()
    (pair,) = page.pairs
    assert page.state == "told" and pair.goes_on == "right"
    assert page.texts[1] == texts_of(page, pair)[1]


def test_a_vote_can_be_changed_until_the_names_are_told(page: Page) -> None:
    page.say().vote("left")
    page.do("revise", **page.ballot("right"))
    assert page.pairs[0].preference == "right"
    again = page.ballot("left")
    page.reveal()
    page.do("revise", **again)
    assert '"refused"' in str(page.shown.note) and page.pairs[0].preference == "right"


def test_a_double_click_is_one_vote(page: Page) -> None:
    page.say()
    ballot = page.ballot("left")
    threads = [threading.Thread(target=lambda: page.do("submit", **ballot)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(page.services.database).events == 1 and '"saved"' in str(page.shown.note)


@pytest.mark.parametrize("forged", [
    {"preference": "middle"}, {"preference": 1}, {"token": "0" * 64}, {"form": "0" * 32},
    {"id": "x"}, {"preference": None},
    {"scores": [{"side": "left", "criterion": "communication", "value": 6}]},
    {"scores": [{"side": "third", "criterion": "communication", "value": 3}]},
    {"scores": [{"side": "left", "criterion": "communication", "value": "5; DROP"}]},
])  # fmt: skip
def test_a_forged_vote_is_refused(page: Page, forged: dict[str, Any]) -> None:
    page.say()
    page.do("submit", **{**page.ballot(), **forged})
    assert '"refused"' in str(page.shown.note) and page.state == "vote"
    assert not page.pairs[0].rated


def test_a_vote_before_both_have_ended_is_refused(compared: Opened) -> None:
    page = Page(compared(pause_s=0.05)).pick()
    page.do("say", text="在吗？")
    while 'data-form="' not in str(page.shown.pair) or 'data-form=""' in str(page.shown.pair):
        page.do("look")
    assert page.state == "waiting" and "你来啦" not in str(page.shown.pair)
    form = page.services.desk.sheet(
        page.services.desk.enter(page.place.token, "tab"), page.pairs[0].form
    ).form
    page.do("submit", **{**_ballot_of(form), "preference": "left"})
    assert '"refused"' in str(page.shown.note) and not page.pairs[0].rated
    page.do("say", text="快点！")
    assert '"refused"' in str(page.shown.note) and page.texts == ["在吗？"]
    page.do("stop")
    page.wait()
    assert page.state == "vote"


def _ballot_of(form: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "form": form.id, "token": form.token, "scores": [],
            "active_ms": 1, "wall_ms": 1}  # fmt: skip


def test_each_side_can_be_stopped(compared: Opened) -> None:
    page = Page(compared(pause_s=0.1, replies=["好" * 40])).pick()
    page.do("say", text="在吗？")
    page.do("look")
    assert 'data-act="stop-side"' in str(page.shown.pair)
    started = time.monotonic()
    page.do("stop", side="left")
    page.wait()
    (pair,) = page.pairs
    assert page.services.desk.shown.text(pair.left).finish == "user_stop"
    assert page.services.desk.shown.text(pair.right).finish == "stop"
    assert time.monotonic() - started > 1 and page.state == "vote"


def test_a_side_that_breaks_voids_the_pair_and_is_counted(compared: Opened) -> None:
    page = Page(compared(arms={**TWO_ARMS, OTHER: {"hidden": True}, "broken": {}},
                         replies=["好" * 40])).pick().say()  # fmt: skip
    assert page.state == "void" and "不怪你" in str(page.shown.pair)
    assert ONE not in str(page.shown) and "broken" not in str(page.shown.pair)
    (pair,) = page.pairs
    assert pair.state == "void" and len(pair.failed) == 1
    broken = getattr(pair, pair.failed[0])
    assert Compared(page.services.database).arm(broken)[0] == "broken"
    assert page.services.desk.shown.text(broken).finish == "error"
    page.do("retry")
    page.wait()
    assert page.state == "void" and page.pairs[0].form != pair.form
    assert page.texts == ["在吗？"]
    page.say("换一句")  # or something else is said instead
    assert page.texts == ["换一句"]


def test_an_engine_that_cannot_begin_is_counted_too(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EngineUnavailable("the server of second is gone")

    monkeypatch.setattr(page.services.catalog.open(OTHER), "stream", refuse)
    page.say()
    (pair,) = page.pairs
    assert page.state == "void" and len(pair.failed) == 1
    assert Compared(page.services.database).arm(getattr(pair, pair.failed[0]))[0] == OTHER
    assert OTHER not in str(page.shown.pair)


def test_a_reload_and_a_second_tab_find_the_same(compared: Opened) -> None:
    services = compared(pause_s=0.03)
    page = Page(services).pick()
    page.do("say", text="在吗？")
    other = Page(services, "tab-2")
    other.place, other.stand = page.place, read_stand(page.stand.to_browser())
    other.arrive()
    assert other.state == "waiting" and "在吗？" in str(other.shown.stage)
    other.wait()
    page.wait()
    assert other.state == page.state == "vote" and page.ballot()["form"] == other.ballot()["form"]
    other.vote("left").reveal()
    page.vote("right")
    assert '"refused"' in str(page.shown.note) and page.state == "told"
    assert page.pairs[0].preference == "left" and len(page.texts) == 2


def test_a_restart_finds_what_was_there(compared: Opened) -> None:
    services = compared("one")
    page = Page(services).pick().say()
    services.close()
    again = Page(compared("one"))
    again.place, again.stand = page.place, page.stand
    again.arrive()
    assert again.state == "vote" and again.ballot()["form"] == page.ballot()["form"]
    again.vote("left").reveal()
    assert again.state == "told" and len(again.texts) == 2


def test_a_restart_while_writing_asks_again(compared: Opened) -> None:
    services = compared("one", pause_s=0.05, replies=["好" * 400])
    page = Page(services).pick()
    page.do("say", text="在吗？")
    page.do("look")
    generations = services.desk.generations
    assert generations.close_unfinished() == 2  # what the next start does after a kill
    page.do("stop")
    page.wait()
    assert page.state == "void"
    page.do("retry")
    page.do("look")
    assert page.state == "waiting"
    page.do("stop")


def test_an_orderly_end_leaves_no_half_replies_to_vote_on(compared: Opened) -> None:
    services = compared("one", pause_s=0.05, replies=["好" * 400])
    page = Page(services).pick()
    page.do("say", text="在吗？")
    page.do("look")
    services.close()
    again = Page(compared("one"))
    again.place, again.stand = page.place, page.stand
    again.arrive()
    assert again.state == "void" and again.pairs[0].failed == ("left", "right")
    again.do("retry")
    again.wait()
    assert again.state == "vote"


def test_who_takes_too_long_has_failed(compared: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LONGEST_S", 0.3)
    page = Page(compared(pause_s=0.05, replies=["好" * 400])).pick().say()
    assert page.state == "void" and page.pairs[0].failed


def test_open_mode_is_put_together_by_the_visitor(page: Page) -> None:
    page.do("back")
    page.do("mode", mode="open")
    assert ONE in str(page.shown.stage)  # names are asked for here
    same = [{"engine": ONE}, {"engine": ONE}]
    page.do("pick", character="lu-yuan", wishes=same)
    assert '"refused"' in str(page.shown.note) and page.stand.character == ""
    wishes = [{"engine": ONE}, {"engine": ONE, "passages": False, "emotions": False,
               "preset": "calm"}]  # fmt: skip
    page.do("pick", character="lu-yuan", wishes=wishes)
    assert page.stand.wishes[1] == Wish(ONE, "calm", False, False)
    page.say()
    (pair,) = page.pairs
    assert (pair.mode, pair.policy, pair.probability) == ("open", "chosen", 1.0)
    compared = Compared(page.services.database)
    conditions = {compared.arm(generation)[1] for generation in (pair.left, pair.right)}
    assert conditions == {"", "retrieval=off,emotion=off,temperature=0.4,top_p=0.6"}
    off = next(g for g in (pair.left, pair.right) if compared.arm(g)[1])
    assert not any(passage.used for passage in compared.reply(off).passages)
    assert "retrieval=off" in str(page.shown.pair) and page.state == "vote"
    page.vote("tie").reveal()
    assert "查资料" in str(page.shown.pair) and "关" in str(page.shown.pair)


def test_without_consent_nothing_begins(compared: Opened) -> None:
    page = Page(compared())
    page.arrive()
    assert "说清楚" in str(page.shown.stage)
    page.do("pick", character="lu-yuan")
    assert '"refused"' in str(page.shown.note) and page.stand.character == ""
    page.pick(publish=True)
    visit = page.services.desk.enter(page.place.token, "tab")
    assert set(page.services.desk.raters.get(visit.rater).consents) == {"rate", "publish"}


def test_words_of_self_harm_get_a_hand_and_no_vote(page: Page) -> None:
    page.say("我不想活了")
    assert page.state == "" and "12356" in str(page.shown.stage) and page.pairs == []
    page.say("在吗？")
    reply = Compared(page.services.database).reply(page.pairs[0].left)
    assert not any("12356" in message.content for message in reply.prompt)


def test_who_asks_for_the_name_is_marked(page: Page) -> None:
    page.say("你是什么大模型？").vote("left")
    with page.services.database.read() as session:
        from rolecraft.store.shown_schema import TurnRow

        assert "deanonymise" in session.query(TurnRow).one().moderation_json


def test_nobody_sees_anothers_comparison(page: Page) -> None:
    page.say("秘密")
    thief = Page(page.services, "thief")
    thief.stand = page.stand
    thief.arrive()
    assert "秘密" not in str(thief.shown) and thief.stand.conversation == ""
    ballot = page.ballot()
    thief.stand = page.stand
    for deed in ("submit", "revise", "say", "retry", "reveal", "look", "stop"):
        thief.do(deed, **{**ballot, "text": "x"})
        assert "秘密" not in str(thief.shown)
    assert not page.pairs[0].rated and page.texts == ["秘密"]


def test_a_form_that_lay_open_too_long_is_opened_again(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.say()
    first = page.pairs[0]
    late = page.ballot()
    ratings = page.services.desk.ratings
    clock = ratings._clock
    monkeypatch.setattr(ratings, "_clock", lambda: clock() + 31 * 60 * 1000)
    page.do("submit", **late)
    assert '"refused"' in str(page.shown.note) and page.state == "lost"
    page.do("retry")
    assert page.state == "vote" and page.pairs[0].form != first.form
    assert {page.pairs[0].left, page.pairs[0].right} == {first.left, first.right}
    page.vote("left").reveal()
    assert page.state == "told"


def test_a_database_that_is_away_keeps_the_ballot(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rolecraft.errors import StoreUnavailable

    page.say()
    ballot = page.ballot()

    def away() -> None:
        raise StoreUnavailable("/secret/rolecraft.db is locked")

    with monkeypatch.context() as patch:
        patch.setattr(page.services.database, "write", away)
        page.do("submit", **ballot)
    assert '"unsaved"' in str(page.shown.note) and "/secret" not in str(page.shown)
    page.do("submit", **ballot)
    assert '"saved"' in str(page.shown.note) and page.state == "saved"


def test_one_engine_is_too_few(compared: Opened) -> None:
    page = Page(compared(arms={**TWO_ARMS, OTHER: {"hidden": True}}))
    page.arrive()
    assert "只有一个模型" in str(page.shown.stage)
    page.pick()
    page.do("say", text="在吗？")
    assert '"refused"' in str(page.shown.note)


def test_markup_is_taken_off_both_sides_alike() -> None:
    assert plain("## 好\n\n**第一**，`灯`。\n- 走\n\n\n\n2*3*4 是 24") == (
        "好\n\n第一，灯。\n走\n\n2*3*4 是 24"
    )


def test_nonsense_from_a_browser_changes_nothing(page: Page) -> None:
    page.say()
    for kept in (None, [], "x", {"mode": 3, "conversation": "../..", "wishes": [1, {"engine": 2}]}):
        assert read_stand(kept).conversation == ""
    assert read_stand({"mode": "open", "wishes": [1, {"engine": "../x"}]}).wishes == (
        Wish(),
        Wish(),
    )
    before = page.shown
    page.do("format c:")
    page.do("")
    assert page.shown == before
    for name in ("x", "../..", {"a": 1}, None):
        page.do("pick", character=name)
        assert '"refused"' in str(page.shown.note)
    assert page.stand == replace(page.stand) and page.state == "vote"


def test_nobody_is_always_asked_first(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    start = worker.Worker._start

    def started(self: worker.Worker, side: arms.Side, given: Any) -> Any:
        asked.append(side.engine)
        return start(self, side, given)

    monkeypatch.setattr(worker.Worker, "_start", started)
    for number in range(6):
        page.say(f"第{number}句").vote("tie").reveal()
    assert [sorted(asked[n : n + 2]) for n in range(0, 12, 2)] == [[ONE, OTHER]] * 6
    assert set(asked[::2]) == {ONE, OTHER}
