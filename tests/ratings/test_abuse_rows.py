"""The abuse and failure cases, one after another: what each must do, and the test that says so.

Cases that are tested elsewhere are named in `ROWS`; the tests below are of the others.
"""

import ast
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rolecraft.characters import Shelf
from rolecraft.conversation import Identity
from rolecraft.ratings import board, report
from rolecraft.ratings.desk import Desk, Sheet
from rolecraft.ratings.published import Published
from rolecraft.ratings.selection import COLUMNS, Spec
from rolecraft.store import rating_rows
from rolecraft.store.forms import Form, Score
from rolecraft.store.generations import Arm
from rolecraft.store.quality import Limits
from rolecraft.store.ratings import Offer
from rolecraft.store.shown import Said
from rolecraft.ui import rating_form
from rolecraft.ui.faces import stranger
from rolecraft.ui.results_tables import rest
from tests.rating_kit import Clock, sent
from tests.ratings.conftest import KEY
from tests.voters import House

REPOSITORY = Path(__file__).parents[2]
HERE = "tests/ratings/test_abuse_rows.py"
STORE, ABUSE = "tests/store/test_ratings.py", "tests/ui/test_rate_abuse.py"
RATE, COMPARE = "tests/ui/test_rate.py", "tests/ui/test_compare.py"
BLIND, STUDY = "tests/ui/test_compare_blind.py", "tests/ratings/test_study.py"
BOARD, LIST = "tests/ratings/test_board.py", "tests/store/test_rater_list.py"
DESK, REPORT = "tests/ratings/test_desk.py", "tests/ui/test_report.py"
MODERATING = "tests/store/test_moderating.py"
# Case → the file and the beginning of the name of the test that fails when it is not kept.
ROWS = {
    "double click, double post": (STORE, "fifty_identical_submissions_are_one_rating_and_all"),
    "browser back, resubmit": (ABUSE, "after_the_names_are_told_a_rating_is_final"),
    "two tabs, one visitor": (ABUSE, "two_tabs_rate_one_form_once"),
    "refresh in mid-stream": (HERE, "a_retry_is_a_second_attempt"),
    "server restart in mid-rating": (RATE, "a_reload_a_second_tab_and_a_restart_go_on"),
    "database locked or disk full": (ABUSE, "while_the_database_is_away_the_form_stays"),
    "schema drift": (STORE, "a_schema_that_does_not_fit_stops_the_start"),
    "clock skew": (STORE, "a_clock_that_was_set_back_loses_nothing"),
    "idle tab": (HERE, "an_idle_or_hidden_tab_counts_as_a_short_pause"),
    "one model errors": (COMPARE, "a_side_that_breaks_voids_the_pair_and_is_counted"),
    "truncated by length": (HERE, "a_cut_reply_is_marked_and_has_its_own_line"),
    "model says its name": ("tests/test_marks.py", "the_two_are_told_apart"),
    "guess by speed, length, markup": (BLIND, "both_sides_arrive_together_and_look_alike"),
    "names in what is sent": (BLIND, "no_byte_before_the_vote_tells_an_arm"),
    "hidden API calls": (ABUSE, "forged_forms_and_tokens_are_refused"),
    "scripted votes": (STORE, "too_quick_too_dense_too_many_is_stored_and_set_aside"),
    "sybils behind one address": (LIST, "a_crowd_from_one_network_within_an_hour_is_pointed"),
    "address forgotten": (LIST, "an_address_is_known_within_its_week_and_never_stored"),
    "fan or own-model votes": (HERE, "what_one_rater_does_and_invited_raters_are_told_apart"),
    "random or straight-line answers": (HERE, "who_answers_all_alike_is_set_aside_in_sight"),
    "same value habit, shown to its rater": (RATE, "a_rater_sees_how_often_they_gave_each_value"),
    "same value habit": ("tests/ratings/test_statistics.py", "a_planted_difference_is_found"),
    "degraded copies": (DESK, "degraded_copies_are_disordered_or_another_characters_words"),
    "order and anchoring": (STUDY, "half_of_the_raters_are_asked_the_preference_first"),
    "change of mind": (STORE, "a_rating_can_be_changed_until_the_names_are_told"),
    "misclick on a phone": ("tests/browser/test_compare.py", "a_phone_in_english"),
    "prompt injection": (HERE, "asking_which_model_answers_counts_on_no_board"),
    "toxic or personal text": (MODERATING, "a_report_keeps_a_reply_back_until_someone_decides"),
    "reported once the names are told": (REPORT, "the_compare_page_takes_a_report"),
    "formula and HTML": (BOARD, "what_a_spreadsheet_would_run_is_guarded_and_comes_back"),
    "single ratings without consent": (
        "tests/ratings/test_published.py",
        "who_does_not_publish_is_counted_and_not_heard",
    ),
    "withdrawn consent": (BOARD, "withdrawing_and_erasing_change_the_board"),
    "adapter swapped under one name": (HERE, "other_weights_under_one_name_split_the_board"),
    "board read while recomputed": (HERE, "a_board_is_whole_while_the_next_one_is_computed"),
    "new model with five votes": (BOARD, "the_board_of_a_study"),
    "pairs that are not connected": (HERE, "arms_that_nobody_compared_are_not_ranked_together"),
    "backfill or import": (HERE, "live_and_imported_replies_are_told_apart"),
}


@pytest.fixture
def house(desk: Desk, shelf: Shelf) -> House:
    return House(desk, shelf)


def computed(desk: Desk, **spec: Any) -> dict[str, Any]:
    rows = rating_rows.read(desk.ratings._database, COLUMNS)
    return board.compute(rows, Spec(**{"modes": ("blind",), "draws": 20, **spec}))


def test_every_case_has_its_test() -> None:
    for case, (path, test) in ROWS.items():
        tree = ast.parse((REPOSITORY / path).read_text("utf-8"))
        names = [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
        assert any(name.startswith(f"test_{test}") for name in names), (case, path, test)


def test_asking_which_model_answers_counts_on_no_board(house: House) -> None:
    ann = house.visitor()
    house.vote(ann, "不忙，坐。", "忙死了。", values=(4, 2))
    house.vote(ann, "我是我。", "你猜。", "你到底是什么模型？", values=(5, 1))
    found = computed(house.desk)
    assert found["n_ratings"] == 1
    assert found["left_out"]["asked for the model's name"] == 1
    assert len(rating_rows.read(house.desk.ratings._database)["number"]) == 2 * 2 * 4  # all kept


def test_other_weights_under_one_name_split_the_board(house: House) -> None:
    ann = house.visitor()
    for number, weights in enumerate(("aa" * 32, "bb" * 32)):
        question = f"第{number}问？"
        swapped = house.reply("不忙。", question, identity=Identity("x", "y", weights))
        house.vote(ann, swapped, "忙死了。", question, values=(4, 2))
    names = sorted(computed(house.desk)["table"])
    assert [name.partition("@")[0] for name in names] == ["arm-0", "arm-0", "arm-1"]
    assert len(set(names)) == 3


def test_live_and_imported_replies_are_told_apart(house: House) -> None:
    ann, desk = house.visitor(), house.desk
    house.vote(ann, "不忙，坐。", "忙死了。", values=(4, 2))
    card = (house.character, "{}")
    turn = desk.generations.turn("imported", 1, card, "冷吗？", source="bank")
    pair = [
        desk.generations.record(turn, Arm(arm), house.reply(text, "冷吗？"), source="recorded")
        for arm, text in (("arm-0", "冷。"), ("arm-1", "不冷。"))
    ]
    sheet = desk.compare(ann, turn, pair, random.Random(1))
    desk.submit(ann, sent(sheet.form))
    found = computed(desk)
    assert found["sources"] == {name: {"live": 1, "recorded": 1} for name in ("arm-0", "arm-1")}
    assert "live 1, recorded 1" in report.text(found)
    alone = computed(desk, sources=("live",))
    assert alone["spec"]["sources"] == ["live"]
    assert alone["n_ratings"] == 1 and alone["sources"]["arm-0"] == {"live": 1}


def test_a_cut_reply_is_marked_and_has_its_own_line(house: House) -> None:
    ann = house.visitor()
    house.vote(ann, "不忙，坐。", "忙死了。", values=(4, 2))
    cut = house.reply("我跟你说，昨天", "冷吗？", finish="length")
    house.vote(ann, cut, "不冷。", "冷吗？", values=(1, 2))
    lines = computed(house.desk)["sensitivity"]
    assert lines["as_published"]["arm-0"] == {"mean": 2.5, "n": 6}
    assert lines["finished_only"]["arm-0"] == {"mean": 4.0, "n": 3}
    form = Form("f", "t", "bank", "reply", "a", None, (), "r", "open", True, 0, False)
    said = Said("冷吗？", "我跟你说，昨天", None, "length")
    for language, words in (("zh", "话没说完"), ("en", "limit")):
        shown = rating_form.conversation(
            Sheet(form, "lu-yuan", (said,), None), stranger("lu-yuan"), language
        )
        assert words in shown
        whole = Sheet(form, "lu-yuan", (replace(said, finish="stop"),), None)
        assert words not in rating_form.conversation(whole, stranger("lu-yuan"), language)


def test_the_numbers_of_other_choices_are_what_they_say(house: House) -> None:
    ann = house.visitor()
    for number, value in enumerate((5, 3, 1)):
        house.vote(ann, f"第{number}。", "忙。", f"第{number}问？", values=(value, 2))
    lines = computed(house.desk, cap=2)["sensitivity"]
    assert lines["as_published"]["arm-0"] == {"mean": 4.0, "n": 6}
    assert lines["no_cap"]["arm-0"] == {"mean": 3.0, "n": 9}
    assert lines["pair_weighted"]["arm-0"]["mean"] == 4.0  # every pair was as likely
    # a pair that is drawn half as often weighs twice as much
    desk, card = house.desk, (house.character, "{}")
    turn = desk.generations.turn("rare", 1, card, "罕见吗？")
    pair = [
        desk.generations.record(turn, Arm(f"arm-{n}"), house.reply(text, "罕见吗？"))
        for n, text in enumerate(("是。", "否。"))
    ]
    sheet = desk.compare(ann, turn, pair, random.Random(1), probability=0.5)
    values = [
        Score(side, name, 5)  # type: ignore[arg-type]
        for side in ("left", "right")
        for name in sheet.form.order
        if name != "preference"
    ]
    desk.submit(ann, sent(sheet.form, scores=tuple(values)))
    weighted = computed(desk, cap=0)["sensitivity"]
    assert weighted["no_cap"]["arm-0"]["mean"] == pytest.approx((5 + 3 + 1 + 5) / 4)
    assert weighted["pair_weighted"]["arm-0"]["mean"] == pytest.approx((5 + 3 + 1 + 2 * 5) / 5)


def test_a_rating_that_fails_a_rule_is_left_out_and_counted(
    desk: Desk, shelf: Shelf, clock: Clock
) -> None:
    strict = Desk(desk.ratings._database, KEY, "test", clock, limits=Limits())
    house = House(strict, shelf)
    house.vote(house.visitor(), "不忙，坐。", "忙死了。", values=(4, 2))  # in no time at all
    found = computed(strict)
    assert (found["n_ratings"], found["left_out"]["failed a rule"]) == (0, 1)
    assert computed(strict, flagged="included")["n_ratings"] == 1


def test_what_one_rater_does_and_invited_raters_are_told_apart(house: House) -> None:
    for name, value in (("ann", 3), ("bob", 2), ("fan", 5)):
        question = f"{name}问？"
        kind = "invited" if name == "fan" else "anon"
        visit = house.desk.agree(house.desk.enter(name, "tab", kind=kind))
        house.vote(visit, "好。", "忙。", question, values=(value, 2))
    lines = computed(house.desk)["sensitivity"]
    assert lines["lowest_without_one"]["arm-0"] == {"mean": 2.5, "n": 6}
    assert lines["highest_without_one"]["arm-0"] == {"mean": 4.0, "n": 6}
    assert lines["invited_only"]["arm-0"] == {"mean": 5.0, "n": 3}
    assert lines["anon_only"]["arm-0"] == {"mean": 2.5, "n": 6}
    shown = rest(computed(house.desk), {}, {}, "en", version="v")
    assert "lowest without any one rater" in shown and "invited raters alone" in shown
    assert computed(house.desk, rater_kinds=("anon",))["n_raters"] == 2


def test_who_answers_all_alike_is_set_aside_in_sight(house: House) -> None:
    ann, liar = house.visitor(), house.visitor("liar")
    for number in range(4):
        question = f"第{number}问？"
        house.vote(ann, f"第{number}。", "忙。", question, values=(4 + number % 2, 2))
        house.vote(liar, f"第{number}。", "忙。", question, values=(1, 1))  # 24 equal values
    found = computed(house.desk)
    assert (found["n_ratings"], found["n_raters"]) == (4, 1)
    assert found["left_out"]["answers all alike"] == 4
    assert found["raters"]["rule"] == "raters/1"
    assert [one["values"] for one in found["raters"]["straight_lines"]] == [24]
    lines = found["sensitivity"]
    assert lines["as_published"]["arm-0"] == {"mean": 4.5, "n": 12}
    assert lines["doubtful_included"]["arm-0"] == {"mean": 2.75, "n": 24}
    assert computed(house.desk, doubtful="included")["n_raters"] == 2
    assert "0 cannot tell degraded copies from the rest, 1 answer all alike" in report.text(found)
    for language, words in (("zh", "1 位从头到尾打一样的分"), ("en", "1 answer all alike")):
        shown = rest(found, {}, {}, language, version="v")
        assert words in shown and "raters/1" in shown


def test_who_cannot_tell_a_degraded_copy_is_set_aside(house: House) -> None:
    desk = house.desk
    rubric = desk.ratings.rubric("zh", "{}")
    for name, low in (("ann", 1), ("guesser", 5)):
        visit = house.visitor(name)
        for number in range(9):
            question = f"第{number}问？"
            turn = desk.generations.turn(f"q-{number}", 1, (house.character, "{}"), question)
            reply = desk.generations.record(turn, Arm("arm-0"), house.reply("好。", question))
            for shown, value in ((reply, 4), (desk.generations.degrade(reply, "。好"), low)):
                offer = Offer(turn, (shown,), "bank", "reply", ("communication",), rubric)
                form = desk.ratings.open(visit.rater, visit.session, offer, random.Random(0))
                desk.submit(visit, sent(form, value=value))
    found = computed(desk, modes=("bank",), cap=0)
    assert [one["rater"] for one in found["raters"]["cannot_tell"]] == [1]
    assert (found["n_ratings"], found["left_out"]["cannot tell good from bad"]) == (9, 18)


def test_arms_that_nobody_compared_are_not_ranked_together(house: House) -> None:
    ann = house.visitor()
    house.vote(ann, "不忙，坐。", "忙死了。")
    desk, card = house.desk, (house.character, "{}")
    turn = desk.generations.turn("elsewhere", 1, card, "冷吗？")
    pair = [
        desk.generations.record(turn, Arm(arm), house.reply(text, "冷吗？"))
        for arm, text in (("far", "冷。"), ("away", "不冷。"))
    ]
    desk.submit(ann, sent(desk.compare(ann, turn, pair, random.Random(1)).form, scores=()))
    votes = computed(desk)["preference"]
    assert votes["strengths"] is None
    assert sorted(map(sorted, votes["groups"])) == [["arm-0", "arm-1"], ["away", "far"]]
    assert "No common ranking" in report.text(computed(desk))


def test_numbers_of_a_character_and_an_emotion_are_the_means_below_them(house: House) -> None:
    ann = house.visitor()
    for number, (emotion, value) in enumerate((("快乐", 5), ("快乐", 2), ("悲伤", 4))):
        question = f"第{number}问？"
        better = house.reply(f"第{number}。", question, emotion=emotion)
        worse = house.reply("忙。", question, emotion=None)
        house.vote(ann, better, worse, question, values=(value, 3))
    found = computed(house.desk)
    assert found["by_character"][house.character]["arm-0"]["mean"] == pytest.approx(11 / 3)
    assert found["by_emotion"]["快乐"] == {"arm-0": {"mean": 3.5, "n": 6}}
    assert found["by_emotion"]["悲伤"] == {"arm-0": {"mean": 4.0, "n": 3}}
    assert found["by_emotion"][""] == {"arm-1": {"mean": 3.0, "n": 9}}


def test_a_board_is_whole_while_the_next_one_is_computed(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.vote(house.visitor(), "不忙，坐。", "忙死了。", values=(4, 2))
    published = Published(house.desk.ratings._database, "test", clock)
    assert published.renew() == 1
    clock.now += 8 * 24 * 3600 * 1000
    house.vote(house.visitor("bob"), "风大。", "雨大。", "冷吗？", values=(4, 2))
    begun, may_end = threading.Event(), threading.Event()
    compute: Callable[..., Any] = board.compute

    def slowly(*given: Any) -> Any:
        begun.set()
        assert may_end.wait(20)
        return compute(*given)

    monkeypatch.setattr(board, "compute", slowly)
    clock.now += 1
    renewing = threading.Thread(target=published.renew)
    renewing.start()
    assert begun.wait(20)
    assert published.renew() == 0  # two at once are one
    (before,) = published.versions()
    assert before.n_events == 1 and before.board["table"]
    may_end.set()
    renewing.join()
    assert [one.n_events for one in published.versions()] == [2, 1]


def test_a_retry_is_a_second_attempt(house: House) -> None:
    desk, card = house.desk, (house.character, "{}")
    turn = desk.generations.turn("retried", 1, card, "在吗？")
    half = house.reply("我", "在吗？", finish="error")
    first = desk.generations.begin(turn, Arm("arm-0"), half)
    desk.generations.finish(first, half)
    second = desk.generations.begin(turn, Arm("arm-0"), house.reply("", "在吗？"))
    desk.generations.finish(second, house.reply("在。", "在吗？"))
    other = desk.generations.record(turn, Arm("arm-1"), house.reply("不在。", "在吗？"))
    assert [desk.shown.trace(one)["attempt"] for one in (first, second, other)] == [1, 2, 1]
    ann = house.visitor()
    sheet = desk.compare(ann, turn, (second, other), random.Random(0))
    desk.submit(ann, sent(sheet.form))
    table = rating_rows.read(desk.ratings._database, ("generation", "attempt"))
    tried = dict(zip(table["generation"], table["attempt"], strict=True))
    assert tried == {second: 2, other: 1}


_CLOCK = """
let now = 0;
const performance = { now: () => now };
const heard = {};
const addEventListener = (kind, call) => { heard[kind] = call; };
const document = { hidden: false, addEventListener };
SOURCE
const hide = (is) => { document.hidden = is; heard.visibilitychange?.(); };
const tick = (ms) => { now += ms; (heard.keydown || clock.mark.bind(clock))(); };
tick(4000);    // four seconds of reading
tick(600000);  // ten minutes away from the desk
hide(true);
now += 3600000;  // an hour in another tab
hide(false);
tick(2000);
console.log(JSON.stringify(READ));
"""
# What of the script is its clock, what starts it, and how it is read.
_OF_RATING = (
    r"  function clock\(.*?\n  }\n", "const timer = clock(40, {});",
    "(({ active, wall }) => [active, wall])(timer.read())",
)  # fmt: skip
_OF_COMPARE = (
    r"  const clock = {.*?\n  };\n", "clock.start();",
    "(({ active_ms, wall_ms }) => [active_ms, wall_ms])(clock.spent())",
)  # fmt: skip


def _node() -> str | None:
    try:
        import playwright
    except ImportError:
        return shutil.which("node")
    return str(Path(playwright.__file__).parent / "driver" / "node")


@pytest.mark.parametrize(("name", "parts"), [("rating", _OF_RATING), ("compare", _OF_COMPARE)])
def test_an_idle_or_hidden_tab_counts_as_a_short_pause(
    name: str, parts: tuple[str, str, str]
) -> None:
    node = _node()
    if node is None:
        pytest.skip("no node to run the page's script")
    pattern, start, read = parts
    text = (REPOSITORY / f"rolecraft/ui/static/{name}.js").read_text("utf-8")
    found = re.search(pattern, text, re.DOTALL)
    assert found
    script = _CLOCK.replace("SOURCE", found[0] + start).replace("READ", read)
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    active, wall = (int(one) for one in done.stdout.strip("[]\n").split(","))
    assert wall == 4000 + 600_000 + 3_600_000 + 2000
    # a pause counts for ten seconds, and for what reading the forty characters may take
    assert 4000 + 2000 < active <= 4000 + 2 * 20_000 + 2000
