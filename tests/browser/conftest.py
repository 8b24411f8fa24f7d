"""A real server in a process of its own and Debian's chromium in front of it.

Every page is watched: an error on its console, or a request to another host, fails the test.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REASON = "Browser tests need Debian's chromium: apt-get install chromium fonts-noto-cjk"
PATIENCE_MS = 60_000
# The page's own client ends its event stream so when the page is left.
LEFT = "signal is aborted without reason"


class Server:
    """The page on a port, which can be stopped and started again on the same folder."""

    def __init__(self, folder: Path, models: Path, *more: str) -> None:
        self._folder, self._models, self._more = folder, models, more
        self.data = folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        command = [sys.executable, str(Path(__file__).with_name("serve.py"))]
        log = (self._folder.parent / f"{self._folder.name}.log").open("ab")
        self._process = subprocess.Popen(
            [*command, str(self._folder), str(self._models), str(self._port), *self._more],
            stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        log.close()
        end = time.monotonic() + 240
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url, timeout=2):
                    return self
            except OSError:
                time.sleep(0.2)
        raise AssertionError(Path(log.name).read_text(encoding="utf-8")[-3000:])

    def stop(self) -> int:
        """End it as a hosting does; its exit status."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("served") / "house", models).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    """A server that a test may stop, if it starts it again for the next."""
    running = Server(tmp_path_factory.mktemp("owned") / "house", models).start()
    yield running
    running.kill()


# Playwright holds an event loop open in this thread: no longer than a file's tests, since the
# tests after them start loops of their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail(REASON)
        pytest.skip(REASON)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Watch:
    """What went wrong on the pages of a test."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.allowed: tuple[str, ...] = ()

    def over(self, page: Any, url: str) -> None:
        page.on("console", lambda m: m.type == "error" and self.faults.append(m.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((url, "data:", "blob:"))
                or self.faults.append(f"foreign request: {request.url}")
            ),
        )

    def check(self) -> None:
        allowed = (LEFT, *self.allowed)
        left = [one for one in self.faults if not any(part in one for part in allowed)]
        assert left == []


@pytest.fixture
def watch() -> Iterator[Watch]:
    watching = Watch()
    yield watching
    watching.check()


@pytest.fixture
def visit(chromium: Any, server: Server, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Opens the page as a new visitor; keyword arguments describe their browser."""
    with ExitStack() as stack:

        def open_page(path: str = "/", at: Server = server, **browser: Any) -> Any:
            chosen = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}, **browser}
            context = stack.enter_context(chromium.new_context(**chosen))
            context.set_default_timeout(PATIENCE_MS)
            context.on("page", lambda page: watch.over(page, at.url))
            page = context.new_page()
            page.goto(at.url + path)
            page.wait_for_selector(".cards li", state="attached")
            # the server has said where this browser was
            page.wait_for_selector("#rc-talks .side", state="attached")
            return page

        yield open_page
