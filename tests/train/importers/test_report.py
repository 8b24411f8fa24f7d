"""Whatever is thrown at the importer, each record is in the output or in the report, and the counts
add up."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolecraft.characters import read_shelf
from train.importers import Options, run
from train.importers.ledger import Ledger

ME, OTHER = "阿土", "姑姑"
PREFIXES = ("", "(中立)", "（激动）", "(生气", "沮丧", "(怪)", "1. ", "回复:", f"{ME}：", "\x07")
MARKS = st.integers(0, 9999).map(lambda n: f"记{n:04d}号")  # what a record is known by afterwards


def _line(parts: tuple[str, str, str, int]) -> str:
    speaker, prefix, mark, form = parts
    whole = json.dumps({"role": speaker, "content": f"{prefix}{mark}"}, ensure_ascii=False)
    return {0: whole[:-2], 1: whole[:-1] + ",}", 2: f"words {mark}"}.get(form, whole)


def _qa(parts: tuple[str, str, str, int]) -> str:
    role, prefix, mark, form = parts
    answers = {0: [], 1: [f"{mark}一", [f"{prefix}{mark}二"]], 2: "", 3: f"{prefix}{mark}"}
    record = {
        "role": role,
        "instruction": f"{prefix}{mark}？",
        "generated": answers.get(form, mark),
    }
    return json.dumps(record, ensure_ascii=False)


RECORD = st.tuples(st.sampled_from([ME, OTHER, "门卫"]), st.sampled_from(PREFIXES), MARKS,
                   st.integers(0, 8))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(RECORD, min_size=1, max_size=30),
    st.lists(RECORD, max_size=12),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
def test_every_record_is_in_the_output_or_in_the_report(
    spoken: list[tuple[str, str, str, int]],
    asked: list[tuple[str, str, str, int]],
    encoding: str,
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "release"
        (root / ME).mkdir(parents=True)
        rows = "\n".join(map(_line, spoken))
        (root / ME / f"{ME}_scriopt.jsonl").write_bytes(rows.encode(encoding))
        rows = "\n".join(map(_qa, asked))
        (root / ME / f"{ME}_general_rp1.jsonl").write_bytes(rows.encode(encoding))
        body = run("roleinstruct", root, Path(place) / "out", Options())
        _counts_add_up(body)
        output = "".join(
            path.read_text("utf-8") for path in (Path(place) / "out").glob("*/*.jsonl")
        )
        told = "".join(one["value"] for one in body["events"] if one["outcome"] == "refused")
        for _, _, mark, _ in spoken:
            assert mark in output or mark in told
        replies = sum(2 if form == 1 else 1 for *_, form in asked)
        assert body["records"]["in"] == len(spoken) + replies
        shelf = read_shelf(Path(place) / "out")
        assert not shelf.problems
        kept = sum(len(row.answers) for one in shelf.characters for row in one.general)
        assert kept == body["kinds"]["reply"]["out"]


def _counts_add_up(body: dict) -> None:
    groups = [body["records"], *body["kinds"].values(), *body["characters"].values()]
    for counts in groups:
        assert counts["in"] == counts["out"] + counts["refused"]
        assert counts["out"] == counts["untouched"] + counts["repaired"]
    for counts in body["files"].values():
        assert counts["in"] == counts["out"] + counts["refused"]
    for key in ("in", "out", "refused", "repaired"):
        assert body["records"][key] == sum(one[key] for one in body["kinds"].values())
        assert body["records"][key] == sum(one[key] for one in body["characters"].values())
    for key in ("in", "out", "refused"):
        assert body["records"][key] == sum(one[key] for one in body["files"].values())
    outcomes = [one["outcome"] for one in body["events"]]
    assert outcomes.count("refused") == body["records"]["refused"]
    assert outcomes.count("repaired") == body["records"]["repaired"]
    assert all(one["file"] and one["line"] >= 1 and one["reasons"] for one in body["events"])


def test_a_forgotten_record_stops_the_import() -> None:
    ledger = Ledger()
    ledger.enter("line", "a.txt", 3, "words")
    with pytest.raises(RuntimeError, match=r"a\.txt:3 .* neither kept nor refused"):
        ledger.settle("甲")


def test_a_record_is_settled_once() -> None:
    entry = Ledger().enter("line", "a.txt", 3, "words")
    entry.keep()
    with pytest.raises(RuntimeError, match="settled before"):
        entry.refuse("late")
