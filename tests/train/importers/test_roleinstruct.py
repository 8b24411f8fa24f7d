import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rolecraft.characters import read_shelf
from rolecraft.errors import TrainingError
from train.importers import Options, run
from train.importers.gathered import Cleaner
from train.importers.ledger import Ledger
from train.importers.release import Raw, file_kind, read_files, records

NORTH, SOUTH = "何小北", "顾南"
Importer = Callable[..., tuple[Path, dict]]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("甲_desc.txt", "profile"),
        ("甲_scriopt.jsonl", "script"),
        ("甲_script.json", "script"),
        ("甲_specific_QA..json", "questions"),
        ("甲general_rp1.jsonl", "general"),
        ("甲_general_rp3-5.json", "general"),
        ("甲_notes.json", "unknown"),
    ],
)
def test_files_are_known_by_their_names(name: str, kind: str) -> None:
    assert file_kind(Path("甲") / name) == kind


def test_the_shelf_reads_what_is_imported(release: Path, imported: Importer) -> None:
    folder, report = imported("roleinstruct", release)
    shelf = read_shelf(folder)
    assert not shelf.problems
    assert {one.name["zh"] for one in shelf.characters} == {NORTH, SOUTH}
    written = report["written"]
    assert written["turns"] == sum(len(d.turns) for c in shelf.characters for d in c.script)
    assert written["questions"] == sum(len(one.questions) for one in shelf.characters)
    replies = (len(row.answers) for one in shelf.characters for row in one.general)
    assert written["replies"] == sum(replies)


def test_talks_are_of_two_with_labels_mended(release: Path, imported: Importer) -> None:
    folder, _ = imported("roleinstruct", release)
    script = read_shelf(folder).get(NORTH).script
    assert [[(t.speaker, t.emotion, t.text) for t in one.turns] for one in script] == [
        [
            ("姑姑", "沮丧", "今天又下雨了，衣服收了没有"),
            (NORTH, "快乐", "早收好啦，一件没湿"),
            ("姑姑", "兴奋", "真能干"),
        ],
        [
            ("门卫", "中立", "谁家的猫，跑出来了"),
            (NORTH, "愤怒", "那是我的橘子，别赶它"),
            ("门卫", "沮丧", "哎，又挠坏一把椅子"),
        ],
        [
            ("姑姑", "中立", "我去买菜"),
            (NORTH, "悲伤", "橘子今天都不理我"),
            ("姑姑", "快乐", "它其实快乐着呢"),
            (NORTH, "中立", "打我电话某电话就行"),
        ],
    ]


def test_questions_replies_and_profile(release: Path, imported: Importer) -> None:
    folder, _ = imported("roleinstruct", release)
    north = read_shelf(folder).get(NORTH)
    asked = {one.question: one for one in north.questions}
    assert list(asked) == [
        "你最会钓什么？",
        "下雨那天你做了什么？",
        "橘子是谁？",
        "你喜欢的食物是什么？",
    ]
    rain = asked["下雨那天你做了什么？"]
    assert (rain.kind, rain.source) == ("experience", "script.d0001")
    assert rain.answer.startswith("早收好啦")
    assert asked["你喜欢的食物是什么？"].source == "profile.favourite_food"
    assert asked["橘子是谁？"].emotion == "快乐"
    instructions = yaml.safe_load((folder / "instructions.yaml").read_text("utf-8"))
    general = {instructions[row.instruction]["zh"]: row.answers for row in north.general}
    spring = [answer.text for answer in general["说说春天。"]]
    assert sorted(spring) == ["地里有荠菜。", "天暖和了。", "春天能放风筝。"]
    assert [answer.text for answer in general["算一算：1加2。"]] == ["等于三呗。"]
    assert north.profile["age"] == "11岁" and north.age_group == "child"
    assert north.profile["background"] == "在河边长大。\n围巾：外婆织的那条"
    assert north.profile["favourite_food"] == "糯米饭"


def test_places_without_a_label_are_listed(release: Path, imported: Importer) -> None:
    folder, _ = imported("roleinstruct", release)
    north = read_shelf(folder).get(NORTH)
    assert north.folder
    rows = map(json.loads, (north.folder / "unlabelled.jsonl").read_text("utf-8").splitlines())
    listed = {(row["file"], row["id"]) for row in rows}
    asked = {one.question: one.id for one in north.questions}
    assert ("questions.jsonl", asked["你最会钓什么？"]) in listed
    assert ("questions.jsonl", asked["橘子是谁？"]) not in listed
    assert not [one for one in listed if one[0] == "script.jsonl"]


def test_every_fault_is_told_with_its_place(release: Path, imported: Importer) -> None:
    _, report = imported("roleinstruct", release)
    reasons = report["reasons"]
    assert reasons["label outside the ten mapped"] == 2
    assert reasons["no brackets around a label mended"] == 2
    assert reasons["unclosed bracket of a label mended"] == 1
    assert reasons["personal data masked"] == 1
    assert reasons["number before the question removed"] == 2
    assert reasons["prompt residue before the answer removed"] == 1
    assert reasons["no answer"] == 3
    assert reasons["answer of another"] == 2
    assert reasons["empty text"] == 1
    assert reasons["duplicate talk"] == 7
    bad = [one for one in report["events"] if one["kind"] == "unreadable"]
    assert [(one["file"], one["line"]) for one in bad] == [
        (f"{NORTH}/{NORTH}general_rp1.jsonl", 3),
        (f"{SOUTH}/{SOUTH}_general_rp1.jsonl", 3),
    ]
    notes = {note["subject"]: note["message"] for note in report["notes"]}
    assert notes[f"{SOUTH}/{SOUTH}_general_rp1.jsonl"].endswith("with BOM")
    messages = [note["message"] for note in report["notes"]]
    assert "read as GB18030" in messages
    assert "has no file of its description" in messages
    assert "has no general replies rp2, rp3, rp4, rp5" in messages
    assert f"has the same bytes as {NORTH}/{NORTH}general_rp1.jsonl" in messages


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("好呀。\n\nUser Prompt: 别的事？\nAssistant Prompt: 别的回答。", "好呀。"),
        ("算一算。\nAssistant Prompt: 等于三。", "等于三。"),
        ("User Prompt: 一加二\nAssistant Prompt: 等于三。", "等于三。"),
        ("User Prompt: 别的事？\nAssistant Prompt: 别的回答。", ""),
    ],
)
def test_echoes_of_prompts(text: str, answer: str) -> None:
    ledger = Ledger()
    entry = ledger.enter("reply", "a.json", 1, text)
    assert Cleaner(ledger, Options()).answer(entry, "阿土", text, "一加二")[0] == answer
    assert entry.repairs


def test_the_report_quotes_no_personal_data(release: Path, imported: Importer) -> None:
    folder, _ = imported("roleinstruct", release)
    assert not [p for p in folder.rglob("*") if p.is_file() and b"13912345678" in p.read_bytes()]


def test_a_second_run_changes_nothing(release: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run("roleinstruct", release, output, Options())
    stamps = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    assert run("roleinstruct", release, output, Options()) == first
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == stamps
    with pytest.raises(TrainingError, match="holds another import"):
        run("roleinstruct", release, output, Options(most_turns=4))


def test_what_a_killed_run_left_is_replaced(release: Path, tmp_path: Path) -> None:
    rest = tmp_path / ".out.new" / "half"
    rest.mkdir(parents=True)
    run("roleinstruct", release, tmp_path / "out", Options())
    assert not rest.exists()
    assert not (tmp_path / "out" / "half").exists()


def test_one_folder_can_be_imported_alone(release: Path, imported: Importer) -> None:
    folder, _ = imported("roleinstruct", release / SOUTH)
    assert [one.name["zh"] for one in read_shelf(folder).characters] == [SOUTH]


def test_raw_records_of_a_list_have_items(release: Path) -> None:
    files = read_files(release / NORTH, release)
    lists = next(file for file in files if file.shown.endswith("rp3-5.json"))
    assert list(lists.replies) == [3, 4, 5]
    found: list[Raw] = list(records(lists))
    assert [(one.item, one.text) for one in found if not one.fault] == [
        (0, "何小北：地里有荠菜。"),
        (1, "春天能放风筝。"),
        (2, "天暖和了。"),
    ]


def test_a_folder_without_characters_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no character"):
        run("roleinstruct", tmp_path, tmp_path.parent / "out", Options())
