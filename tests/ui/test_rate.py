"""The rate page from consent to the receipt, without a browser."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rolecraft.ratings import bank, making, rubric
from rolecraft.ratings.study import Plan
from rolecraft.services import Services
from rolecraft.store.rating_check import verify
from rolecraft.store.ratings import Mine
from rolecraft.ui import rate_scene
from rolecraft.ui.rate_scene import Own
from rolecraft.ui.texts import Language, say
from tests.ui.rating_page import ARMS, Rater, study
from tests.ui.test_app import call, free_port, launched

Opened = Callable[..., Services]


def test_without_a_study_the_page_leads_to_the_chat(services: Services) -> None:
    for language, said in (("zh", "眼下没有要打分的活动"), ("en", "Nothing to rate right now")):
        page = Rater(services, language).come()  # type: ignore[arg-type]
        assert said in page.view and f'href="./?lang={language}"' in page.view
    assert Rater(services, study="<i>gone").come().view.count("&lt;i&gt;gone") == 1


def test_of_several_studies_one_is_chosen(house: Services) -> None:
    study(house, "autumn & <b>")
    page = Rater(house).come()
    assert "autumn &amp; &lt;b&gt;" in page.view and 'href="?study=spring&amp;lang=zh"' in page.view
    study(house, "closed", invited=True)
    assert "closed" not in Rater(house).come().view
    guest = Rater(house, study="closed").agree()
    assert "只请了一部分人" in guest.view and "<form" not in guest.view
    guest.caller = replace(guest.caller, tab="by link", invitation=_invitation(house, "closed"))
    assert 'form class="rating"' in guest.come().view  # who has rated nothing may still come as one
    stranger = Rater(house, study="closed")
    stranger.caller = replace(stranger.caller, invitation=_invitation(house, "spring"))
    assert "只请了一部分人" in stranger.agree().view
    assert "开始之前" in Rater(house, study="spring").come().view


def _invitation(house: Services, study: str) -> str:
    return house.desk.raters.invitation(study)


def test_consent_comes_first_and_is_kept(house: Services) -> None:
    page = Rater(house).come()
    text, _ = rubric.consent("zh")
    assert all(line in page.said for line in text.strip().splitlines())
    assert "checked" not in page.view and 'form class="rating"' not in page.view
    page.agree(publish=True, train="yes")  # type: ignore[arg-type]
    assert "练习" in page.view
    visit = house.desk.enter(page.place.token, "x")
    assert set(house.desk.raters.get(visit.rater).consents) == {"rate", "publish"}
    assert "开始之前" not in page.tab("tab-2").view


def test_the_training_round_says_what_we_think(house: Services) -> None:
    page = Rater(house).agree()
    assert "第 1 条，共 5 条" in page.said and page.kind
    page.rate(1)
    assert "不太一样" in page.view and "你给了 1 分，我们会给 4 到 5 分" in page.said
    assert rubric.training()[0]["why"]["zh"] in page.said
    other = Rater(house, "en").agree().rate(4)
    assert "Well judged!" in other.view and "You gave 4; we would give 4 or 5." in other.said
    page.act("next")
    assert not page.kind and "第 2 条" in page.said


def test_a_study_from_the_first_item_to_the_receipt(rater: Rater) -> None:
    for number in range(4):
        assert f"第 {number + 2} 条，共 5 条" in rater.said and "分钟" in rater.said
        rater.rate(4)
        assert rater.note["state"] == "saved" and re.fullmatch(r"\w{4}-\w{4}", rater.note["code"])
    assert "谢谢你" in rater.view and "你评了 5 条" in rater.said
    assert rater.note["code"] in rater.view  # the receipt
    assert "<form" not in rater.view and rater.tab("later").view == rater.view
    assert verify(rater.services.database).ok


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_pair_shows_two_sides_five_anchors_and_two_examples(
    house: Services, language: str
) -> None:
    page = Rater(house, language).agree().lessons()  # type: ignore[arg-type]
    assert page.view.count('class="pane"') == 2 and page.view.count("第") >= 2
    for about in rubric.rubric(language).values():
        assert all(page.said.count(anchor) >= 1 for anchor in about["anchors"])
        assert all(one["why"] in page.said for one in about["examples"])
    assert page.view.count('role="radiogroup"') == 7 and " checked" not in page.view
    assert page.view.count('value="na"') == 6
    assert page.view.count('value="both_bad"') == 1
    assert "&lt;b&gt;风很大" in page.view and "<b>风" not in page.view


def test_the_form_of_a_pair_tells_nothing_of_its_arms(services: Services) -> None:
    said = {ARMS[0]: "（快乐）**好**呀。\n- 走", ARMS[1]: "好呀。\n走"}
    lines = [
        json.dumps({"arm": arm, "character": one.id, "question": "在吗？", "reply": reply})
        for arm, reply in said.items() for one in services.shelf.characters
    ]  # fmt: skip
    for talk in bank.read_replies(lines, services.shelf):
        bank.keep(services.desk, services.shelf, talk)
    plan = Plan(quota=1, training=0, degraded=0, repeats=0)
    making.make_study(services.desk, "plain", ARMS, plan, "pairs", random.Random(0))
    page = Rater(services, study="plain").agree()
    panes = re.findall(r'<section class="pane".*?</section>', page.view, re.DOTALL)
    one, other = (re.sub(r' aria-label="[^"]*"|<h3.*?</h3>', "", pane) for pane in panes)
    assert one == other and "好呀" in one
    assert "快乐" not in page.view


def test_single_replies_ask_one_thing_and_show_the_talk(services: Services) -> None:
    study(services, form="singles")
    page = Rater(services).agree().lessons()
    assert page.form["groups"] == [("left", "communication")]
    assert 'class="pane"' not in page.view and "基本都答到了" in page.view
    assert "资料" in page.view and 'data-do="submit"' in page.view


def test_skipping_needs_a_reason_and_leads_on(rater: Rater) -> None:
    before = rater.form["form"]
    rater.act("skip", **rater.filled(reason="because"))
    assert rater.note["state"] == "refused" and rater.form["form"] == before
    rater.act("skip", **rater.filled(reason="cannot_judge"))
    assert rater.note["state"] == "saved" and rater.form["form"] != before
    assert rater.stored[0].kind == "skip"


def test_a_change_of_mind_until_the_names_are_told(rater: Rater) -> None:
    rater.rate(2)
    first = rater.stored[0]
    assert f'data-act="change" data-form="{first.form}"' in rater.view
    rater.act("change", form=first.form)
    assert "修改这一条" not in rater.view and 'data-do="revise"' in rater.view
    assert rater.view.count(" checked") == 7 and "保存修改" in rater.view
    rater.act("revise", **rater.filled(5, comment="想了想，更好"))
    assert rater.note["state"] == "saved"
    again = rater.stored[0]
    assert (again.form, again.seq, again.scores[0][2]) == (first.form, 2, 5)
    assert 'data-do="submit"' in rater.view  # the study goes on


def test_a_closed_study_asks_nobody_and_changes_nothing(house: Services) -> None:
    rater = Rater(house, study="spring").agree().lessons()
    rater.rate(2)
    house.desk.studies.close("spring")
    rater.come().rate(3)  # what is open may still be sent
    assert rater.note["state"] == "saved" and "这次打分已经结束" in rater.view
    rater.act("change", form=rater.stored[0].form)
    rater.act("revise", **rater.filled(5))
    assert rater.note["state"] == "refused" and rater.stored[0].seq == 1
    assert "这次打分已经结束" in Rater(house, study="spring").come().view  # before any consent
    assert "眼下没有要打分的活动" in Rater(house).come().view


def test_own_ratings_are_listed_withdrawn_and_erased(rater: Rater) -> None:
    rater.rate(4).act("mine")
    assert rater.mine.count("<li>") == 2 and "A 角色一致 4" in rater.mine
    form, token = re.findall(r'withdraw" data-form="(\w+)" data-token="(\w+)"', rater.mine)[0]
    rater.act("withdraw", form=form, token=token, id="6f4e0c9a-3f63-4a3b-9d6c-0a5a1f6c1a11")
    assert "已撤回" in rater.mine and rater.stored[0].kind == "withdraw"
    rater.act("scopes", train=True)
    assert 'name="train" checked' in rater.mine and 'name="publish">' in rater.mine
    rater.act("leave")
    assert "开始之前" in rater.view and "同意已撤回" in rater.mine
    old = rater.services.desk.enter(rater.place.token, "x").rater
    rater.act("erase")
    assert "都删掉了" in rater.view and rater.note["state"] == "erased"
    assert rater.services.desk.enter(rater.place.token, "x").rater != old
    assert verify(rater.services.database).ok
    assert "还没有评过" in rater.act("mine").mine


@pytest.mark.parametrize(
    ("language", "counts"),
    [("zh", "1 分 0 次 · 2 分 1 次 · 3 分 0 次 · 4 分 0 次 · 5 分 2 次"),
     ("en", "1: 0× · 2: 1× · 3: 0× · 4: 0× · 5: 2×")],
)  # fmt: skip
def test_a_rater_sees_how_often_they_gave_each_value(language: Language, counts: str) -> None:
    def own(kind: str, *values: int | None) -> Own:
        scores = tuple(("left", "communication", value) for value in values)
        return Own(Mine("f", "e", kind, 1, 0, "0000-0000", None, scores, False), "在呢。", "t")

    given = [own("submit", 5, None), own("revise", 5, 2), own("withdraw", 1), own("skip")]
    assert counts in rate_scene.own(given, (), language)
    assert say(language, "rate_habit") not in rate_scene.own([own("skip")], (), language)


def test_a_reload_a_second_tab_and_a_restart_go_on_with_the_open_form(
    opened: Opened, rater: Rater
) -> None:
    before = rater.form
    assert rater.come().form == before
    assert rater.tab("tab-2").form == before
    place, caller = rater.place, rater.caller
    rater.services.close()
    later = Rater(opened())
    later.place, later.caller = place, caller
    assert later.come().form == before


def test_hidden_names_are_nowhere_in_the_page(opened: Opened) -> None:
    services = opened("canary")
    study(services)
    page = Rater(services, "en").agree().lessons()
    for _ in range(4):
        told = [page.view, page.mine, str(page.note), page.act("mine").mine]
        assert not re.search("alpha|beta|target|shared|degraded", " ".join(told))
        page.rate(3)


def test_the_page_over_http(opened: Opened) -> None:
    services = opened("served", port=free_port())
    study(services)
    with launched(services) as (client, demo):
        served = client, demo, services
        assert client.get("/rate").status_code == 200
        page = Rater(services)
        place = page.place.to_browser()

        def step(name: str, sent: Any, lang: str = "zh") -> list[Any]:
            events = call(served, name, place, sent, lang)
            assert events[-1]["success"], events[-1]
            assert not re.search("alpha|beta|degraded", json.dumps(events))
            return list(events[-1]["output"]["data"])

        kept, page.view, mine, _ = step("arrive_rate", None)
        assert kept == place and "开始之前" in page.view and "我的评分" in mine
        page.view = step("rate", {"do": "agree"})[1]
        sent = {"do": "submit", **page.filled(4)}
        _, page.view, _, note = step("rate", sent)
        assert json.loads(note)["state"] == "saved" and "看得准" in page.view
        assert json.loads(step("rate", sent)[3])["state"] == "saved"  # once more
        page.view = step("rate", {"do": "next"}, "en")[1]
        assert "2 of 5" in page.view
        for odd in (None, [], "submit", {"do": {"a": 1}}, {"do": "submit"}):
            step("rate", odd)
        assert len(page.stored) == 1
