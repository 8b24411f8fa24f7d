"""A reply ends before the words that stop it, and nothing of them is ever shown."""

from types import SimpleNamespace
from typing import Any

import pytest

from rolecraft.engines.row import Row


def written(pieces: list[str], *stop: str) -> tuple[list[str], bool, str]:
    """What is shown after each piece, whether it stopped, and what was held back."""
    request: Any = SimpleNamespace(stop=stop, voice=None, opening="")
    row = Row(request, None, None, 0, 0)  # type: ignore[arg-type]
    shown: list[str] = []
    stopped = False
    for piece in pieces:
        assert not stopped
        one, stopped = row.write(piece)
        shown.append(one)
    return shown, stopped, row.rest()


@pytest.mark.parametrize(
    ("pieces", "stop", "wanted"),
    [
        ("好 的", (), (["好", "的"], False, "")),
        ("好 的 完 了", ("完",), (["好", "的", ""], True, "")),
        ("好 。 用 户 ： 我", ("用户：",), (["好", "。", "", "", ""], True, "")),
        ("好 。用户：你", ("用户：",), (["好", "。"], True, "")),
        ("好 用 户 外 用品", ("用户：",), (["好", "", "", "用户外", "用品"], False, "")),
        ("好 用 用 户 ：", ("用户：",), (["好", "", "用", "", ""], True, "")),
        ("好 用 户", ("用户：",), (["好", "", ""], False, "用户")),
        ("好 甲 乙 丙", ("乙丙丁", "甲乙丙"), (["好", "", "", ""], True, "")),
        ("好 甲 乙 丁", ("乙丙", "甲乙丙"), (["好", "", "", "甲乙丁"], False, "")),
        ("用户： 我 用户： 你", ("用户：",), (["用户：", "我", ""], True, "")),
    ],
)
def test_stops(pieces: str, stop: tuple[str, ...], wanted: tuple[list[str], bool, str]) -> None:
    given = pieces.split(" ")[: len(wanted[0])]
    assert written(given, *stop) == wanted
