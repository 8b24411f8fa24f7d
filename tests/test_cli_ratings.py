"""The commands around ratings, run as a researcher runs them, one after the other."""

import json
from pathlib import Path
from typing import Any

import pytest

from rolecraft import __main__ as cli

SHELF = Path(__file__).parent / "data" / "shelf"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.setenv("ROLECRAFT_CHARACTERS", str(SHELF))
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        code = cli.main(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def replies(path: Path) -> Path:
    lines = [
        json.dumps(
            {
                "arm": arm,
                "character": "lu-yuan",
                "question": f"第{n}问？",
                "reply": f"{arm}答{n}。",
            },
            ensure_ascii=False,
        )
        for arm in ("A", "B")
        for n in range(4)
    ]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_a_study_by_commands(run: Any, tmp_path: Path) -> None:
    code, out, _ = run("ratings", "import-replies", str(replies(tmp_path / "r.jsonl")), "--json")
    assert (code, json.loads(out)) == (0, {"replies": 8, "talks": 8, "arms": ["A", "B"]})
    code, out, _ = run(
        "ratings", "study", "spring", "--arms", "A", "B", "--set", "quota=4", "cap=0", "--json"
    )
    assert json.loads(out)["items"]["target"] == 4
    code, out, _ = run("ratings", "summary", "--json")
    assert json.loads(out)["studies"] == {"spring": 16}
    assert json.loads(out)["replies"]["A"] == {
        "replies": 4, "failed": 0, "cut": 0, "names_a_model": 0, "leaves_the_role": 0,
    }  # fmt: skip
    code, out, _ = run("ratings", "verify", "--json")
    assert (code, json.loads(out)["head"]) == (0, "")
    code, _, _ = run("ratings", "verify", "--head", "0" * 64)
    assert code == 1
    code, out, _ = run("results", "human", "--study", "spring", "--save")
    assert code == 0
    assert "No rating counts yet" in out
    assert "theirs" in out
    for suffix in ("csv", "jsonl", "parquet"):
        path = str(tmp_path / "out" / f"spring.{suffix}")
        code, out, _ = run("ratings", "export", path, "--study", "spring", "--snapshot", "newest")
        assert (code, "It is the whole of the kept table" in out) == (0, True)
        code, out, _ = run("results", "replay", path)
        assert (code, out.strip().splitlines()[-1]) == (0, "Same board, bit for bit.")
    code, out, _ = run("results", "snapshots", "--json")
    (kept,) = json.loads(out)
    assert (kept["shown"], len(kept["sha256"])) == (False, 64)
    assert run("ratings", "verify", "--head", kept["sha256"])[0] == 0
    assert "nobody is dealt anything more" in run("ratings", "close", "spring")[1]
    assert json.loads(run("results", "snapshots", "--json")[1])[0]["shown"]
    choice = ("--study", "spring", "--cap", "3", "--snapshot")
    for which, said in ((kept["id"], "counts other ratings"), ("newest", "was kept yet")):
        code, _, err = run("ratings", "export", "out.csv", *choice, which)
        assert (code, said in err) == (1, True)
    code, out, _ = run("ratings", "to-training", str(tmp_path / "t"), "--json")
    body = json.loads(out)
    assert (body["sft"], body["records"]) == (0, {"in": 0, "used": 0, "refused": 0})
    assert json.loads((tmp_path / "t" / "manifest.json").read_text())["engine"] == "rolecraft-mini"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("ratings", "import-replies", "none.jsonl"), "none.jsonl cannot be read"),
        (("ratings", "export", "out.xls"), "ends in '.xls'"),
        (("ratings", "study", "s", "--set", "quota"), "is no NAME=VALUE"),
        (("ratings", "study", "s", "--set", "colour=1"), "has no colour"),
        (("ratings", "study", "s", "--set", "quota=x"), "is no number"),
        (("results", "human", "--study", "none"), "no study 'none'"),
        (("results", "replay", "none.csv"), "Keep the files"),
    ],
)
def test_what_cannot_be_done_is_said(run: Any, args: tuple[str, ...], said: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (1, "")
    assert said in err
