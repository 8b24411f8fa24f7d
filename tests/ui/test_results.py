"""The page of results over a real study: what it shows, what lies below, what stays shut."""

import html
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rolecraft.conversation import Identity, Message, Reply, Sampling
from rolecraft.errors import InputRefused
from rolecraft.evaluation.board_figures import interval_figure, radar_figure
from rolecraft.ratings import bank, board, keeping, making
from rolecraft.ratings.desk import Desk
from rolecraft.ratings.selection import COLUMNS, Spec
from rolecraft.ratings.study import Done, Plan
from rolecraft.services import Services
from rolecraft.store import boards, rating_rows
from rolecraft.store.forms import Score
from rolecraft.store.generations import Arm
from rolecraft.ui.looking import Looking
from rolecraft.ui.texts import say
from tests.rating_kit import sent
from tests.tiny import make_encoder, make_services

ARMS = ("good & <b>", "rolecraft-mini")
# nobody reads as fast as a test
HOUSE = Spec(study="first", modes=("bank",), cap=0, draws=30, flagged="included")


def answer(services: Services, arm: str, n: int) -> Reply:
    text = ("说得好。", "我是ChatGLM。")[n % 2] if arm == ARMS[0] else "你来啦，快坐。"
    emotion = None if arm == ARMS[0] else "快乐"
    return Reply(
        text=text, emotion=emotion, passages=(), identity=Identity(arm, "scripted"),
        sampling=Sampling(seed=1), seed=1, prompt=(Message("user", f"第{n}问"),),
        prompt_tokens=3, reply_tokens=4, first_token_ms=1.0, total_ms=2.0, finish="stop",
    )  # fmt: skip


def fill(services: Services) -> None:
    """Replies of two arms to four questions of each character, rated by three people."""
    desk = services.desk
    for character in services.shelf.characters:
        for n in range(4):
            turn = desk.generations.turn(
                f"bank/{character.id}/{n}", 1, (character.id, bank.card_json(character)),
                f"第{n}问", source="bank",
            )  # fmt: skip
            for arm in ARMS:
                desk.generations.record(turn, Arm(arm), answer(services, arm, n))
    plan = Plan(quota=8, training=0, cap=0, repeats=0, degraded=0, overlap=0.2)
    making.make_study(desk, "first", ARMS, plan, "pairs", random.Random(0))


def rate(desk: Desk, name: str, study: str = "first") -> None:
    visit = desk.agree(desk.enter(name, "tab"))
    rng = random.Random(name)
    while not isinstance(sheet := desk.next(visit, study, rng), Done):
        scores = tuple(
            Score(side, criterion, rng.choice([2, 3, 4, 5]))
            for side in ("left", "right")
            for criterion in sheet.form.order
            if criterion != "preference"
        )
        preference = rng.choice(["left", "right", "tie", "both_bad"])
        desk.submit(visit, sent(sheet.form, scores=scores, preference=preference))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("results")
    services = make_services(folder / "house", make_encoder(folder / "models"))
    fill(services)
    for name in ("ann", "bo", "cy"):
        rate(services.desk, name)
    services.desk.studies.close("first")
    services.desk.agree(services.desk.enter("cy", "tab"), ("rate",))
    keeping.keep(services.database, HOUSE, "test")
    yield services
    services.close()


@pytest.fixture
def looking(house: Services) -> Looking:
    return Looking(house)


@pytest.fixture
def version(house: Services) -> str:
    return boards.latest(house.database)[0].id


def test_without_ratings_it_is_said_and_the_papers_table_is_theirs(services: Services) -> None:
    look = Looking(services).arrive("", "zh")
    assert "还没有可以公布的结果" in (look.head or "")
    assert "3.44" in (look.head or "") and "论文的结果" in (look.head or "")
    assert look.intervals is None and look.rest == ""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_board_shows_everything(looking: Looking, version: str, language: Any) -> None:
    look = looking.arrive("", language)
    head, rest = look.head or "", look.rest or ""
    assert f"data-version='{version}'" in head
    assert "good &amp; &lt;b&gt;" in head and "<b>" not in head + rest
    assert head.count('data-act="cell"') >= 16  # two arms, four columns, with leaks and without
    assert "status preliminary" in head
    assert "data_sha256" not in head and boards_hash(looking) in rest
    command = (
        f"--study first --modes bank --cap 0 --flagged included --draws 30 --snapshot {version}"
    )
    assert command in rest
    assert {"zh": "3 位评分人里有 2 位", "en": "2 of 3 raters"}[language] in rest
    for number in ("48.", "3.44"):
        assert number in rest or number == "48."
    assert look.intervals.data[0].error_y.array is not None
    assert len(look.radar.data) == 2
    assert "{" not in rest.replace("&#123;", "")


def boards_hash(looking: Looking) -> str:
    return looking._published.versions()[0].data_sha256


def test_a_number_opens_its_ratings_down_to_the_prompt(
    looking: Looking, version: str, house: Services
) -> None:
    cell = {"arm": ARMS[1], "criterion": "consistency"}
    sheet = looking.act({"do": "cell", "version": version, "cell": cell}, "me", "en").under or ""
    assert "你来啦，快坐。" in sheet and "Rater 1" in sheet
    generation = sheet.split('data-generation="')[1].split('"')[0]
    made = looking.act(
        {"do": "reply", "version": version, "generation": generation}, "me", "en"
    ).under
    trace = house.desk.shown.trace(generation)
    for part in (trace["whole_sha256"], trace["prompt_sha256"], "第", "scripted"):
        assert part in (made or "")
    votes = {"arm": ARMS[1], "criterion": "preference"}
    found = looking.act({"do": "cell", "version": version, "cell": votes}, "me", "zh").under or ""
    assert any(word in found for word in ("赢", "输", "平手", "都不好"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_values_of_who_does_not_publish_are_counted_only(
    looking: Looking, version: str, house: Services, language: Any
) -> None:
    cells = boards.latest(house.database)[0].board["table"][ARMS[1]]
    step = {"do": "cell", "version": version, "cell": {"arm": ARMS[1]}, "most": 500}
    sheet = looking.act(step, "me", language).under or ""
    single = re.findall(r"<li><span>(.*?)</span>", sheet)
    counted = [int(one) for one in re.findall(r"<li class='shut'>\D*(\d+)", sheet)]
    assert len(set(single)) == 2  # ann and bo; cy does not publish
    assert counted and len(single) + sum(counted) == cells["average"]["n"]
    told = say(language, "results_under_unpublished", count=sum(counted))
    assert told in sheet and str(cells["average"]["n"]) in sheet


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_compares_arms_opens_the_replies_of_each(
    looking: Looking, version: str, language: Any
) -> None:
    rest = looking.arrive("", language).rest or ""
    cells = [json.loads(html.unescape(one)) for one in re.findall(r'data-cell="(.*?)"', rest)]
    (pair,) = [c for c in cells if c.get("versus") and c["criterion"] == "consistency"]
    (agreed,) = [c for c in cells if "arm" not in c and c["criterion"] == "consistency"]
    for cell in (pair, agreed):
        step = {"do": "cell", "version": version, "cell": cell, "most": 500}
        sheet = looking.act(step, "me", language).under or ""
        shown = {html.unescape(one) for one in re.findall(r"<span class='arm'>(.*?)<", sheet)}
        assert shown == set(ARMS)
    assert say(language, "results_all_arms") in sheet


def test_leaks_are_told_and_left_out(looking: Looking, version: str) -> None:
    sent_ = {"do": "cell", "version": version, "cell": {"arm": ARMS[0]}, "most": 500}
    with_ = looking.act(sent_, "me", "zh").under or ""
    without = looking.act({**sent_, "leaks": "excluded"}, "me", "zh").under or ""
    assert "我是ChatGLM。" in with_ and "露出的马脚" in with_
    assert "我是ChatGLM。" not in without and "说得好。" in without


def test_a_reply_is_made_again_and_compared(looking: Looking, version: str) -> None:
    cell = {"arm": ARMS[1], "criterion": "average"}
    sheet = looking.act({"do": "cell", "version": version, "cell": cell}, "me", "zh").under or ""
    generation = sheet.split('data-generation="')[1].split('"')[0]
    step = {"do": "again", "version": version, "generation": generation}
    verdicts = [looking.act(step, "me", "zh").under or "" for _ in range(3)]
    # an emotion may have been asked for, so a different reply is tried once more
    assert sum("verdict same" in one for one in verdicts) == 2
    assert sum("verdict different" in one for one in verdicts) == 1


def test_unknown_things_are_refused(looking: Looking, version: str) -> None:
    for step in (
        {"do": "cell", "version": "x", "cell": {}},
        {"do": "version"},
        {"do": "reply", "version": version, "generation": "nothing"},
        {"do": "again", "version": version, "generation": None},
    ):
        with pytest.raises(InputRefused):
            looking.act(step, "me", "zh")
    assert looking.act({"do": "nonsense"}, "me", "zh") == looking.act({}, "me", "zh")
    odd = {"do": "cell", "version": version, "cell": {"arm": "<script>", "criterion": 7}}
    assert "<script>" not in (looking.act(odd, "me", "zh").under or "")


def test_every_number_can_be_taken_away(looking: Looking, version: str) -> None:
    file = json.loads(looking.act({"do": "data", "version": version}, "me", "zh").file or "")
    assert json.loads(file["text"])["spec"]["study"] == "first"


def test_while_a_study_runs_nothing_is_told(
    opened: Callable[..., Services], tmp_path: Path
) -> None:
    services = opened("running")
    fill(services)
    rate(services.desk, "ann")
    found = board.compute(rating_rows.read(services.database, COLUMNS), HOUSE)
    kept = boards.save(services.database, found, board.text_of(found), "test")
    looking = Looking(services)
    look = looking.arrive(kept, "zh")
    assert "评分还在进行：first" in (look.head or "")
    assert ARMS[1] not in (look.head or "") and look.rest == ""
    with pytest.raises(InputRefused):
        looking.act({"do": "cell", "version": kept, "cell": {"arm": ARMS[1]}}, "me", "zh")


def test_figures_stand_without_intervals_or_criteria() -> None:
    lonely = {"a": {"average": None, "communication": {
        "value": 3.0, "low": None, "high": None, "n": 1, "raters": 1}}}  # fmt: skip
    names = dict.fromkeys(("average", "communication", "consistency", "diversity"), "x")
    assert len(interval_figure(lonely, names).data) == 1
    assert len(radar_figure(lonely, names).data) == 0
