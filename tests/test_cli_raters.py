"""The commands around raters and reports, run as the team of a study runs them."""

import json
import random
from typing import Any

from rolecraft.cli.opened import opened
from rolecraft.settings import Settings
from rolecraft.store.generations import Arm
from rolecraft.store.quality import Limits
from rolecraft.store.ratings import Offer
from tests.rating_kit import sent
from tests.ratings.test_published import reply_of
from tests.test_cli_ratings import run

__all__ = ["run"]  # the fixture


def test_raters_and_reports_by_commands(run: Any) -> None:
    assert run("ratings", "raters")[:2] == (0, "Nobody has rated yet.\n")
    assert run("ratings", "reports")[:2] == (0, "Nothing was reported.\n")
    settings = Settings.from_environment()
    with opened(settings) as (_, desk):
        desk.ratings._limits = Limits(0, 0.0, 0, 10**6)  # nobody reads as fast as a test
        visit = desk.agree(desk.enter("ann", "tab", address="192.0.2.1"))
        turn = desk.generations.turn("t", 1, ("lu-yuan", "{}"), "冷吗？")
        reply = desk.generations.record(turn, Arm("A"), reply_of("不冷。"))
        rubric = desk.ratings.rubric("zh", "{}")
        offer = Offer(turn, (reply,), "chat", "reply", ("communication",), rubric)
        form = desk.ratings.open(visit.rater, visit.session, offer, random.Random(0))
        receipt = desk.submit(visit, sent(form))
        desk.moderating.report(visit.rater, form.id, form.token, "left", "offensive")
    assert "1 raters" in run("results", "snapshots", "--renew")[1]
    code, out, _ = run("ratings", "raters", receipt.code, "--set", "shadow", "--json")
    (listed,) = json.loads(out)["raters"]
    assert json.loads(out)["renewed"] == 1
    newest, older = json.loads(run("results", "snapshots", "--json")[1])
    assert (newest["ratings"], older["ratings"]) == (0, 1)
    assert (code, listed["id"], listed["status"]) == (0, visit.rater, "shadow")
    assert "shadow" in run("ratings", "raters")[1]
    (reported,) = json.loads(run("ratings", "reports", "--json")[1])
    assert (reported["generation"], reported["verdict"]) == (reply, "unknown")
    assert f"{reply}  pass" in run("ratings", "reports", reply, "--set", "pass")[1]
    for command in ("raters", "reports"):
        code, _, said = run("ratings", command, "nobody")
        assert code == 1 and "--set" in said
    code, _, said = run("ratings", "raters", "nobody", "--set", "shadow")
    assert code == 1 and "names no rater" in said
