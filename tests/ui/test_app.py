"""The whole application as a browser would meet it over HTTP, in this process."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from rolecraft.errors import StoreUnavailable
from rolecraft.services import Services
from rolecraft.ui import look, side
from rolecraft.ui.app import browser_secret, build_app, launch_options
from rolecraft.ui.scene import Shown
from rolecraft.ui.visitor import new_place

Opened = Callable[..., Services]


@contextmanager
def launched(services: Services) -> Iterator[tuple[httpx.Client, gr.Blocks]]:
    """The application, launched as it is in earnest."""
    demo = build_app(services)
    demo.launch(**launch_options(services), prevent_thread_lock=True)
    try:
        with httpx.Client(base_url=demo.local_url, timeout=30) as client:
            yield client, demo
    finally:
        demo.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def served(opened: Opened) -> Iterator[tuple[httpx.Client, gr.Blocks, Services]]:
    services = opened(port=free_port())
    with launched(services) as (client, demo):
        yield client, demo, services


Served = tuple[httpx.Client, gr.Blocks, Services]


def function(demo: gr.Blocks, name: str) -> int:
    """The number under which the page calls a handler."""
    return next(number for number, fn in demo.fns.items() if fn.api_name.startswith(name))


def call(served: Served, name: str, place: Any, data: Any, lang: str = "zh") -> list[Any]:
    """Join the queue as the page does and read the events until the end."""
    client, demo, _ = served
    body = {
        "data": [place], "event_data": data, "fn_index": function(demo, name),
        "session_hash": "s1", "trigger_id": None,
    }  # fmt: skip
    joined = client.post(f"/gradio_api/queue/join?lang={lang}", json=body)
    assert joined.status_code == 200, joined.text
    events = []
    with client.stream("GET", "/gradio_api/queue/data?session_hash=s1") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line[5:]))
                if events[-1]["msg"] in ("process_completed", "close_stream"):
                    break
    return events


def test_the_page_and_its_parts(served: Served) -> None:
    client, _, services = served
    page = client.get("/")
    assert page.status_code == 200
    head = page.text[: page.text.index("gradio_config")]
    assert "look/page.js?v=" in head and "look/style.css?v=" in head
    assert "frame-ancestors" in page.headers["content-security-policy"]
    for path in re.findall(r"look/[^\"]+", head):
        answer = client.get("/" + path)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert client.get("/look/portraits/lu-yuan").status_code == 404
    assert client.get("/look/portraits/..%2f..%2fpyproject.toml").status_code == 404


def test_what_the_page_does_not_need_is_closed(served: Served) -> None:
    client, file = served[0], {"files": ("x.txt", b"x")}
    for path in (
        "/docs", "/openapi.json", "/gradio_api/upload", "/gradio_api/run/make", "/run/make",
        "/gradio_api/call/make", "/gradio_api/api/make", "/gradio_api/component_server",
        "/gradio_api/run-history", "/monitoring", "/login",
    ):  # fmt: skip
        for answer in (client.get(path), client.post(path, files=file), client.post(path, json={})):
            assert answer.status_code == 404, (path, answer.request.method)
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_portraits_are_given_and_locked(opened: Opened, tmp_path: Path) -> None:
    import shutil

    from tests.tiny import SHELF

    shelf = tmp_path / "shelf"
    shutil.copytree(SHELF, shelf)
    (shelf / "lu-yuan" / "portrait.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    )
    with launched(opened(shelf=shelf, port=free_port())) as (client, _):
        answer = client.get("/look/portraits/lu-yuan")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_configuration_tells_no_secrets(served: Served) -> None:
    client, _, services = served
    config = client.get("/config").text
    assert str(services.folder.path) not in config
    assert str(services.settings.models_dir) not in config
    assert '"secret"' not in re.sub(r'"secret":"[0-9a-f]{32}"', "", config)  # the hidden engine


def test_the_settings_name_no_place_of_this_machine(opened: Opened) -> None:
    bases = {"big": {"folder": "big", "hub": "zai-org/big", "device": "cuda"}}
    arms = {
        "absent": {"kind": "local", "base": "big"},
        "tuned": {"kind": "local", "base": "big", "adapter": "one"},
    }
    services = opened(bases=bases, arms=arms)
    form, models = side.settings(services.catalog, "en"), services.settings.models_dir
    assert f"download zai-org/big into {models.name}/big" in form
    assert str(models) not in form and str(services.folder.path) not in form


def test_a_turn_over_the_queue(served: Served) -> None:
    place = new_place().at(character="lu-yuan").to_browser()
    events = call(served, "make", place, {"do": "send", "text": "在吗？", "settings": {}})
    assert events[-1]["msg"] == "process_completed" and events[-1]["success"]
    names = Shown._fields
    final = dict(zip(names, events[-1]["output"]["data"], strict=True))
    assert "你来啦，快坐。" in json.dumps(final["log"], ensure_ascii=False)
    assert final["place"]["conversation"]
    assert served[2].conversations.list(new_place().visitor) == ()


def test_messages_are_counted_by_the_address_behind_our_own_proxy(opened: Opened) -> None:
    services = opened(port=free_port(), rate_per_minute=1, trusted_proxy_hops=1)
    with launched(services) as (client, demo):
        ended = []
        for number in range(5):
            address = "9.9.9.9" if number < 4 else "8.8.8.8"
            client.headers["x-forwarded-for"] = f"1.2.3.{number}, {address}"
            place = new_place().at(character="lu-yuan").to_browser()
            sent = {"do": "send", "text": "在吗？", "settings": {}}
            ended.append(call((client, demo, services), "make", place, sent)[-1]["success"])
    assert ended == [True] * 3 + [False, True]


def test_a_refusal_is_a_toast_in_plain_text(served: Served) -> None:
    place = new_place().at(character="lu-yuan").to_browser()
    sent = {"do": "send", "text": "在吗？", "settings": {"engine": "<img src=x>"}}
    events = call(served, "make", place, sent, lang="en")
    assert not events[-1]["success"]
    error = events[-1]["output"]["error"]
    assert "&lt;img" in error and "<img" not in error and "no engine" in error


def test_a_bug_is_an_apology_with_a_number(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(served[2].conversations, "create", broken)
    place = new_place().at(character="lu-yuan").to_browser()
    events = call(served, "make", place, {"do": "send", "text": "在吗？"}, lang="en")
    error = events[-1]["output"]["error"]
    number = re.search(r"number ([0-9a-f]{8})", error)
    assert number and "secret detail" not in error
    assert number.group(1) in caplog.text and "a secret detail" in caplog.text


def test_gradio_keeps_and_sends_nothing(served: Served) -> None:
    import os

    client, demo, _ = served
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert demo.analytics_enabled is False and demo.api_open is False
    options = launch_options(served[2])
    assert options["run_history"] is False and options["ssr_mode"] is False
    assert options["show_error"] is False and options["footer_links"] == []
    assert options["max_file_size"] == "1kb" and options["enable_monitoring"] is False
    assert not [fn.api_name for fn in demo.fns.values() if fn.api_visibility == "public"]
    assert demo.app.state_holder.capacity == options["state_session_capacity"] == 300
    assert demo._queue.max_size == served[2].at_once < demo.max_threads


def test_handlers_and_components_agree(served: Served, recwarn: pytest.WarningsRecorder) -> None:
    wired = [fn for fn in served[1].fns.values() if fn.api_name != "load"]
    assert len(wired) >= 8
    assert not [one for one in recwarn if "Expected" in str(one.message)]


def test_the_secret_lasts_as_long_as_the_folder(tmp_path: Path) -> None:
    first = browser_secret(tmp_path)
    assert re.fullmatch("[0-9a-f]{32}", first) and browser_secret(tmp_path) == first
    assert (tmp_path / "browser.secret").stat().st_mode & 0o077 == 0
    shared = browser_secret(tmp_path / "nowhere", "the secret of all")
    assert re.fullmatch("[0-9a-f]{32}", shared) and shared != first
    assert browser_secret(tmp_path, "the secret of all") == shared
    (tmp_path / "browser.secret").write_bytes(b"\xff")
    with pytest.raises(StoreUnavailable, match=re.escape("browser.secret")):
        browser_secret(tmp_path)


def test_the_scripts_are_given_their_words() -> None:
    code = look.script()
    assert code.startswith("window.rolecraft = {")
    words = json.loads(code[code.index("words: ") + 7 : code.index(" };\n")])
    assert set(words) == {"zh", "en"} and words["zh"]["cancel"] == "取消"
    said = set(re.findall(r'rolecraft\.say\("(\w+)"\)', code))
    for pair in re.findall(r'rolecraft\.say\(\w+ \? "(\w+)" : "(\w+)"\)', code):
        said |= set(pair)
    assert len(said) >= 6 and said <= set(words["en"])
