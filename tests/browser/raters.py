"""Simulated raters in front of the rate page, and the commands of who runs the study."""

import json
import re
import time
import zlib
from pathlib import Path
from typing import Any

from rolecraft import __main__ as cli
from tests.tiny import SHELF

ARMS = ("alpha", "beta")
FORM = "#rc-rate form.rating"
_READING_S = 2.0  # what is rated faster than it can be read is set aside


def run(monkeypatch: Any, data: Path, *command: str) -> int:
    """A command of the program beside the page that is served from this data folder."""
    monkeypatch.setenv("ROLECRAFT_DATA_DIR", str(data))
    monkeypatch.setenv("ROLECRAFT_CHARACTERS", str(SHELF))
    return cli.main(command)


def make_study(monkeypatch: Any, data: Path, file: Path, *plan: str) -> None:
    """A study "spring" of twelve pairs: two arms, two characters, six questions."""
    lines = [
        json.dumps({"arm": arm, "character": one.name, "question": f"第{n}问：今天过得怎么样？",
                    "reply": f"（快乐）{_words(arm)}，这是第{n}句。"}, ensure_ascii=False)
        for arm in ARMS for one in sorted(SHELF.iterdir()) if one.is_dir() for n in range(6)
    ]  # fmt: skip
    file.write_text("\n".join(lines), encoding="utf-8")
    assert run(monkeypatch, data, "ratings", "import-replies", str(file)) == 0
    made = ["ratings", "study", "spring", "--arms", *ARMS, "--items", "12", "--set", *plan]
    assert run(monkeypatch, data, *made) == 0


def _words(arm: str) -> str:
    return {"alpha": "风停了，我去看灯，回来再跟你说", "beta": "好的"}[arm]


class Rater:
    """One simulated rater: reads, prefers the longer reply, and presses what a person presses."""

    def __init__(self, page: Any, url: str, language: str, by: str) -> None:
        self.page, self.by = page, by
        self.rated = 0
        page.goto(f"{url}/rate?study=spring&lang={language}")
        page.wait_for_selector("#rc-rate .consent")

    def agree(self, *scopes: str) -> None:
        for scope in scopes:
            self.page.check(f"#rc-rate .consent [name={scope}]")
        self.page.click("#rc-rate .consent [type=submit]")
        self.page.wait_for_selector(FORM)

    @property
    def form(self) -> str:
        """The form that is shown, or nothing at the end."""
        self.page.wait_for_selector(f"{FORM}, #rc-rate .done, #rc-rate .lesson-page")
        found = self.page.locator(FORM)
        return str(found.get_attribute("data-form")) if found.count() else ""

    def fill(self, most: int = 99) -> None:
        """Answer the questions of the form, or the first few of them."""
        self.read()
        texts = self.page.locator(".pane .theirs .bubble").all_inner_texts()
        names = self.page.locator(f"{FORM} .side, {FORM} .votes").evaluate_all(
            "all => all.map(one => one.querySelector('input').name)"
        )
        better = "left" if not texts or len(texts[0]) > len(texts[1]) else "right"
        for name in names[:most]:
            # people differ, the same way each time
            whim = zlib.crc32(f"{self.by} {name} {texts}".encode()) % 3
            if name == "preference":
                self._choose(name, better if whim else "tie")
            else:
                self._choose(name, str(whim + (3 if name.startswith(better) else 1)))

    def read(self) -> None:
        """Scroll to the end of both replies, where a phone asks for it before it takes a rating."""
        for end in self.page.locator(".pane-end").all():
            end.scroll_into_view_if_needed()
            self.page.wait_for_timeout(100)

    def _choose(self, name: str, value: str) -> None:
        one = self.page.locator(f"{FORM} input[name='{name}'][value='{value}']")
        if self.by == "keyboard":
            self.page.locator(f"{FORM} input[name='{name}']").first.focus()
            keys = {"left": "ArrowLeft", "right": "ArrowRight", "tie": "t"}
            self.page.keyboard.press(keys.get(value, value))
        elif self.by == "touch":
            one.tap()
        else:
            one.click()
        assert one.is_checked(), (name, value)

    def values(self) -> list[str]:
        """What is chosen now."""
        chosen = self.page.locator(f"{FORM} input:checked").evaluate_all(
            "all => all.map(one => one.name + '=' + one.value)"
        )
        return sorted(chosen)

    def save(self, clicks: int = 1) -> None:
        """Send the form and wait for what comes after it."""
        before, button = self.form, f"{FORM} [type=submit]"
        shown = self.page.evaluate("performance.now() - (window.shownAt || 0)") / 1000
        time.sleep(max(0.0, _READING_S - shown))
        if clicks == 2:
            self.page.dblclick(button)
        elif self.by == "keyboard":
            self.page.keyboard.press("Enter")
        elif self.by == "touch":
            self.page.tap(button)
        else:
            self.page.click(button)
        self.page.wait_for_selector(f"{FORM}[data-form='{before}']", state="detached")
        self.page.evaluate("window.shownAt = performance.now()")
        self.rated += 1

    def lessons(self) -> int:
        """Through the training round; how many there were."""
        count = 0
        while self.page.locator("#rc-rate .tag").count():
            self.fill()
            self.save()
            self.page.wait_for_selector("#rc-rate .lesson")
            before = self.page.inner_text("#rc-rate h1")
            if self.by == "keyboard":
                self.page.keyboard.press("Enter")
            else:
                self.page.click("#rc-rate [data-act=next]")
            self.page.wait_for_selector(FORM)
            self.page.evaluate("window.shownAt = performance.now()")
            assert before and self.form
            count += 1
        return count

    @property
    def receipt(self) -> str:
        self.page.wait_for_selector("#rc-rate .receipt")
        code = str(self.page.inner_text("#rc-rate .receipt strong"))
        assert re.fullmatch(r"[0-9A-F]{4}-[0-9A-F]{4}", code)
        return code
