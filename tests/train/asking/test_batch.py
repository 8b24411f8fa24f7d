"""Batch files go out, answers come in: in any order, in parts, with errors, twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from rolecraft.conversation import Message, Sampling
from rolecraft.errors import TrainingError
from train.asking import batch
from train.asking.answers import Answers
from train.asking.tasks import Model, Request


def requests(count: int) -> list[Request]:
    model = Model("gpt-4", "gpt-4", "http://here")
    sampling = Sampling(0.0, 1.0, 200, seed=5)
    return [Request(model, (Message("user", f"第{n}个"),), sampling) for n in range(count)]


def output(line: dict[str, Any], text: str = "好", status: int = 200) -> str:
    """A line as the provider answers it."""
    usage = {"prompt_tokens": 4, "completion_tokens": 2}
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"model": "gpt-4-0613", "choices": [choice], "usage": usage}
    response = {"status_code": status, "body": body if status == 200 else {"error": {}}}
    return json.dumps({"custom_id": line["custom_id"], "response": response, "error": None}) + "\n"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_requests_go_out_as_the_provider_wants_them(tmp_path: Path) -> None:
    asked = requests(2)
    (path,) = batch.export(asked, tmp_path / "out.jsonl")
    first = lines(path)[0]
    assert first == {
        "custom_id": asked[0].key,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-4", "messages": [{"role": "user", "content": "第0个"}],
            "temperature": 0.0, "top_p": 1.0, "max_tokens": 200, "seed": 5,
        },
    }  # fmt: skip


def test_files_keep_to_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_LINES", 2)
    files = batch.export(requests(5), tmp_path / "out.jsonl")
    assert [path.name for path in files] == ["out.jsonl", "out-2.jsonl", "out-3.jsonl"]
    assert [len(lines(path)) for path in files] == [2, 2, 1]
    monkeypatch.setattr(batch, "MOST_LINES", 50_000)
    monkeypatch.setattr(batch, "MOST_BYTES", 600)
    assert max(path.stat().st_size for path in batch.export(requests(5), files[0])) <= 600


def test_answers_come_in(tmp_path: Path) -> None:
    asked, answers = requests(4), Answers(tmp_path / "answers")
    sent = lines(batch.export(asked, tmp_path / "in.jsonl")[0])
    back = tmp_path / "back.jsonl"
    other = {"custom_id": "0" * 64}
    back.write_text(
        output(sent[2]) + output(sent[0]) + output(sent[1], status=500) + output(other), "utf-8"
    )
    assert batch.take_in([back], asked, answers) == {
        "stored": 2, "refused": 1, "of another job": 1,
    }  # fmt: skip
    found = Answers(tmp_path / "answers").get(asked[0].key)
    assert found and (found.text, found.prompt_tokens, found.model) == ("好", 4, "gpt-4-0613")
    assert [bool(answers.get(one.key)) for one in asked] == [True, False, True, False]
    assert batch.take_in([back], asked, answers)["known before"] == 2


@pytest.mark.parametrize(
    "text", ["{", '{"a": 1}', '{"custom_id": "x", "response": {"status_code": 200}}']
)
def test_what_is_no_output_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text("\n" + text + "\n")
    with pytest.raises(TrainingError, match=r"wrong\.jsonl, line 2"):
        batch.take_in([path], requests(1), Answers(tmp_path))
