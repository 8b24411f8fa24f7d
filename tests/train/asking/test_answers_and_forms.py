"""Answers lie under what was asked; forms are read out of whatever a model wrote around them."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from rolecraft.conversation import Message, Sampling
from rolecraft.errors import TrainingError
from train.asking.answers import Answer, Answers, address
from train.asking.forms import FormError, read_form
from train.asking.tasks import Model, Request

ANSWER = Answer("好", 3, 1, "stop", 0.5, "m")


class Count(BaseModel):
    count: int


def request(**changed: object) -> Request:
    model = Model("gpt-4", "gpt-4", "http://here")
    told = {"model": model, "messages": (Message("user", "几个？"),), "sampling": Sampling(seed=1)}
    return Request(**{**told, **changed})  # type: ignore[arg-type]


def test_an_answer_is_found_again_and_nothing_half_written_is_seen(tmp_path: Path) -> None:
    Answers(tmp_path).put("ab12", ANSWER)
    assert Answers(tmp_path).get("ab12") == ANSWER and Answers(tmp_path).get("ab13") is None
    assert [path.name for path in tmp_path.rglob("*.*")] == ["ab12.json"]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    Answers(tmp_path).put("ab12", ANSWER)
    (tmp_path / "ab" / "ab12.json").write_text("{")
    with pytest.raises(TrainingError, match=r"ab12\.json.*Remove it to ask again"):
        Answers(tmp_path).get("ab12")


def test_the_address_is_what_was_asked_of_whom() -> None:
    same = request(model=Model("another-name-here", "gpt-4", "http://here"))
    assert same.key == request().key == address({"b": 1, "a": 2}).__class__(request().key)
    others = [
        request(model=Model("gpt-4", "gpt-4", "http://there")),
        request(model=Model("gpt-4", "gpt-5", "http://here")),
        request(model=Model("gpt-4", "gpt-4", "http://here", "abc")),
        request(messages=(Message("user", "几个?"),)),
        request(messages=(Message("system", "几个？"),)),
        request(sampling=Sampling(seed=2)),
        request(sampling=Sampling(seed=1, temperature=0.0)),
    ]
    assert len({one.key for one in (request(), *others)}) == len(others) + 1
    assert address({"b": 1, "a": 2}) == address({"a": 2, "b": 1})


@pytest.mark.parametrize(
    "text",
    [
        '{"count": 3}',
        '好的，结果如下：\n```json\n{"count": 3}\n```\n希望有用！',
        '{"other": 1} 应该是 {"count": 3}',
        '{"count": 3, "why": "三\n个"}',
        "{\"count\": 3}}",
    ],
)  # fmt: skip
def test_a_form_is_read(text: str) -> None:
    assert read_form(text, Count).count == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("三个", "没有找到完整的 JSON"),
        ('{"count": 3', "没有找到完整的 JSON"),
        ('[3]', "没有找到完整的 JSON"),
        ('{"wrapped": {"count": 3}', "没有找到完整的 JSON"),  # cut off: what is inside is a part
        ('{"count": "many"}', "count："),
        ("", "没有找到完整的 JSON"),
        ('{"a":' * 5000, "没有找到完整的 JSON"),
    ],
)  # fmt: skip
def test_what_has_no_form_is_told(text: str, said: str) -> None:
    with pytest.raises(FormError, match=said):
        read_form(text, Count)
