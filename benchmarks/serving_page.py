"""A reply as a visitor of the page gets it, beside the same reply from the engine alone.

The page is the real one: its queue, its events over HTTP, retrieval by the shipped encoder, SQLite.
The model has random weights and never stops early. Visitors are a process of their own.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks import serving_bench as b
from rolecraft.conversation import Reply
from rolecraft.emotions import split_opening
from rolecraft.engines.base import Engine, EngineCard
from rolecraft.engines.export import write_native
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.engines.tokenizer import load_tokenizer
from rolecraft.services import Makers, Services, open_services
from rolecraft.settings import Settings
from rolecraft.ui.visitor import Place, new_place

ROOT = Path(__file__).resolve().parents[1]
MINI = ROOT / "models" / "mini"
CHARACTER = "zhou-xiaobei"


class Page:
    """The page of a small house, and who talks there."""

    def __init__(self, services: Services, url: str) -> None:
        self.services = services
        self.engine: Any = services.catalog.open("small")
        command = [sys.executable, "-m", "benchmarks.serving_visitor", url]
        self._visitors = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told: list[list[dict[str, float]]] = []  # what each round's visitors waited
        self.replies: list[Reply] = []  # of the last round

    def say(self, visitors: int) -> None:
        """So many visitors who were never here say something, each something else."""
        places = [new_place().at(character=CHARACTER) for _ in range(visitors)]
        turns = [
            {
                "place": place.to_browser(),
                "sent": {
                    "do": "send",
                    "text": f"今天过得怎么样？{number or ''}",
                    "settings": {"engine": "small"},
                },
            }
            for number, place in enumerate(places)
        ]
        given, taken = self._visitors.stdin, self._visitors.stdout
        assert given and taken
        given.write(json.dumps(turns) + "\n")
        given.flush()
        self.told.append(json.loads(taken.readline() or "null"))
        self.replies = [self._reply(place) for place in places]

    def _reply(self, place: Place) -> Reply:
        store = self.services.conversations
        talk = store.list(place.visitor)[0].id
        return store.reply(place.visitor, talk, store.path(place.visitor, talk)[-1].id)

    def answer(self, asked: Sequence[Reply]) -> list[str]:
        """The texts of the same prompts from the engine alone, all at once."""

        def text(reply: Reply) -> str:
            return "".join(self.engine.stream(reply.prompt, reply.sampling))

        with ThreadPoolExecutor(len(asked)) as pool:
            return [split_opening(raw)[1].strip() for raw in pool.map(text, asked)]

    def close(self) -> None:
        """Let the visitors go."""
        if self._visitors.stdin:
            self._visitors.stdin.close()
        self._visitors.wait(30)


@contextmanager
def opened_page(folder: Path, sizes: Mapping[str, int], tokens: int) -> Iterator[Page]:
    """A page over a base of these sizes, whose every reply has `tokens` tokens."""
    tokenizer = load_tokenizer(MINI)
    wide = {**sizes, "vocab_size": max(sizes["vocab_size"], tokenizer.vocab_size)}
    net = b.make_net(wide, torch.float32, "cpu")
    for stop in tokenizer.stop_ids:
        net.lm_head.weight.data[stop] = 0.0
    write_native(net, MINI / "tokenizer.model", folder / "models" / "small")
    base = {"folder": "small", "dtype": "float32", "device": "cpu", "threads": 1, "slots": 8,
            "cached_tokens": 0}  # fmt: skip
    sampling = {"temperature": 0.0, "max_new_tokens": tokens}
    engine = {"kind": "local", "base": "small", "sampling": sampling}
    with _served(_house(folder, {"small": base}, engine)) as page:
        page.engine.load()
        yield page


@contextmanager
def scripted_page(folder: Path, tokens: int, pause_s: float, queue: int) -> Iterator[Page]:
    """A page whose engine costs nothing: every reply has `tokens` signs with a pause before each.

    `queue` visitors may wait.
    """

    def scripted(card: EngineCard) -> Engine:
        return ScriptedEngine(card, ["好" * tokens], pause_s)

    house = _house(folder, {}, {"kind": "scripted"}, {"scripted": scripted}, max_queue=queue)
    with _served(house) as page:
        yield page


@contextmanager
def _served(services: Services) -> Iterator[Page]:
    from rolecraft.ui.app import build_app, launch_options

    try:
        services.refreshing.wait()
        app = build_app(services)
        app.launch(**{**launch_options(services), "server_port": None}, prevent_thread_lock=True)
        page = Page(services, str(app.local_url).rstrip("/"))
        try:
            yield page
        finally:
            page.close()
            app.close(verbose=False)
    finally:
        services.close()


def _house(
    folder: Path,
    bases: Mapping[str, Any],
    engine: Mapping[str, Any],
    makers: Makers | None = None,
    **settings: Any,
) -> Services:
    """Services with one character and one engine, `small`."""
    models = folder / "models"
    shutil.copytree(MINI / "encoder", models / "mini" / "encoder")
    shutil.copytree(ROOT / "characters" / CHARACTER, folder / "characters" / CHARACTER)
    about = {"budget": "small", "profile": "mini", "summary": {"zh": "小", "en": "small"}}
    catalogue = {
        "bases": dict(bases),
        "budgets": {"small": {"tokens": 900, "passage_chars": 80, "full_persona": False}},
        "engines": {"small": {**about, **engine}},
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalogue, allow_unicode=True), encoding="utf-8")
    chosen = Settings(
        data_dir=folder / "data", models_dir=models, characters=folder / "characters",
        rate_per_minute=50_000, rate_per_hour=500_000, **settings,
    )  # fmt: skip
    return open_services(chosen, path, makers)
