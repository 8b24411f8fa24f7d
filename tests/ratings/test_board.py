"""The board from the rows of a real study, its export, and the way back bit for bit."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rolecraft.conversation import Conversation, Identity
from rolecraft.errors import ResultsError
from rolecraft.ratings import board, exports, report
from rolecraft.ratings.desk import Desk
from rolecraft.ratings.selection import COLUMNS, Spec
from rolecraft.store import boards, rating_rows
from rolecraft.store.rating_counts import counts, failures
from tests.rating_kit import Clock, sent
from tests.ratings.test_published import reply_of

SPEC = Spec(study="first", modes=("bank",), cap=0, draws=40)


def computed(desk: Desk, spec: Spec = SPEC) -> dict[str, object]:
    return board.compute(rating_rows.read(desk.ratings._database, COLUMNS), spec)


def told(found: dict[str, object]) -> dict[str, object]:
    return {"spec": found["spec"], "sha256": board.hash_of(found)}


def test_the_board_of_a_study(rated: Desk) -> None:
    found = board.compute(rating_rows.read(rated.ratings._database), SPEC)
    table = found["table"]
    assert set(table) == {"a", "b"}
    assert table["a"]["average"]["value"] > table["b"]["average"]["value"]
    assert table["a"]["average"]["low"] < table["a"]["average"]["value"]
    assert table["a"]["status"] == "preliminary"
    assert table["a"]["rank"] is None  # three raters earn no rank
    assert table["a"]["average"]["raters"] == found["n_raters"] == 3
    assert found["left_out"]["training or other pages"] == 6
    assert set(found["agreement"]) == {"communication", "consistency", "diversity"}
    votes = found["preference"]
    assert votes["votes"] == found["n_ratings"]
    assert votes["strengths"]["a"]["value"] > votes["strengths"]["b"]["value"]
    assert votes["outcomes"]["both_bad"] > 0
    assert found["fragility"]["average"]["first"] == "a"
    assert found["raters"]["degraded_ratings"] > 0
    assert found["raters"]["straight_lines"] == []
    assert found["sensitivity"]["leaks_excluded"] == found["sensitivity"]["leaks_included"]
    assert "status" in report.text(found)
    assert "theirs" in report.text(found, failures(rated.ratings._database))


@pytest.mark.parametrize("suffix", exports.SUFFIXES)
def test_an_export_gives_the_same_board_bit_for_bit(
    rated: Desk, tmp_path: Path, suffix: str
) -> None:
    table = rating_rows.read(rated.ratings._database)
    found = board.compute(table, SPEC)
    path = tmp_path / f"out{suffix}"
    exports.write(table, path, board=told(found))
    back, manifest = exports.read(path)
    again = board.compute(back, Spec.read(manifest["board"]["spec"]))
    assert board.text_of(again) == board.text_of(found)
    assert board.hash_of(again) == manifest["board"]["sha256"]
    assert {k: v for k, v in back.items() if k != "rater"} == {
        k: v for k, v in table.items() if k != "rater"
    }


def test_raters_have_other_names_in_every_export(rated: Desk) -> None:
    table = rating_rows.read(rated.ratings._database)
    one, two = exports.rekey(table), exports.rekey(table)
    assert len(set(one["rater"])) == 3
    assert not set(one["rater"]) & set(two["rater"])
    assert not set(one["rater"]) & set(table["rater"])


def test_what_a_spreadsheet_would_run_is_guarded_and_comes_back(
    rated: Desk, tmp_path: Path
) -> None:
    table = rating_rows.read(rated.ratings._database)
    evil = [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "'already",
        '=HYPERLINK("http://x")',
        "行\n第二行,“引”",
    ]
    table["reply_text"] = [evil[n % len(evil)] for n in range(len(table["reply_text"]))]
    path = tmp_path / "out.csv"
    exports.write(table, path, board={})
    cells = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    assert not any(cell["reply_text"].startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert exports.read(path)[0]["reply_text"] == table["reply_text"]


def test_a_changed_export_is_refused(rated: Desk, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    exports.write(rating_rows.read(rated.ratings._database), path, board={})
    path.write_text(path.read_text("utf-8").replace('"value": 3', '"value": 5'), "utf-8")
    with pytest.raises(ResultsError, match="checksum differs"):
        exports.read(path)
    with pytest.raises(ResultsError, match="Keep the files"):
        exports.read(tmp_path / "none.csv")
    with pytest.raises(ResultsError, match="ends in '.xls'"):
        exports.write({}, tmp_path / "out.xls", board={})


def test_the_dictionary_describes_every_column(rated: Desk, tmp_path: Path) -> None:
    table = rating_rows.read(rated.ratings._database)
    exports.write(table, tmp_path / "out.csv", board={})
    told = json.loads((tmp_path / "out.dictionary.json").read_text("utf-8"))
    assert [one["name"] for one in told["columns"]] == list(table)
    assert all(one["about"] for one in told["columns"])


def test_withdrawing_and_erasing_change_the_board_and_not_the_snapshot(rated: Desk) -> None:
    database = rated.ratings._database
    before = computed(rated)
    boards.save(database, before, board.text_of(before), "test")
    visit = rated.enter("rater-0", "tab")
    mine = next(one for one in rated.ratings.mine(visit.rater) if len(one.scores) == 6)
    rated.ratings.withdraw(visit.rater, sent(rated.ratings.form(visit.rater, mine.form)))
    assert computed(rated)["n_ratings"] == before["n_ratings"] - 1  # type: ignore[operator]
    rated.raters.withdraw(visit.rater)
    found = computed(rated)
    assert found["n_raters"] == 2
    assert found["left_out"]["consent withdrawn"] > 0  # type: ignore[index]
    rated.raters.erase(visit.rater)
    assert computed(rated)["n_raters"] == 2
    assert len(set(rating_rows.read(database, ("rater",))["rater"])) == 2
    (kept,) = boards.latest(database)
    assert kept.board == before
    assert kept.n_raters == 3


def test_weights_held_in_two_ways_and_settings_changed_are_rows_of_their_own(
    desk: Desk, clock: Clock
) -> None:
    visit = desk.agree(desk.enter("ann", "tab"))
    held = Identity("glm", "chatglm3-6b", "ab" * 32, dtype="bfloat16")
    ways = (
        (held, ""), (replace(held, quant="nf4"), ""), (held, "retrieval=off"), (held, ""),
    )  # fmt: skip
    for number, (identity, conditions) in enumerate(ways):
        said = replace(reply_of("在呢。"), identity=identity, conditions=conditions)
        talk = Conversation("zhou-xiaobei").ask("在吗").answer(said)
        sheet = desk.rate_talk(visit, f"talk-{number}", talk, "{}")
        clock.now += 60_000
        desk.submit(visit, sent(sheet.form))
    spec = Spec(modes=("chat",), flagged="included", doubtful="included", draws=10)
    means = computed(desk, spec)["by_character"]["zhou-xiaobei"]  # type: ignore[index]
    counts = {arm: one["n"] for arm, one in means.items()}
    assert len(counts) == 3 and all(arm.startswith("glm@") for arm in counts)
    assert max(counts.values()) == 2 * min(counts.values())


def test_a_shadow_rater_counts_nowhere(rated: Desk) -> None:
    rated.raters.set_status(rated.enter("rater-1", "tab").rater, "shadow")
    assert computed(rated)["n_raters"] == 2


def test_the_cap_counts_the_first_ratings_of_each(rated: Desk) -> None:
    found = computed(rated, replace(SPEC, cap=4))
    assert found["n_ratings"] == 12
    assert found["left_out"]["over the cap"] > 0  # type: ignore[index]


def test_an_empty_board_says_so(desk: Desk) -> None:
    found = computed(desk)
    assert (found["table"], found["n_ratings"], found["preference"]) == ({}, 0, None)
    assert "No rating counts yet" in report.text(found)


def test_texts_leave_only_with_consent(rated: Desk) -> None:
    visit = rated.enter("rater-0", "tab")
    assert set(rating_rows.read(rated.ratings._database)["consents"]) == {"publish,rate,train"}
    rated.raters.agree(visit.rater, "0" * 64, ("rate",))
    table = rating_rows.read(rated.ratings._database)
    assert "rate" in set(table["consents"])
    assert len(set(exports.only_published(table)["rater"])) == 2


def test_the_counts(rated: Desk) -> None:
    found = counts(rated.ratings._database)
    assert found["raters"] == {"active": 3}
    assert found["ratings"]["submit"] == found["current_ratings"] == found["chain"]["length"]
    assert found["replies"]["a"]["replies"] == 12
    assert found["studies"]["first"] > 12


def test_a_board_has_only_known_choices() -> None:
    with pytest.raises(ResultsError, match="no colour"):
        Spec.read({"colour": 1})
    assert Spec.read({"modes": ["bank"], "cap": 3}) == Spec(modes=("bank",), cap=3)
