import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.importers.objects import objects

RECORDS = [{"a": "一\n二"}, {"a": "{不是}对象"}, {"b": ["x", {"c": 1}]}]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(one, ensure_ascii=False) for one in RECORDS),
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=4, ensure_ascii=False),
        " ".join(json.dumps(one) for one in RECORDS),
        json.dumps({"data": RECORDS}, indent=2),
        ",\n".join(json.dumps(one) for one in RECORDS) + ",\n",
    ],
)
def test_every_layout_gives_the_same_objects(text: str) -> None:
    assert [found.value for found in objects(text)] == RECORDS


def test_lines_are_where_objects_begin() -> None:
    text = json.dumps(RECORDS, indent=1)
    rows = text.split("\n")
    for found in objects(text):
        assert rows[found.line - 1].strip().startswith("{")


def test_bad_lines_are_told_and_the_rest_is_read() -> None:
    text = '{"a": 1}\n{"a": "no end}\nplain words\n{"a": 2,}\n[1, 2]\n{"a": 3}\n'
    found = list(objects(text))
    assert [one.value for one in found] == [{"a": 1}, None, None, {"a": 2}, None, {"a": 3}]
    assert [one.line for one in found] == [1, 2, 3, 4, 5, 6]
    assert "not valid JSON" in found[1].fault and "no JSON object" in found[2].fault
    assert found[3].repair == "comma before a closing bracket"


def test_a_broken_object_in_an_array_loses_only_itself() -> None:
    text = '[\n  {\n    "a": 1\n  },\n  {\n    "a": oops\n  },\n  {\n    "a": 3\n  }\n]'
    found = list(objects(text))
    assert [one.value for one in found] == [{"a": 1}, None, {"a": 3}]
    assert found[1].line == 5


def test_objects_of_undecodable_lines_are_refused() -> None:
    found = list(objects('{"a": "x"}\n{"a": "\ufffd"}\n', broken=frozenset({2})))
    assert found[0].value == {"a": "x"}
    assert found[1].value is None and "encoding" in found[1].fault


@given(st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=8), min_size=2), max_size=6))
def test_whatever_is_dumped_is_found(records: list[dict[str, str]]) -> None:
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in records)
    assert [found.value for found in objects(text)] == records
    assert [found.line for found in objects(text)] == list(range(1, len(records) + 1))
