"""Two processes of the application over one PostgreSQL and one Chroma server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chromadb
import httpx
import pytest

from rolecraft.characters import read_shelf
from rolecraft.conversation import Reply
from rolecraft.knowledge.passages import searched_of
from rolecraft.ratings.desk import Desk
from rolecraft.store.conversations import Conversations, now_ms
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.generations import Arm
from rolecraft.ui.scene import Shown
from rolecraft.ui.visitor import Place, new_place
from tests.chroma_server import chroma_server, free_port
from tests.rating_kit import Clock, Kit
from tests.tiny import SHELF

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(900)]

QUESTIONS = ("你多大了？", "岛上就你一个人？", "你怕什么？")


class House:
    """`python -m rolecraft serve` on a data folder of its own."""

    def __init__(self, folder: Path, models: Path, database: str, vectors: str) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "ROLECRAFT_DATA_DIR": str(folder / "data"),
            "ROLECRAFT_DATABASE_URL": database,
            "ROLECRAFT_CHROMA_URL": vectors,
            "ROLECRAFT_CHARACTERS": str(SHELF),
            "ROLECRAFT_MODELS_DIR": str(models),
            "ROLECRAFT_SECRET": "the-same-in-both-and-long",
            "ROLECRAFT_PORT": str(self.port),
            "ROLECRAFT_RATE_PER_MINUTE": "5000",
            "ROLECRAFT_RATE_PER_HOUR": "50000",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rolecraft", "serve"], cwd=Path(__file__).parents[2],
                env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip

    def ready(self) -> "House":
        assert self._process
        end = time.monotonic() + 400
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.config = httpx.get(f"{self.url}/config", timeout=5).json()
                return self
            except (httpx.HTTPError, json.JSONDecodeError):
                time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text("utf-8")[-3000:])

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)


class Visitor:
    """What a browser does, without one: joins the queue and reads what comes."""

    def __init__(self, place: Place) -> None:
        self.place, self.tab = place.to_browser(), place.token[:12]
        self.log = ""

    def step(self, house: House, name: str, sent: Any = None) -> None:
        number = next(
            one["id"] for one in house.config["dependencies"] if one["api_name"].startswith(name)
        )
        body = {
            "data": [self.place], "event_data": sent, "fn_index": number,
            "session_hash": self.tab, "trigger_id": None,
        }  # fmt: skip
        with httpx.Client(base_url=house.url, timeout=60) as client:
            client.post("/gradio_api/queue/join?lang=zh", json=body).raise_for_status()
            events = client.stream("GET", f"/gradio_api/queue/data?session_hash={self.tab}")
            with events as answer:
                lines = (line[5:] for line in answer.iter_lines() if line.startswith("data:"))
                self._take(next(one for one in map(json.loads, lines) if _over(one)))

    def _take(self, event: dict[str, Any]) -> None:
        assert event["success"], event
        shown = dict(zip(Shown._fields, event["output"]["data"], strict=False))
        self.log = str(shown["log"])
        self.place = shown["place"]

    def say(self, house: House, text: str) -> "Visitor":
        self.step(house, "make", {"do": "send", "text": text, "settings": {"engine": "written"}})
        return self


def _over(event: dict[str, Any]) -> bool:
    return event["msg"] in ("process_completed", "close_stream", "unexpected_error")


@pytest.fixture
def houses(tmp_path: Path, models: Path, postgres_url: str) -> Iterator[tuple[House, House]]:
    with chroma_server(tmp_path / "vectors") as vectors:
        both = (
            House(tmp_path / "one", models, postgres_url, vectors),
            House(tmp_path / "two", models, postgres_url, vectors),
        )
        try:
            for house in both:  # at the same moment: both make the tables, both encode
                house.start()
            yield both[0].ready(), both[1].ready()
        finally:
            for house in both:
                house.kill()


def test_two_processes_are_one_house(
    houses: tuple[House, House], tmp_path: Path, postgres_url: str
) -> None:
    one, two = houses
    assert _secrets(one) and _secrets(one) == _secrets(two)

    visitors = [Visitor(new_place().at(character="lu-yuan")) for _ in range(4)]

    def talk(number: int) -> None:
        for turn, question in enumerate(QUESTIONS):  # each visitor goes from one to the other
            visitors[number].say(houses[(number + turn) % 2], question)

    with ThreadPoolExecutor(len(visitors)) as pool:
        list(pool.map(talk, range(len(visitors))))
    with DataFolder.claim(tmp_path / "reader") as folder:
        database = Database.open(folder, postgres_url)
        stored = Conversations(database)
        ids, found = set(), []
        for visitor in visitors:
            place = Place(**visitor.place)
            assert len(stored.list(place.visitor)) == 1
            path = stored.path(place.visitor, place.conversation)
            assert [one.text for one in path[::2]] == list(QUESTIONS)
            ids |= {one.id for one in path}
            replies = [stored.reply(place.visitor, place.conversation, m.id) for m in path[1::2]]
            found.append([[passage.field for passage in reply.passages] for reply in replies])
            assert all(fields for fields in found[-1])
        assert len(ids) == len(visitors) * len(QUESTIONS) * 2
        assert all(fields == found[0] for fields in found)  # the same, whichever was asked
        database.close()
    _check_vectors(one)

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        goes_on = pool.submit(_keep_talking, visitors[0], one, stop)
        try:
            two.kill()
            two.start()
            two.ready()
        finally:
            stop.set()
        assert goes_on.result() > 0
    assert "岛上就你一个人？" in visitors[1].say(two, "还在吗？").log
    assert "还在吗？" in visitors[1].say(one, "在哪儿？").log
    _check_vectors(two)


def _secrets(house: House) -> set[str]:
    """What the browser hides its place with, as the page is told."""
    parts = (part["props"].get("secret") for part in house.config["components"])
    return {part for part in parts if part}


def _check_vectors(house: House) -> None:
    """Every passage of the shelf is there once, in one collection."""
    address = httpx.URL(house._environment["ROLECRAFT_CHROMA_URL"])
    [collection] = chromadb.HttpClient(host=address.host, port=address.port).list_collections()
    wanted = {one.id for person in read_shelf(SHELF).characters for one in searched_of(person)}
    end = time.monotonic() + 60  # the start goes on beside the visitors
    while (held := collection.get(include=[])["ids"]) and set(held) != wanted:
        assert time.monotonic() < end, wanted ^ set(held)
        time.sleep(0.2)
    assert len(held) == len(wanted)


def _keep_talking(visitor: Visitor, house: House, stop: threading.Event) -> int:
    said = 0
    while not stop.wait(0.2):
        visitor.say(house, f"第{said}句")
        said += 1
    return said


def test_a_start_leaves_alone_what_another_process_writes(
    tmp_path: Path, postgres_url: str, make_reply: Callable[..., Reply]
) -> None:
    with DataFolder.claim(tmp_path / "one") as one, DataFolder.claim(tmp_path / "two") as two:
        database = Database.open(one, postgres_url)
        kit = Kit(database, make_reply, Clock(now_ms() - 3600_000))
        kit.generations.begin(kit.turn(), Arm("a"), make_reply(""))  # by a process that died
        kit.clock.now = now_ms()
        kit.generations.begin(kit.turn(), Arm("a"), make_reply(""))
        Desk.open(database, two)
        assert kit.generations.close_unfinished() == 1  # the second alone was still open
        database.close()
