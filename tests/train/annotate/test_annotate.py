"""Labels from an engine over a real socket: everything is counted, nothing is paid for twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rolecraft.characters import read_shelf
from rolecraft.characters.plain import write_folder
from tests.train.talker import Talker, islander, labels

REPOSITORY = Path(__file__).parents[3]
Run = Callable[..., int]
Serve = Callable[..., Talker]


def report(folder: Path) -> dict:
    return json.loads((folder / "annotate-report.json").read_text("utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if path.name != "annotate-report.json"
    }


def test_every_line_gets_a_label_a_reason_and_a_count(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve
) -> None:
    server = serve(labels)
    out = tmp_path / "out"
    assert stage("annotate", bare, out) == 0
    (one,) = read_shelf(out).characters
    assert [turn.emotion for turn in one.script[0].turns] == ["中立", "兴奋", "中立", "中立"]
    assert [each.emotion for each in one.questions] == ["中立", "兴奋"]
    shares = {each.emotion: each.share for each in one.emotions}
    assert shares == {"中立": 0.5, "兴奋": 0.5} and one.mood == "兴奋"
    body = report(out)
    assert body["lines"] == {"in": 27, "labelled": 27, "unscored": 0}
    assert body["labels"] == {"中立": 20, "兴奋": 7} and body["changed"] == {"中立 → 兴奋": 7}
    assert body["tasks"] == {
        "in": 7, "valid": 7, "repaired": 0, "unscored": 0, "failed": 0, "left": 0,
    }  # fmt: skip
    assert body["answers"]["prompt_tokens"] == 700 and body["answers"]["cost_of_this_run"] is None
    assert not (out / "lu-yuan" / "unlabelled.jsonl").exists()
    assert (out / "lu-yuan" / "notes.txt").read_bytes() == b"kept"
    rows = (out / "lu-yuan" / "annotations.jsonl").read_text("utf-8").splitlines()
    assert len(rows) == 27 and json.loads(rows[0])["why"] == "听得出来"
    assert {one["temperature"] for one in server.asked} == {0.0}
    assert not any("（中立）" in one["messages"][1]["content"] for one in server.asked)


def test_the_same_again_asks_and_writes_nothing(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve
) -> None:
    server = serve(labels)
    stage("annotate", bare, tmp_path / "one")
    before = len(server.asked)
    stage("annotate", bare, tmp_path / "one")
    stage("annotate", bare, tmp_path / "two")
    assert len(server.asked) == before == 7
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert report(tmp_path / "two")["answers"]["asked_in_this_run"] == 0
    assert stage("annotate", bare, tmp_path / "two", "--seed", "2") == 1  # another job's folder


def test_broken_answers_are_repaired_once_or_unscored(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve
) -> None:
    def say(messages: list[dict[str, str]]) -> str:
        prompt = messages[1]["content"]
        if "第2天" in prompt and len(messages) == 2:
            return labels(messages).replace("激动", "嫉妒")
        return "我不会。" if "第3天" in prompt else labels(messages)

    server = serve(say)
    out = tmp_path / "out"
    assert stage("annotate", bare, out) == 0
    body = report(out)
    assert body["tasks"] == {
        "in": 7, "valid": 5, "repaired": 1, "unscored": 1, "failed": 0, "left": 0,
    }  # fmt: skip
    assert body["lines"] == {"in": 27, "labelled": 23, "unscored": 4}
    assert body["unscored"][0]["task"] == "lu-yuan/script.jsonl/d03/0"
    rest = json.loads((out / "lu-yuan" / "unlabelled.jsonl").read_text("utf-8"))
    assert rest == {"file": "script.jsonl", "id": "d03", "turns": [0, 1, 2, 3]}
    sent_back = [one["messages"] for one in server.asked if len(one["messages"]) == 4]
    assert len(sent_back) == 2
    told = next(messages[3] for messages in sent_back if "第2天" in messages[1]["content"])
    assert "不是十个标签之一" in told["content"]
    server.say = labels  # another round labels what is left, and asks for nothing else
    before = len(server.asked)
    assert stage("annotate", out, tmp_path / "next", "--seed", "7") == 0
    assert report(tmp_path / "next")["lines"]["in"] == 4 and len(server.asked) == before + 1


def test_a_server_that_fails_writes_nothing_and_keeps_what_came(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(labels)
    stage("annotate", bare, "--pilot", 3)
    assert len(server.asked) == 3
    server.status = 503
    assert stage("annotate", bare, tmp_path / "out", "--retries", 0) == 1
    assert "4 of 7 tasks have no answer yet" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    server.status = 200
    good = len([one for one in server.asked if one])
    assert stage("annotate", bare, tmp_path / "out") == 0
    assert len(server.asked) == good + 4


def test_a_refused_key_stops_at_once(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(labels)
    server.status = 401
    assert stage("annotate", bare, tmp_path / "out", "--at-once", 1) == 1
    assert "the key was refused" in capsys.readouterr().err and len(server.asked) == 1


def test_estimate_price_and_the_end_of_the_money(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(labels)
    prices = ("--price-in", 1000, "--price-out", 2000)
    assert stage("annotate", bare, "--estimate", *prices) == 0
    assert not server.asked and "cost: unknown; measure tokens" in capsys.readouterr().err
    assert stage("annotate", bare, "--pilot", 2, *prices) == 0
    told = capsys.readouterr().err
    assert "measured on 2 stored answers" in told and "5 requests to make" in told
    assert "about 250 out" in told  # 50 tokens each, as the server counts
    assert (
        stage("annotate", bare, tmp_path / "out", *prices, "--max-cost", 0.3, "--at-once", 1) == 1
    )
    assert len(server.asked) == 4  # two more at 0.20 each
    assert stage("annotate", bare, tmp_path / "out", "--max-cost", 5) == 1
    assert "--max-cost needs --price-in" in capsys.readouterr().err


def test_a_large_job_goes_by_batch_files(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(labels)
    file, back = tmp_path / "batch.jsonl", tmp_path / "back.jsonl"
    assert stage("annotate", bare, "--batch-export", file) == 0
    rows = []
    for n, text in enumerate(file.read_text("utf-8").splitlines()):
        line = json.loads(text)
        said = "我不会。" if n == 0 else labels(line["body"]["messages"])
        body = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "model": "m"}
        answer = {"status_code": 200, "body": body}
        rows.append(json.dumps({"custom_id": line["custom_id"], "response": answer}) + "\n")
    back.write_text("".join(rows), "utf-8")
    assert stage("annotate", bare, tmp_path / "out", "--batch-import", back) == 1
    assert "7 stored" in (told := capsys.readouterr().err) and "1 of 7 tasks" in told
    assert stage("annotate", bare, "--batch-export", file) == 0  # the one to be sent back
    (again,) = file.read_text("utf-8").splitlines()
    assert len(json.loads(again)["body"]["messages"]) == 4
    assert not server.asked
    assert stage("annotate", bare, tmp_path / "out") == 0  # or asked directly
    assert len(server.asked) == 1 and report(tmp_path / "out")["tasks"]["repaired"] == 1


def test_killed_and_resumed_it_comes_to_the_same(
    tmp_path: Path, stage: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf"
    write_folder(islander(dialogues=16), shelf)
    server = serve(labels, 0.1)
    command = [sys.executable, "-m", "train", "annotate", str(shelf), str(tmp_path / "out"),
               "--all", "--at-once", "2", "--answers", str(tmp_path / "answers")]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ}, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while len(server.asked) < 6 and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL and not (tmp_path / "out").exists()
    stored = len(list((tmp_path / "answers").rglob("*.json")))
    assert 4 <= stored < 16 and stored >= len(server.asked) - 2
    server.pause_s = 0
    assert stage("annotate", shelf, tmp_path / "out", "--all") == 0
    assert len(set(server.keys)) == 17 and len(server.keys) <= 17 + 2  # two were under way
    body = report(tmp_path / "out")
    assert body["answers"]["asked_in_this_run"] == 17 - stored
    assert body["tasks"]["valid"] == body["answers"]["used"] == 17
    whole = tmp_path / "whole"
    assert stage("annotate", shelf, whole, "--all", "--answers", tmp_path / "others") == 0
    assert contents(whole) == contents(tmp_path / "out")


def test_interrupted_it_says_so_and_goes_on(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    release = threading.Event()
    # Whoever started the tests in the background may have left the key without effect.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def say(messages: list[dict[str, str]]) -> str:
        if len(server.asked) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            release.wait(60)
        return labels(messages)

    server = serve(say)
    assert stage("annotate", bare, tmp_path / "out", "--at-once", 1) == 1
    release.set()
    assert "2 answers came and are kept" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert stage("annotate", bare, tmp_path / "out") == 0
    assert report(tmp_path / "out")["answers"]["asked_in_this_run"] == 5


def test_a_model_on_this_machine_is_asked_too(
    bare: Path, tmp_path: Path, stage: Run, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    models = tmp_path / "models"
    models.mkdir()
    (models / "mini").symlink_to(REPOSITORY / "tests" / "data" / "chatglm3-tiny")
    monkeypatch.setenv("ROLECRAFT_MODELS_DIR", str(models))
    few = ("--engine", "mini-base", "--max-new-tokens", 4)
    assert stage("annotate", bare, tmp_path / "out", *few) == 0
    told = capsys.readouterr().err
    assert "tokens: about" in told.splitlines()[1]  # counted by its own tokeniser
    body = report(tmp_path / "out")
    assert body["tasks"]["unscored"] == body["tasks"]["in"] == 7  # its weights are random
    assert body["lines"]["unscored"] == 27 and body["answers"]["asked_in_this_run"] == 14
    assert stage("annotate", bare, tmp_path / "again", *few) == 0
    assert report(tmp_path / "again")["answers"]["asked_in_this_run"] == 0


def test_arguments_that_cannot_be_used(
    bare: Path, tmp_path: Path, stage: Run, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(labels)
    for arguments, said in (
        ((bare,), "Name the folder to write"),
        ((tmp_path / "nothing", tmp_path / "out"), "No folder of characters"),
        ((bare, tmp_path / "out", "--character", "nobody"), "No character 'nobody'"),
        ((bare, tmp_path / "out", "--engine", "gpt-5"), "No engine named 'gpt-5'"),
        ((bare, tmp_path / "out", "--temperature", "9"), "temperature is 9.0"),
        ((bare, tmp_path / "out", "--engine", "scripted", "--model", "x"), "is no server"),
        ((bare, bare), "holds something else"),
    ):
        assert stage("annotate", *arguments) == 1
        assert said in capsys.readouterr().err
