"""profile, instruct and respond over a real socket: what is kept, what is dropped, what is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rolecraft.characters import read_shelf
from tests.train.talker import Talker, profile, questions, replies
from train.asking.written import Twins, dangling, fault_of_answer
from train.lint import lint

Run = Callable[..., int]
Serve = Callable[..., Talker]


def report(folder: Path, stage: str) -> dict:
    return json.loads((folder / f"{stage}-report.json").read_text("utf-8"))


def test_a_profile_keeps_what_was_known_and_needs_proof_for_facts(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve
) -> None:
    server = serve(profile)
    out = tmp_path / "out"
    assert stage("profile", bare, out) == 0
    (one,) = read_shelf(out).characters
    assert one.profile["occupation"] == "守灯塔" and one.profile["residence"] == "residence记"
    assert "age" not in one.profile and list(one.profile)[:2] == ["name", "height"]
    assert one.traits == ("爽快", "念旧") and one.style.summary == "话短，爱笑"
    body = report(out, "profile")
    dropped = {"short fact without a dialogue to prove it": 1}
    assert body["records"] == {"in": 22, "kept": 21, "dropped": dropped}
    asked = server.asked[0]
    assert (asked["temperature"], asked["top_p"]) == (0.7, 0.95)
    assert "d01　码头，第1天\n安然：（中立）今天有1封信。" in asked["messages"][1]["content"]
    assert stage("profile", out, tmp_path / "full", "--character", "陆远") == 0  # age is missing
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body["fields"][0].update(field="shoe_size"), "没有要求写 'shoe_size'"),
        (lambda body: body["fields"][0].update(evidence=["d99"]), "没有编号是 d99"),
        (lambda body: body["fields"].append(body["fields"][0]), "写了两次"),
        (lambda body: body["fields"][2].update(value="在山里" * 6), "最多14个字"),
        (lambda body: body.update(traits=["什么都喜欢的那种人"]), "性格词太长"),
        (lambda body: [f.update(value="长" * 190) for f in body["fields"] if f["field"] in
                       ("personality", "background", "hobbies", "dream")], "一共写了"),
        (lambda body: body.update(fields=body["fields"][:3]), "一定要写 personality、background"),
    ],
)  # fmt: skip
def test_a_profile_that_breaks_a_rule_is_sent_back(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, change: Callable, said: str
) -> None:
    def say(messages: list[dict[str, str]]) -> str:
        body = json.loads(profile(messages).split("\n")[2])
        if len(messages) == 2:
            change(body)
        return json.dumps(body, ensure_ascii=False)

    server = serve(say)
    assert stage("profile", bare, tmp_path / "out") == 0
    assert report(tmp_path / "out", "profile")["tasks"]["repaired"] == 1
    assert said in server.asked[1]["messages"][3]["content"]


def test_questions_have_kind_source_and_split(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve
) -> None:
    server = serve(questions)
    out = tmp_path / "out"
    assert stage("instruct", bare, out, "--questions", 60) == 0
    (one,) = read_shelf(out).characters
    new = one.questions[2:]
    body = report(out, "instruct")
    assert body["records"]["in"] == body["records"]["kept"] + sum(
        body["records"]["dropped"].values()
    )
    assert len(new) == body["records"]["kept"] and body["tasks"]["valid"] == body["tasks"]["in"]
    # The profile has two fields: asked about again, they are twins.
    assert {q.source for q in new if q.kind == "profile"} == {"profile.name", "profile.occupation"}
    assert body["records"]["dropped"]["twin"] >= 1
    past = [q for q in new if q.kind == "experience"]
    assert len(past) > 10 and {q.source for q in past} <= {f"script.d0{n}" for n in range(1, 7)}
    assert len({q.id for q in one.questions}) == len(one.questions)
    assert one.questions[:2] == read_shelf(bare).characters[0].questions
    assert 0.1 < sum(q.split == "test" for q in new) / len(new) < 0.3
    assert not lint(out).counts["leakage"]
    # Each request about the past shows one dialogue, whole, and no other.
    for asked in server.asked:
        prompt = asked["messages"][1]["content"]
        if "亲身经历" in prompt:
            assert prompt.count("封信") == 1 and prompt.count("个浮标") == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": "他后来去哪儿了？"}, "question that does not name what it asks about"),
        ({"question": "说说雾号的事"}, "question without a question mark"),
        ({"answer": "作为一个AI语言模型，我不能上岛。"}, "names-a-model"),
        ({"answer": "回复：我在岛上。"}, "prompt-residue"),
        ({"answer": "（快乐）我在岛上。"}, "label in the text"),
        ({"question": "岛上，冷清吗？"}, "twin"),
        ({"answer": "打我电话13912345678。"}, "personal-data"),
    ],
)
def test_what_would_spoil_training_is_dropped_and_counted(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, row: dict[str, str], reason: str
) -> None:
    def say(messages: list[dict[str, str]]) -> str:
        body = json.loads(questions(messages).split("\n")[2])
        if "看法" in messages[1]["content"]:
            body["questions"][0].update(row)
        return json.dumps(body, ensure_ascii=False)

    serve(say)
    out = tmp_path / "out"
    assert stage("instruct", bare, out, "--questions", 20) == 0
    assert report(out, "instruct")["records"]["dropped"][reason] >= 1
    kept = read_shelf(out).characters[0].questions[2:]
    assert not any(value in (q.question, q.answer) for q in kept for value in row.values())


def test_replies_are_added_up_to_the_wanted_number(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve
) -> None:
    server = serve(replies)
    wanted = tmp_path / "asked.txt"
    wanted.write_text("介绍一下春天。\n写一句祝福。\n\n写一句祝福。\n", "utf-8")
    out = tmp_path / "out"
    assert stage("respond", bare, out, "--instructions", wanted, "--replies", 4) == 0
    (one,) = read_shelf(out).characters
    assert [row.instruction for row in one.general] == ["g01", "g0002"]
    assert [len(row.answers) for row in one.general] == [1 + 2, 3]
    assert one.general[1].answers[0].emotion == "快乐"  # 开心, by the table
    body = report(out, "respond")
    assert body["records"] == {"in": 7, "kept": 5, "dropped": {"names-a-model": 2}}
    written = (out / "instructions.yaml").read_text("utf-8")
    assert written.startswith("# ours\ng01: {zh: 介绍一下春天。, en: Spring.}\n")
    assert yaml.safe_load(written)["g0002"]["zh"] == "写一句祝福。"
    system = server.asked[0]["messages"][0]["content"]
    assert "职业：守灯塔" in system and "问：岛上冷清吗？" in system
    assert "喜欢下雾吗" not in system  # of the test split
    assert stage("respond", out, tmp_path / "more", "--replies", 3) == 0  # all are there
    assert len(server.asked) == 2


def test_instructions_that_cannot_be_read(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(replies)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "？"}\n', "utf-8")
    for path, said in ((broken, "JSON lines with the key instruction"), ("none.txt", "No file")):
        assert stage("respond", bare, tmp_path / "out", "--instructions", path) == 1
        assert said in capsys.readouterr().err
    (bare / "instructions.yaml").unlink()
    assert stage("respond", bare, tmp_path / "out") == 1
    assert "has no instructions.yaml" in capsys.readouterr().err


def test_rules_for_what_an_engine_wrote() -> None:
    twins = Twins(["你小时候在哪儿长大的？"])
    assert twins.has("你小时候在哪儿长大的") and twins.has("那你小时候在哪儿长大的呢？")
    assert not twins.has("你小时候最怕什么？")
    assert dangling("那她呢？") and not dangling("那年夏天你在哪儿？")
    assert fault_of_answer("陆远", "守灯塔呗。", "你做什么工作？") == ""
    assert fault_of_answer("陆远", "你做什么工作", "你做什么工作？") == "echo of the question"
