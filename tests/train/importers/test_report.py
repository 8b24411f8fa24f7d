"""Whatever is thrown at the importer, each record is in the output or in the report, and the counts
add up."""

import csv
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolecraft.characters import read_shelf
from rolecraft.characters.cards import write_card
from train.importers import Options, run
from train.importers.ledger import NOBODY, Ledger

Writer = Callable[[list[tuple[str, str, str, int]]], tuple[bytes, int]]
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


def _spoken(parts: tuple[str, str, str, int]) -> tuple[str, str]:
    who, prefix, mark, _ = parts
    return who, f"{prefix}{mark}"


def _jsonl(records: list[tuple[str, str, str, int]]) -> tuple[bytes, int]:
    """Rows and whole talks of several characters, of which some have only faults."""
    rows, count = [], 0
    for n, record in enumerate(records):
        (who, text), mark, form = _spoken(record), record[2], record[3]
        turn = {"speaker": who, "text": text}
        value: dict = {"character": ("", ME, OTHER)[n % 3], **turn}
        if form == 0:
            value = {"character": value["character"], "turns": [turn, mark]}
        elif form == 1:
            value = {"character": "门卫", "speaker": "", "text": text}
        elif form == 2:
            value = {"question": f"{mark}？", "answer": "" if n % 2 else text}
        elif form == 3:
            value = {"turns": [], "note": mark}
        count += 2 if form == 0 else 1
        whole = json.dumps(value, ensure_ascii=False)
        rows.append({4: whole[:-2], 5: f"words {mark}", 6: whole[:-1] + ",}"}.get(form, whole))
    return "\n".join(rows).encode(), count


def _csv(records: list[tuple[str, str, str, int]]) -> tuple[bytes, int]:
    out = io.StringIO("character,speaker,text,emotion\n")
    out.seek(0, io.SEEK_END)
    for n, record in enumerate(records):
        who, text = _spoken(record)
        row = [("", ME, OTHER)[n % 3], who, text, ("", "中立", "怪")[n % 3]]
        if record[3] == 0:
            out.write(f'{ME},{who},"{text}\n')
            continue
        faulty = {1: ["门卫", "", text], 2: [*row, "more"]}
        csv.writer(out).writerow(faulty.get(record[3], row))
    out.write(",,,\n")
    return out.getvalue().encode(), len(records)


def _messages(records: list[tuple[str, str, str, int]]) -> tuple[bytes, int]:
    rows, count = [], 0
    for n, record in enumerate(records):
        (who, text), mark, form = _spoken(record), record[2], record[3]
        said = {"role": "system" if form == 0 else "assistant", "content": text}
        asked = {"role": "user", "content": "" if form == 1 else f"{who}{mark}"}
        value = {"character": (ME, OTHER)[n % 2], "messages": [asked, said]}
        if form == 2:
            value = {"note": mark, "messages": []}
        whole = json.dumps(value, ensure_ascii=False)
        rows.append({3: whole[:-2], 4: f"words {mark}"}.get(form, whole))
        count += 1 if form in (2, 3, 4) else 2
    return "\n".join(rows).encode(), count


def _wechat(records: list[tuple[str, str, str, int]]) -> tuple[bytes, int]:
    rows, count = ["记9998号"], 1
    for n, record in enumerate(records):
        who, text = _spoken(record)
        when = f"2026-03-{n // 20 + 1:02d} {n % 20:02d}:30"
        forms = {
            0: [f"[{when}] {who}: {text}"],
            1: [f"{when} {who}{record[2]}"],
            2: [f"{when} {who}", f"[图片]{record[2]}"],
            3: [f"{when} {who}", text, record[2]],
        }
        chosen = forms.get(record[3], [f"{when} {who}", text])
        rows += chosen
        count += 2 if record[3] == 3 else 1
    return "\n\n".join(rows).encode("gb18030"), count


def _subtitles(records: list[tuple[str, str, str, int]]) -> tuple[bytes, int]:
    rows = []
    for n, record in enumerate(records):
        (who, text), mark = _spoken(record), record[2]
        forms = {0: mark, 1: f"（{mark}）", 2: f"<i>{who}：{text}</i>", 3: f"{who}：\x07"}
        rows.append(forms.get(record[3], f"{who}：{text}"))
        if n % 5 == 0:
            rows.append(f"第{n}场 院子里")
    return "\n".join(rows).encode("utf-8-sig"), len(records)


@pytest.mark.parametrize(
    ("source", "name", "writer"),
    [
        ("table", "talk.jsonl", _jsonl),
        ("table", "talk.csv", _csv),
        ("messages", "talk.jsonl", _messages),
        ("wechat", "talk.txt", _wechat),
        ("subtitles", "talk.txt", _subtitles),
    ],
)
@settings(max_examples=20, deadline=None)
@given(records=st.lists(RECORD, min_size=1, max_size=20))
def test_no_source_loses_a_record(
    source: str, name: str, writer: Writer, records: list[tuple[str, str, str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        body, count = writer(records)
        path = Path(place) / name
        path.write_bytes(body)
        options = Options() if source == "messages" else Options(characters=(ME,))
        report = run(source, path, Path(place) / "out", options)
        _counts_add_up(report)
        assert report["records"]["in"] == count
        output = "".join(
            path.read_text("utf-8") for path in (Path(place) / "out").glob("*/*.jsonl")
        )
        told = "".join(one["value"] for one in report["events"])
        for _, _, mark, form in records:
            assert mark in output + told or (source == "subtitles" and form == 3)


def test_of_cards_each_is_counted(tmp_path: Path) -> None:
    person = read_shelf(Path(__file__).parents[2] / "data" / "shelf").characters[0]
    cards = tmp_path / "cards"
    cards.mkdir()
    for name in ("a", "again"):
        (cards / f"{name}.json").write_bytes(write_card(person, "json"))
    (cards / "broken.json").write_text("{")
    report = run("tavern", cards, tmp_path / "out", Options())
    _counts_add_up(report)
    assert report["kinds"]["card"]["in"] == 3 and report["kinds"]["card"]["out"] == 1


@pytest.mark.parametrize("source", ["table", "messages"])
def test_where_nobody_came_out_all_is_told(tmp_path: Path, source: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{broken\nwords\n")
    report = run(source, path, tmp_path / "out", Options(characters=(ME,)))
    assert report["records"]["in"] == report["records"]["refused"] == 2
    assert list(report["characters"]) == [NOBODY]
    _counts_add_up(report)


def test_a_character_of_whom_nothing_came_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"character,speaker,text\n{ME},甲,早\n{ME},{ME},早呀\n{OTHER},,喂\n")
    report = run("table", path, tmp_path / "out", Options())
    assert report["characters"][OTHER]["refused"] == 1
    assert report["records"]["in"] == 3


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
