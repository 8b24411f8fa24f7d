"""A small release of two invented characters with every fault that the real one has."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from train.importers import Options, run

Report = dict

NORTH, SOUTH = "何小北", "顾南"


def rows(*records: dict) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def said(speaker: str, text: str) -> dict:
    return {"role": speaker, "content": text}


def qa(question: str, answer: object) -> dict:
    return {"instruction": question, "generated": answer}


def reply(name: str, instruction: str, answer: object) -> dict:
    return {"role": name, **qa(instruction, answer)}


def north(folder: Path) -> None:
    """The character whose files are spelt in the first of the ways."""
    folder.mkdir(parents=True)
    (folder / f"{NORTH}_desc.txt").write_text(
        f"名字：{NORTH}，年龄：11岁；身高：140厘米，性格特点：淘气，可是心软；背景：在河边长大。"
        "爱好：钓虾；围巾：外婆织的那条;喜欢的食物：糯米饭",
        "utf-8",
    )
    lines = [
        said("姑姑", "(中立)今天又下雨了"),
        said("姑姑", "(沮丧)衣服收了没有"),
        said(NORTH, "(快乐)早收好啦"),
        said(NORTH, "(快乐)一件没湿"),
        said("姑姑", "(激动)真能干"),
        said("门卫", "（中立 谁家的猫"),
        said("门卫", "(中立)跑出来了"),
        said(NORTH, "(生气)那是我的橘子"),
        said(NORTH, "(中立)别赶它"),
        said("门卫", "沮丧哎，又挠坏一把椅子"),
        said("姑姑", "(中立)你们两个慢慢说"),
        said("门卫", "(中立)我先回岗亭"),
        said("姑姑", "(中立)我去买菜"),
        said(NORTH, "sadness橘子今天都不理我"),
        said("姑姑", "(快乐)它其实(快乐)着呢"),
        said(NORTH, "(中立)打我电话13912345678就行"),
        said("姑姑", "(中立)   "),
    ]
    (folder / f"{NORTH}_scriopt.json").write_text(
        json.dumps(lines, ensure_ascii=False, indent=4), "utf-8"
    )
    questions = [
        qa("1. 你最会钓什么？", "虾呀，一个下午能钓半桶。"),
        qa("2、下雨那天你做了什么？", "回复: 早收好啦，一件没湿，姑姑还夸我。"),
        qa("橘子是谁？", "(快乐)是我家的猫，脾气可大了。"),
        qa("橘子是谁？", "(快乐)是我家的猫，脾气可大了。"),
        qa("你喜欢的食物是什么？", "糯米饭，加一勺糖的那种。"),
        qa("没有回答的问题？", ""),
        {"instruction": "连字段都没有？"},
    ]
    (folder / f"{NORTH}_specific_QA..json").write_text(json.dumps(questions, ensure_ascii=False))
    good = [
        reply(NORTH, "说说春天。", "春天能放风筝。"),
        reply(NORTH, "算一算：1加2。", "等于三呗。"),
    ]
    body = rows(*good) + '{"role": "何小北", "instruction": "坏的一行", "generated": "没有引号}\n'
    (folder / f"{NORTH}general_rp1.jsonl").write_bytes(body.encode("utf-8-sig"))
    (folder / f"{NORTH}general_rp2.jsonl").write_bytes(rows(*good).encode("gb18030"))
    lists = [
        reply(NORTH, "说说春天。", ["何小北：地里有荠菜。", "春天能放风筝。", ["天暖和了。"]]),
        reply(NORTH, "唱一句歌。", []),
    ]
    (folder / f"{NORTH}_general_rp3-5.json").write_text(json.dumps(lists, ensure_ascii=False))


def south(folder: Path) -> None:
    """The other: no description, JSON lines, and a file that belongs to the first."""
    folder.mkdir(parents=True)
    lines = [said("其他", f"(中立) 第{n}句，你怎么看？") for n in range(3)]
    answers = [said(SOUTH, f"(惊讶) 第{n}句？我头一回听说。") for n in range(3)]
    talk = [one for pair in zip(lines, answers, strict=True) for one in pair]
    talk.append(said("其他", "(中立) 那就再见。"))
    (folder / f"{SOUTH}_script.jsonl").write_text(rows(*talk, *talk), "utf-8")
    (folder / f"{SOUTH}_specific_QA.json").write_text(
        json.dumps([qa("你头一回听说什么？", "好多事呢，说也说不完。")], ensure_ascii=False)
    )
    copied = folder.parent / NORTH / f"{NORTH}general_rp1.jsonl"
    (folder / f"{SOUTH}_general_rp1.jsonl").write_bytes(copied.read_bytes())


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The folder of the release."""
    root = tmp_path / "release"
    north(root / NORTH)
    south(root / SOUTH)
    (root / "SOURCE.md").write_text("Written for the tests.")
    return root


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., tuple[Path, Report]]:
    """Imports a path into a fresh folder: the folder and the report."""

    def do(source: str, path: Path, **options: object) -> tuple[Path, Report]:
        output = tmp_path / "out"
        return output, run(source, path, output, Options(**options))

    return do
