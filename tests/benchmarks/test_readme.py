"""What README.md says: its blocks are fresh, its commands parse, its examples load."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from benchmarks import readme
from rolecraft.__main__ import make_parser
from rolecraft.characters import read_shelf
from rolecraft.characters.cards import read_card, save_card, write_card
from rolecraft.characters.folder import CARD_FIELDS
from rolecraft.characters.model import KINDS
from rolecraft.engines.catalog import CATALOGUE, Catalog
from rolecraft.settings import VARIABLES, Settings
from train.__main__ import STAGES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")} | {
    ROOT / "README.md": TEXT
}


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.S | re.M)


# -- the file as it is ----------------------------------------------------------------------------


def test_no_block_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert readme.main(["--check"]) == 0, capsys.readouterr().err


def test_it_opens_with_a_sentence_a_picture_and_the_two_commands() -> None:
    title, sentence, picture, commands = TEXT.split("\n\n")[:4]
    assert title == "# RoleCraft"
    assert sentence.count(".") == 1
    assert picture.startswith("![")
    assert [line.split("#")[0].strip() for line in commands.strip("`\n").splitlines()] == [
        "make run", "make test",
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", PAGES[page])
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


def test_every_command_parses() -> None:
    commands = re.findall(r"^python -m rolecraft (.+)$", "".join(fences("")), re.M)
    assert len(commands) > 5
    for command in commands:
        make_parser().parse_args(shlex.split(command))


def test_every_training_command_names_a_stage_and_a_file() -> None:
    commands = re.findall(r"python -m train (\w+) --config (\S+?)`", TEXT)
    assert len(commands) > 4
    for stage, config in commands:
        assert stage in STAGES
        assert (ROOT / config).is_file()


def test_every_variable_that_is_named_exists() -> None:
    named = set(re.findall(r"\b(?:ROLECRAFT|OPENAI|SPACES)_[A-Z_]+", TEXT))
    assert named == {variable.name for variable in VARIABLES}


def test_the_folder_format_is_complete() -> None:
    section = TEXT.split("## Bring your own character")[1].split("\n## ")[0]
    for name in (*CARD_FIELDS, *KINDS):
        assert f"`{name}`" in section


def test_the_example_character_loads(tmp_path: Path) -> None:
    [card] = [block for block in fences("yaml") if block.startswith("id:")]
    folder = tmp_path / yaml.safe_load(card)["id"]
    folder.mkdir()
    (folder / "card.yaml").write_text(card, encoding="utf-8")
    shelf = read_shelf(tmp_path)
    assert shelf.problems == ()
    assert shelf.get("小兰").profile["occupation"] == "旧书店店员"


def test_the_example_engine_is_listed(tmp_path: Path) -> None:
    [example] = [block for block in fences("yaml") if block.startswith("engines:")]
    catalogue = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    catalogue["engines"] |= yaml.safe_load(example)["engines"]
    path = tmp_path / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    entry = Catalog(Settings(openai_api_key="sk-1"), path).entry("my-model")
    assert entry.card.available
    assert entry.model == "the-name-that-the-server-knows"


def test_the_example_import_of_a_card_works(tmp_path: Path) -> None:
    [code] = [block for block in fences("python") if "read_card" in block]
    assert "save_card(read_card(" in code
    someone = read_shelf(ROOT / "characters").characters[0]
    (tmp_path / "mine").mkdir()
    save_card(read_card(write_card(someone), "card.png"), tmp_path / "mine")
    assert read_shelf(tmp_path / "mine").get(someone.id).greeting == someone.greeting


def test_the_makefile_checks_it() -> None:
    assert "benchmarks.readme --check" in (ROOT / "Makefile").read_text(encoding="utf-8")


# -- the markers ----------------------------------------------------------------------------------

BEFORE = (
    "# A\n<!-- begin: a -->\nold\n<!-- end: a -->\nkept |\n<!-- begin: b -->\n<!-- end: b -->\n"
)
BLOCKS = {"a": lambda: "new\n", "b": lambda: ""}


def test_only_what_is_marked_is_written() -> None:
    after = readme.regenerated(BEFORE, BLOCKS)
    assert after == BEFORE.replace("old", "new")
    assert readme.stale(BEFORE, after) == ["a"]
    assert readme.regenerated(after, BLOCKS) == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- begin: a -->\n", "'a' needs one begin and one end"),
        ("<!-- end: a -->\n<!-- begin: a -->\n", "'a' needs one begin and one end"),
        (BEFORE + BEFORE, "'a' needs one begin and one end"),
        ("<!-- begin: c -->\n<!-- end: c -->\n", "Nobody writes the block 'c'. Known: a, b"),
    ],
)
def test_markers_that_do_not_fit_are_named(text: str, said: str) -> None:
    with pytest.raises(readme.ReadmeError, match=re.escape(said)):
        readme.regenerated(text, BLOCKS)


def test_check_writes_nothing_and_names_the_stale_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "README.md"
    stale = "<!-- begin: environment -->\nold\n<!-- end: environment -->\n"
    path.write_text(stale, encoding="utf-8")
    assert readme.main(["--check"], path) == 1
    assert "stale: environment" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == stale
    assert readme.main([], path) == 0
    assert readme.main(["--check"], path) == 0
    assert "`ROLECRAFT_PORT` | `7860`" in path.read_text(encoding="utf-8")


def test_a_benchmark_writes_its_own_block_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(BEFORE, encoding="utf-8")
    readme.write_block(page, "b", "| \\1 |\n")
    assert readme.block_of(page, "b") == "| \\1 |\n" and readme.block_of(page, "a") == "old\n"
    readme.write_block(page, "b", "")
    assert page.read_text(encoding="utf-8") == BEFORE
    with pytest.raises(readme.ReadmeError, match=r"page\.md has no place .* 'c'"):
        readme.write_block(page, "c", "")


def test_a_cell_cannot_break_its_table() -> None:
    assert readme.table(("a",), [("x|y\nz",)]) == "| a |\n| --- |\n| x\\|y z |\n"


# -- measured tables ------------------------------------------------------------------------------

MINI = {
    "engine": "rolecraft-mini",
    "facts_shipped": {"asked": 400, "told": 0.95},
    "facts_shipped_unmarked": {"asked": 400, "told": 0.8425},
    "facts_never_trained": {"asked": 400, "told": 0.795},
    "turns": 500, "empty": 0, "repeating": 2, "naming_a_machine": 0, "without_emotion": 3,
    "cut_by_length": 4, "first_token_ms_median": 120.4, "first_token_ms_p95": 310.0,
    "reply_characters_mean": 21.5,
}  # fmt: skip


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    return tmp_path


def test_what_was_not_measured_is_said(results: Path) -> None:
    assert readme.mini() == "Not measured yet: `python -m benchmarks.mini` writes the figures.\n"
    assert "benchmarks.retrieval" in readme.retrieval()


def test_a_bar_that_was_missed_says_so(results: Path) -> None:
    (results / "mini.json").write_text(json.dumps(MINI), encoding="utf-8")
    shown = readme.mini()
    assert "| profile facts told, shipped characters | 95.0% of 400 | ≥ 90% | reached |" in shown
    assert "| the same, asked without a question mark | 84.2% of 400 |" in shown
    assert "characters never trained on | 79.5% of 400 | ≥ 80% | missed |" in shown
    assert "| 2 of 500 | 0 | missed |" in shown
    assert "| first token, median | 120 ms | ≤ 300 ms on two cores | reached |" in shown
    assert "| first token, 95th percentile | 310 ms |  |  |" in shown


def test_every_encoder_has_its_row(results: Path) -> None:
    one = {"encoder": "mini", "recall_at_3": 0.9, "questions": 269, "median_ms": 12.5}
    other = one | {"encoder": "BAAI/bge-small-zh-v1.5", "recall_at_3": 0.8999}
    (results / "retrieval.json").write_text(json.dumps([one, other]), encoding="utf-8")
    rows = readme.retrieval().splitlines()[2:]
    assert rows[0] == "| `mini` | 90.0% of 269 | ≥ 90% | reached | 12.5 ms |"
    assert "| 89.9% of 269 | ≥ 90% | missed |" in rows[1]


def test_stages_come_in_the_order_in_which_they_need_each_other() -> None:
    commands = re.findall(r"train/configs/(\w+)\.toml", readme.recipe())
    assert commands.index("tokenizer") < commands.index("pretrain_language")
    assert commands.index("pretrain_language") < commands.index("pretrain_dialogue")
    assert commands.index("pretrain_dialogue") < commands.index("adapter_mini")
