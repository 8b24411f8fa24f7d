import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from train.lint import lint, main, make_parser
from train.lint.findings import RULES
from train.lint.page import page

SHELF = Path(__file__).parents[2] / "data" / "shelf"
CAST = Path(__file__).parents[3] / "characters"
Edit = Callable[[str, dict], None]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A shelf of one sound character."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    shutil.copytree(SHELF / "lu-yuan", folder / "lu-yuan")
    return folder


def rows(shelf: Path, name: str) -> list[dict]:
    path = shelf / "lu-yuan" / name
    return [json.loads(row) for row in path.read_text("utf-8").splitlines()]


def save(shelf: Path, name: str, body: list[dict]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in body)
    (shelf / "lu-yuan" / name).write_text(text, "utf-8")


def found(shelf: Path) -> dict[str, int]:
    return {rule: count for rule, count in lint(shelf).counts.items() if count}


def test_the_shipped_cast_is_clean() -> None:
    assert lint(CAST).total("error") == 0


def test_a_sound_shelf_is_clean(shelf: Path) -> None:
    assert lint(shelf).total("error") == 0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("回复: 我在家呢", "prompt-residue"),
        ("Answer: 我在家呢", "prompt-residue"),
        ("3. 我在家呢", "prompt-residue"),
        ("我在家呢\nUser: 那我来找你", "prompt-residue"),
        ("我只是一个语言模型，不能出门", "names-a-model"),
        ("作为AI助手，我没有家", "names-a-model"),
        ("其实我是ChatGPT啦", "names-a-model"),
        ("", "empty"),
        ("……", "empty"),
        ("好长" * 300, "over-long"),
        ("打13912345678", "personal-data"),
        ("我在家（门口", "open-bracket"),
    ],
)
def test_rules_of_answers(shelf: Path, text: str, rule: str) -> None:
    before = found(shelf).get(rule, 0)
    body = rows(shelf, "questions.jsonl")
    body[0]["answer"] = text
    save(shelf, "questions.jsonl", body)
    assert found(shelf)[rule] == before + 1


@pytest.mark.parametrize(
    "text",
    ["第一，吃饭。第二，睡觉。", "1. 吃饭\n2. 睡觉", "人工智能？听说过", "3.5公里", "1）早睡"],
)
def test_ordinary_answers_break_no_rule(shelf: Path, text: str) -> None:
    body = rows(shelf, "questions.jsonl")
    body[0]["answer"] = f"{text}，{body[0]['answer']}" if text.startswith("1）") else text
    body[0]["split"] = "train"
    save(shelf, "questions.jsonl", body)
    counts = lint(shelf).counts
    expected = 1 if text.startswith("1）") else 0
    assert counts["prompt-residue"] == expected
    assert counts["names-a-model"] == counts["open-bracket"] == 0


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"emotion": "激动"}, "mapped-label"),
        ({"emotion": "困惑"}, "unknown-label"),
        ({"emotion": None}, "unlabelled"),
        ({"text": "  "}, "empty"),
        ({"text": "长" * 301}, "over-long"),
        ({"text": "（笑着说）你来啦"}, "stage-direction"),
    ],
)
def test_rules_of_turns(shelf: Path, change: dict, rule: str) -> None:
    before = found(shelf).get(rule, 0)
    body = rows(shelf, "script.jsonl")
    body[0]["turns"][0].update(change)
    save(shelf, "script.jsonl", body)
    assert found(shelf)[rule] == before + 1


def test_lines_of_the_wrong_speaker(shelf: Path) -> None:
    body = rows(shelf, "script.jsonl")
    first, second = body[0]["turns"][:2]
    first["text"] = f"{second['speaker']}：我马上来"
    second["text"] = f"{second['speaker']}！"
    save(shelf, "script.jsonl", body)
    assert found(shelf)["wrong-speaker"] == 2


def test_leakage(shelf: Path) -> None:
    body = rows(shelf, "questions.jsonl")
    trained = next(row for row in body if row["split"] == "train" and row["kind"] != "profile")
    body.append({**trained, "id": "q998", "split": "test", "question": "换个问法呢？"})
    body.append({**trained, "id": "q999", "split": "test", "answer": "完全不同。"})
    save(shelf, "questions.jsonl", body)
    assert found(shelf)["leakage"] == 2


@pytest.mark.parametrize("name", ["script.jsonl", "general.jsonl", "everyday.jsonl"])
def test_what_is_trained_on_leaks_wherever_it_stands(shelf: Path, name: str) -> None:
    said = "昨夜的雾浓得连塔顶的灯都看不见"
    if name == "script.jsonl":
        body = rows(shelf, name)
        turn = next(one for one in body[0]["turns"] if one["speaker"] == "陆远")
        turn["text"] = said
    elif name == "general.jsonl":
        body = rows(shelf, name)
        body[0]["answers"][0]["text"] = said
    else:
        body = [{"topic": "talk-001", "text": said, "emotion": "中立"}]
    save(shelf, name, body)
    before = found(shelf).get("leakage", 0)
    asked = rows(shelf, "questions.jsonl")
    fresh = {"id": "q997", "split": "test", "question": "昨夜如何？", "answer": f"嗯，{said}。"}
    save(shelf, "questions.jsonl", [*asked, {**asked[0], **fresh}])
    (leak,) = [one for one in lint(shelf).found if one.rule == "leakage"][before:]
    assert name in leak.detail


def test_everyday_answers_are_looked_at(shelf: Path) -> None:
    spoiled = {"topic": "talk-001", "text": "Answer: 我是ChatGPT，打13912345678", "emotion": "快乐"}
    save(shelf, "everyday.jsonl", [spoiled])
    errors = {one.rule for one in lint(shelf).found if one.file == "lu-yuan/everyday.jsonl"}
    assert errors == {"prompt-residue", "names-a-model", "personal-data"}


def test_copies_of_another_character(shelf: Path) -> None:
    other = shelf / "zz-copy"
    shutil.copytree(shelf / "lu-yuan", other)
    card = (other / "card.yaml").read_text("utf-8")
    (other / "card.yaml").write_text(card.replace("陆远", "陆近"), "utf-8")
    findings = lint(shelf)
    copies = [one for one in findings.found if one.rule == "identical-file"]
    assert {one.file for one in copies} >= {"zz-copy/script.jsonl", "zz-copy/questions.jsonl"}
    first = rows(shelf, "questions.jsonl")
    first[0]["id"] = "q000"
    save(shelf, "questions.jsonl", first)
    assert lint(shelf).counts["shared-answer"] > 0


def test_lines_that_do_not_parse(shelf: Path) -> None:
    path = shelf / "lu-yuan" / "script.jsonl"
    path.write_text(path.read_text("utf-8") + '{"id": "d99", "turns": \n[]\n', "utf-8")
    findings = [one for one in lint(shelf).found if one.rule == "invalid-line"]
    assert findings and all(one.line for one in findings)


def test_one_label_everywhere(shelf: Path) -> None:
    body = rows(shelf, "script.jsonl")
    turn = {"speaker": "陆远", "text": "嗯，就这样吧", "emotion": "中立"}
    body.append({"id": "d98", "scene": "家里", "turns": [turn] * 60})
    save(shelf, "script.jsonl", body)
    assert found(shelf)["label-imbalance"] == 1


def test_the_command(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lint.html"
    assert main(make_parser().parse_args([str(shelf), "--json", "--html", str(out)])) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    body = rows(shelf, "questions.jsonl")
    body[0]["answer"] = "回复: <b>在</b>家，打13912345678"
    save(shelf, "questions.jsonl", body)
    assert main(make_parser().parse_args([str(shelf), "--json", "--html", str(out)])) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["errors"] == len([o for o in told["findings"] if o["severity"] == "error"])
    assert set(told["counts"]) == set(RULES)
    shown = out.read_text("utf-8")
    assert "&lt;b&gt;" in shown and "<b>在" not in shown and "13912345678" not in shown
    assert main(make_parser().parse_args([str(shelf)])) == 1
    assert "prompt-residue" in capsys.readouterr().out


def test_the_page_of_nothing_says_so(shelf: Path) -> None:
    assert "0 errors" in page(lint(shelf), "shelf")
