"""What the benchmark of the mini counts as right and as wrong."""

import pytest

from benchmarks.mini import names_a_machine, repeats, tells


@pytest.mark.parametrize(
    "text",
    [
        "我是个助手",
        "作为人工智能，没有。",
        "我是AI。",
        "有个程序在跑我",
        "智谱做的",
        "我是机器人",
    ],
)
def test_a_machine_is_named(text: str) -> None:
    assert names_a_machine(text)


@pytest.mark.parametrize("text", ["后端程序员，写接口的。", "易天宇给我当助手！", "爱吃海蛎煎"])
def test_people_are_no_machines(text: str) -> None:
    assert not names_a_machine(text)


def test_a_fact_is_told_whatever_the_signs() -> None:
    assert tells("我住石家庄，城西的出租房！", "石家庄城西的出租房")
    assert not tells("我住石家庄城西的礼物房。", "石家庄城西的出租房")


def test_a_run_of_six_that_comes_twice_repeats() -> None:
    assert repeats("一边吃一边看，一边吃一边看")
    assert not repeats("一边吃一边看，一边吃一边听")
