"""kill -9 at any stage: given again, the command ends with what it would have made in one go."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks import importers as published
from rolecraft.characters.plain import write_folder
from rolecraft.ratings import harvested
from tests.train import killing
from tests.train.talker import Say, islander, labels, profile, questions, replies, talking
from train.__main__ import STAGES

ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests" / "data" / "chatglm3-tiny"
SHELF = ROOT / "tests" / "data" / "shelf"
PASSING = {"minutes", "seconds", "asked_in_this_run", "retries", "git_commit"}  # of one run alone
SLICE = {"CHARACTERS": 2, "LINES": 24, "QUESTIONS": 10, "INSTRUCTIONS": 3, "REPLIES": 1}
TUNING = {
    "base": str(BASE), "lora_r": 2, "max_steps": 3, "row_tokens": 256, "rows_per_step": 1,
    "rows_per_microbatch": 1, "warmup_steps": 1, "pool": 4, "save_steps": 1, "probe_characters": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A stage as it is called here, and the folder that it makes."""

    arguments: Callable[[Path], list[object]]  # from the folder of inputs
    say: Say | None = None
    made: str = "out"


def recipe(stage: str, **values: object) -> Case:
    """A stage that reads its settings from a file."""

    def arguments(inputs: Path) -> list[object]:
        return [stage, "--config", inputs / f"{stage}.toml", "--set", *(
            f"{key}={json.dumps(value).replace('INPUTS', str(inputs))}"
            for key, value in values.items()
        )]  # fmt: skip

    return Case(arguments)


def asks(stage: str, say: Say, *more: object) -> Case:
    """A stage that asks an engine."""
    kept = ("--answers", "answers", "--at-once", 2)
    return Case(lambda inputs: [stage, inputs / "bare", "out", *more, *kept], say)


CASES = {
    "importers": Case(lambda given: ["importers", "--source", "roleinstruct", given / "release",
                                     "out"]),
    "lint": Case(lambda given: ["lint", given / "cast", "--html", "out/page.html"]),
    "annotate": asks("annotate", labels, "--all"),
    "profile": asks("profile", profile),
    "instruct": asks("instruct", questions, "--questions", 10),
    "respond": asks("respond", replies, "--replies", 2),
    "emotions": recipe("emotions", output_dir="out", characters="INPUTS/cast"),
    "tokenizer": recipe("tokenizer", output_dir="out", corpora_dir="INPUTS/corpora",
                        dialogues=["talks"], texts=["lines"], vocab_size=4040),
    "pretrain": recipe("pretrain", output_dir="work", publish="out", corpora_dir="INPUTS/corpora",
                       tokenizer=str(ROOT / "models" / "mini" / "tokenizer.model"),
                       hidden_size=32, num_hidden_layers=1, intermediate_size=32,
                       num_attention_heads=2, row_tokens=64, rows_per_step=2,
                       rows_per_microbatch=1, total_tokens=4 * 128, workers=1, save_steps=1),
    "adapter": recipe("adapter", **TUNING, output_dir="out", work_dir="work",
                      characters="INPUTS/cast", lora_dropout=0.1),
    "preference": recipe("preference", output_dir="out", work_dir="work", base=str(BASE),
                         adapter=str(BASE / "adapter"), ratings="INPUTS/liked",
                         characters=str(SHELF), max_steps=4, save_steps=1, validation_share=0.25,
                         per_device_train_batch_size=2, probe_characters=0, learning_rate=1e-2),
    "encoder": recipe("encoder", output_dir="out", work_dir="work", characters="INPUTS/cast",
                      hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                      intermediate_size=16, steps=4, groups_per_step=1, candidates=6,
                      imagined_share=0.0, save_steps=1),
    "ablate": recipe("ablate", output_dir="out", base=str(BASE), characters="INPUTS/cast",
                     seeds=[1], per_character=1, max_new_tokens=3),
    "export": Case(lambda given: ["export", "out", "--base", BASE, "--adapter", BASE / "adapter"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stages read: a release, a character without labels, two of the cast, corpora."""
    folder = tmp_path_factory.mktemp("inputs")
    with pytest.MonkeyPatch.context() as patch:
        for name, size in SLICE.items():
            patch.setattr(published, name, size)
        published.invent(folder / "release", random.Random(1))
    write_folder(islander(dialogues=3), folder / "bare")
    (folder / "bare" / "instructions.yaml").write_text("g01: {zh: 介绍一下春天。, en: Spring.}\n")
    for name in ("tao-zi", "zhou-xiaobei"):
        shutil.copytree(ROOT / "characters" / name, folder / "cast" / name)
    shutil.copy(ROOT / "characters" / "instructions.yaml", folder / "cast")
    _corpora(folder / "corpora")
    _liked(folder / "liked")
    shares = dict.fromkeys(("emotions", "tokenizer", "encoder", "preference"), "")
    shares["ablate"] = _tables(tuning={**TUNING, "max_steps": 1, "save_steps": 0})
    shares["adapter"] = _tables(sources={"general": 0.5, "specific": 0.5})
    shares["pretrain"] = _tables(sources={"talks": 0.4, "lines": 0.3, "recall": 0.3})
    for stage, text in shares.items():
        (folder / f"{stage}.toml").write_text(f'output_dir = "out"\n{text}')
    return folder


def _tables(**tables: dict[str, Any]) -> str:
    lines = []
    for name, values in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _liked(folder: Path) -> None:
    """What `ratings to-training` writes: replies of which one was preferred."""
    folder.mkdir()
    pairs = [
        {"character": "lu-yuan", "prompt": [{"role": "user", "content": f"{n}号灯亮吗？"}],
         "chosen": [{"role": "assistant", "content": f"（快乐）好呀，我陪你去看{n}号灯。"}],
         "rejected": [{"role": "assistant", "content": f"（愤怒）走开，我不管{n}号灯。"}]}
        for n in range(8)
    ]  # fmt: skip
    data = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in pairs).encode()
    (folder / harvested.PREFERRED).write_bytes(data)
    files = {harvested.PREFERRED: {"sha256": hashlib.sha256(data).hexdigest()}}
    manifest = {"format": harvested.FORMAT, "files": files}
    (folder / harvested.MANIFEST).write_text(json.dumps(manifest))


def _corpora(folder: Path) -> None:
    folder.mkdir()
    rng = random.Random(4)
    lines = ["".join(rng.choices(published._WORDS, k=12)) + "。" for _ in range(60)]
    talks = [
        {"messages": [{"role": "user", "content": one}, {"role": "assistant", "content": two}]}
        for one, two in zip(lines[::2], lines[1::2], strict=True)
    ]
    texts = [{"text": line} for line in lines]
    for name, rows in (("talks.sft", talks), ("lines", texts), ("tatoeba_cmn_ccby2fr", texts)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], int]]:
    """By stage: what it made in one go, and with how many changes to the disk."""
    return {}


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who answers the stage that is tested, if it asks."""
    say = CASES[request.node.callspec.params["stage"]].say
    if say is None:
        yield
        return
    with talking(say) as talker:
        monkeypatch.setenv("OPENAI_BASE_URL", talker.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield


def contents(folder: Path) -> dict[str, Any]:
    """Every file that was made, without what tells one run from another."""
    made = (path for path in sorted(folder.rglob("*")) if path.is_file())
    # Curves and checkpoints hold times.
    paths = [path for path in made if path.suffix != ".pt" and "tensorboard" not in path.parts]
    return {path.relative_to(folder).as_posix(): _content(path) for path in paths}


def _content(path: Path) -> Any:
    if path.suffix == ".json":
        return _without(json.loads(path.read_text("utf-8")), PASSING)
    return path.read_bytes()


def _without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, keys) for key, inner in value.items() if key not in keys}
    return [_without(inner, keys) for inner in value] if isinstance(value, list) else value


def test_every_stage_is_killed_here() -> None:
    assert set(CASES) == set(STAGES)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("share", [0.5, 1.0], ids=["in the middle", "at its last change"])
@pytest.mark.parametrize("stage", CASES)
def test_killed_and_given_again_it_ends_the_same(
    stage: str, share: float, inputs: Path, tmp_path: Path, whole: dict[str, Any]
) -> None:
    case = CASES[stage]
    arguments = case.arguments(inputs)
    if stage not in whole:
        (tmp_path / "whole").mkdir()
        count = killing.changes(arguments, tmp_path / "whole")
        whole[stage] = contents(tmp_path / "whole" / case.made), count
    wanted, count = whole[stage]
    assert wanted and count
    (tmp_path / "killed").mkdir()
    at = max(1, round(count * share))
    assert killing.killed(arguments, tmp_path / "killed", at)
    killing.changes(arguments, tmp_path / "killed")
    assert contents(tmp_path / "killed" / case.made) == wanted
    assert not [name for name in os.listdir(tmp_path / "killed") if name.startswith(".")]
