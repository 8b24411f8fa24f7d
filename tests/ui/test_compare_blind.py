"""Blind means blind: every byte that a browser receives before the vote is searched for canaries.

Arms, base, adapter and hashes have names that occur nowhere else, so that one find is a leak.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import httpx
import pytest

from rolecraft.conversation import Identity
from rolecraft.services import Services
from rolecraft.store.compared import Compared
from rolecraft.ui.comparing import View
from tests.ui.test_app import free_port, launched

ARMS = ("canary-crow", "canary-wren")
SHA = "c0ffee" * 10
CANARIES = (*ARMS, "canarybase", "canarylora", SHA[:8])
HIDDEN: dict[str, Any] = {"hidden": True}


class Browser:
    """Calls the page as a browser does and keeps every byte that comes."""

    def __init__(self, client: httpx.Client, demo: gr.Blocks) -> None:
        self.client, self.demo = client, demo
        self.heard: list[str] = []
        self.place: Any = None
        self.stand: Any = None
        self.shown = View()

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        self.heard.append(f"{path}\n{answer.headers}\n{answer.text}")
        return answer.text

    def do(self, deed: str, handler: str = "act", **sent: Any) -> View:
        number = next(
            number
            for number, fn in self.demo.fns.items()
            if fn.page == "compare" and fn.api_name.startswith(handler)
        )
        body = {
            "data": [self.place, self.stand], "event_data": {"do": deed, **sent},
            "fn_index": number, "session_hash": "s1", "trigger_id": None,
        }  # fmt: skip
        joined = self.client.post("/gradio_api/queue/join?lang=en", json=body)
        assert joined.status_code == 200, joined.text
        self.heard.append(f"{joined.headers}\n{joined.text}")
        with self.client.stream("GET", "/gradio_api/queue/data?session_hash=s1") as answer:
            self.heard.append(str(answer.headers))
            for line in answer.iter_lines():
                self.heard.append(line)
                event = json.loads(line[5:]) if line.startswith("data:") else {}
                if event.get("msg") == "process_completed":
                    assert event["success"], event
                    return self._take(event["output"]["data"])
        raise AssertionError("the queue said nothing")

    def _take(self, data: list[Any]) -> View:
        view = View(*(None if isinstance(one, dict) and "__type__" in one else one for one in data))
        given = {name: part for name, part in view._asdict().items() if part is not None}
        self.shown = self.shown._replace(**given)
        self.place = given.get("place", self.place)
        self.stand = given.get("stand", self.stand)
        return view

    def until(self, state: str) -> None:
        end = time.monotonic() + 60
        while f'data-state="{state}"' not in str(self.shown.pair):
            assert time.monotonic() < end, self.shown.pair
            self.do("look", "look", form="seen")

    def found(self) -> list[str]:
        every = "\n".join(self.heard).lower()
        return [one for one in CANARIES if one in every]


@pytest.fixture
def browser(opened: Callable[..., Services]) -> Iterator[Browser]:
    arms: dict[str, dict[str, Any]] = {name: {} for name in ARMS}
    services = opened(
        port=free_port(), arms={**arms, "rolecraft-mini": HIDDEN, "written": HIDDEN,
                                "broken": HIDDEN}
    )  # fmt: skip
    for name in ARMS:
        _mark(services.catalog.open(name), name)
    with launched(services) as (client, demo):
        browser = Browser(client, demo)
        browser.services = services  # type: ignore[attr-defined]
        yield browser


def _mark(engine: Any, name: str) -> None:
    """Give the engine an identity full of canaries."""
    stream = engine.stream

    def marked(*given: Any, **named: Any) -> Any:
        generation = stream(*given, **named)
        generation.identity = Identity(
            name, f"canarybase-{name[-4:]}", SHA, f"canarylora-{name[-4:]}", SHA
        )
        return generation

    engine.stream = marked


def test_no_byte_before_the_vote_tells_an_arm(browser: Browser) -> None:
    page = browser.get("/compare?lang=en")
    for path in re.findall(r"(?:look|assets|static)/[^\"'\s)]+", page):
        browser.get("/" + path)
    pages = ("", "compare", "rate", "results", "cast")
    for path in ("/config", "/gradio_api/info", *(f"/{name}" for name in pages)):
        browser.get(path)
    for name in pages:
        browser.get(f"/config?page={name}")
        browser.get(f"/gradio_api/info?page={name}")
    for path in ("/theme.css", "/gradio_api/app_id", "/gradio_api/startup-events", "/nothing"):
        browser.get(path)
    browser.do("arrive", "arrive")
    browser.do("pick", character="lu-yuan", rate=True)
    browser.do("say", text="Who are you?")
    browser.do("stop", side="left")
    browser.until("vote")
    pair = str(browser.shown.pair)
    form = re.search(r'data-form="(\w+)" data-token="(\w+)"', pair)
    assert form
    ballot = {"id": str(uuid.uuid4()), "form": form.group(1), "token": form.group(2),
              "preference": "left", "scores": [], "active_ms": 1, "wall_ms": 2}  # fmt: skip
    browser.do("submit", **{**ballot, "preference": "nobody"})
    browser.do("submit", **ballot)
    assert 'data-state="saved"' in str(browser.shown.pair)
    browser.do("arrive", "arrive")  # a reload between vote and telling
    assert browser.found() == []

    services = browser.services  # type: ignore[attr-defined]
    conversation = browser.stand["conversation"]
    visit = services.desk.enter(browser.place["token"], "s1")
    compared = Compared(services.database)
    with services.database.read() as session:
        from rolecraft.store.shown_schema import TurnRow

        (turn,) = session.query(TurnRow).all()
        key = turn.conversation_id
    assert key.startswith(conversation)
    stored = compared.pairs(visit.rater, (key,))[key]
    every = "\n".join(browser.heard)
    for secret in (stored.left, stored.right, compared.reply(stored.left).sha256):
        assert secret not in every
    browser.do("reveal")
    assert set(CANARIES) == set(browser.found())  # the search would have found them


def test_a_broken_side_tells_no_name_either(browser: Browser) -> None:
    services = browser.services  # type: ignore[attr-defined]

    def refuse(*_: object, **__: object) -> None:
        raise OSError(f"{ARMS[0]} on canarybase is out of memory")

    services.catalog.open(ARMS[0]).stream = refuse
    browser.do("pick", character="lu-yuan", rate=True)
    browser.do("say", text="在吗？")
    browser.until("void")
    browser.do("retry")
    browser.until("void")
    assert browser.found() == []


def test_both_sides_arrive_together_and_look_alike(browser: Browser) -> None:
    """What is slower, marked up or labelled shows nothing of it before the vote."""
    services = browser.services  # type: ignore[attr-defined]
    fast, slow = (services.catalog.open(name) for name in ARMS)
    fast._replies, slow._replies = ["（快乐）**好**呀。"], ["好呀。" * 8]
    slow._pause_s = 0.05
    browser.do("pick", character="lu-yuan", rate=True)
    browser.do("say", text="在吗？")
    begun = len(browser.heard)
    browser.until("vote")
    waited = [line for line in browser.heard[begun:] if 'data-state=\\"waiting' in line]
    assert not any("好呀" in line for line in waited)
    pair = str(browser.shown.pair)
    panes = re.findall(r'<article class="cmp-pane ".*?</article>', pair, re.DOTALL)
    bare = {_without_side(pane) for pane in panes}
    assert len(panes) == 2 and len(bare) == 1
    assert "**" not in pair and "快乐" not in pair


def _without_side(pane: str) -> str:
    """A pane without what it says and without which side it is."""
    bare = re.sub(r'<div class="cmp-said".*?</div>', "", pane)
    return re.sub(r"left|right|Reply [AB]|>[AB]<", "", bare)
