"""A whole study in real browsers: three raters, twelve pairs, two languages, and its table."""

import csv
import json
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tests.browser.conftest import PATIENCE_MS
from tests.browser.raters import Rater, make_study, run
from tests.browser.test_talking import LOST

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
PLAN = ("quota=12", "training=2", "degraded=0", "repeats=0", "cap=0")
PAIRS = 12


def test_three_raters_and_the_table_that_comes_of_it(
    chromium: Any, own_server: Any, watch: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    make_study(monkeypatch, own_server.data, tmp_path / "bank.jsonl", *PLAN)
    with ExitStack() as stack:
        phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
        raters = [
            _rater(stack, chromium, own_server, watch, language, by, **browser)
            for language, by, browser in (
                ("zh", "keyboard", {}), ("en", "mouse", {}), ("zh", "touch", phone),
            )
        ]  # fmt: skip
        first, second, third = raters
        for rater in raters:
            rater.agree("train", *(["publish"] if rater is not third else []))
            assert rater.lessons() == 2
        for number in range(PAIRS):
            if number == 3:
                _refresh(first)
            if number == 6:
                _restart(own_server, watch, raters)
            for rater in raters:
                assert rater.form
                rater.fill()
            first.save()
            second.save(clicks=2 if number in (2, 9) else 1)
            third.save()
        assert [rater.form for rater in raters] == [""] * 3
        assert len({rater.receipt for rater in raters}) == 3
        assert [rater.rated for rater in raters] == [PAIRS + 2] * 3
        _the_table_is_the_exports(own_server.data, tmp_path, monkeypatch, capsys)


def _rater(
    stack: ExitStack, chromium: Any, server: Any, watch: Any, language: str, by: str, **browser: Any
) -> Rater:
    chosen = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 900}, **browser}
    context = stack.enter_context(chromium.new_context(**chosen))
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    watch.over(page, server.url)
    return Rater(page, server.url, language, by)


def _refresh(rater: Rater) -> None:
    """In the middle of a form: it comes back as it was left."""
    assert rater.values() == []  # nothing is chosen beforehand
    rater.fill(3)
    before, values = rater.form, rater.values()
    rater.page.reload()
    assert (rater.form, rater.values()) == (before, values) and len(values) == 3


def _restart(server: Any, watch: Any, raters: list[Rater]) -> None:
    """The server ends and comes back while forms are half filled."""
    raters[1].fill(2)
    before = [(rater.form, rater.values()) for rater in raters]
    watch.allowed = LOST
    assert server.stop() in (0, 130, 143)
    server.start()
    for rater in raters:
        rater.page.reload()
    assert [(rater.form, rater.values()) for rater in raters] == before
    assert len(before[1][1]) == 2


def _the_table_is_the_exports(data: Path, folder: Path, monkeypatch: Any, capsys: Any) -> None:
    def told(*command: str) -> Any:
        capsys.readouterr()
        assert run(monkeypatch, data, *command, "--json") == 0
        return json.loads(capsys.readouterr().out)

    assert told("ratings", "verify")["ratings"] == 3 * (PAIRS + 2)  # a double click stored one
    assert told("ratings", "close", "spring")["open_forms"] == 0
    human = told("results", "human", "--study", "spring", "--save")
    export, public = folder / "spring.csv", folder / "public.csv"
    study = ("--study", "spring", "--snapshot", "newest")
    told("ratings", "export", str(export), *study)
    replayed = told("results", "replay", str(export))
    assert replayed["same"] and replayed["snapshot"]["whole"]
    same = {key: human[key] for key in replayed["board"]}
    assert json.dumps(replayed["board"]) == json.dumps(same)  # NaN is no number, but one text
    assert (human["n_ratings"], human["n_raters"]) == (3 * PAIRS, 3)
    # the third does not have single ratings published
    told("ratings", "export", str(public), *study, "--published")
    shown = told("results", "replay", str(public))
    assert shown["same"] and shown["snapshot"]["as_kept"] and not shown["snapshot"]["whole"]
    assert shown["board"]["table"] == human["open"]["table"] != human["table"]
    assert (shown["board"]["n_raters"], human["open"]["n_raters"]) == (2, 2)
    assert not any(v for k, v in human["left_out"].items() if k != "training or other pages")
    # and by hand, from nothing but the rows
    with export.open(encoding="utf-8-sig", newline="") as stream:
        rated = [row for row in csv.DictReader(stream) if row["mode"] == "bank"]
    rows = [row for row in rated if row["value"]]
    for arm, line in human["table"].items():
        for criterion in ("communication", "consistency", "diversity"):
            mine = [
                int(row["value"]) for row in rows
                if (row["arm"], row["criterion"]) == (arm, criterion)
            ]  # fmt: skip
            assert len(mine) == 3 * PAIRS
            assert line[criterion]["value"] == pytest.approx(fmean(mine))
    assert {row["arm"] for row in rated if row["outcome"] == "won"} == {"alpha"}
    assert line["status"] == "preliminary"  # three raters are too few
