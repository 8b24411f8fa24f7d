"""The command line: exit codes, JSON shapes and what is said when a name is wrong.

The encoder is a tiny one with random weights; the engines that answer are the scripted and the
written one, so that no model has to be trained first.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rolecraft import __main__ as cli
from rolecraft.engines.base import EngineCard
from rolecraft.knowledge.encoder import FlagEncoder, Vectors
from rolecraft.store.folder import DataFolder

DATA = Path(__file__).parent / "data" / "shelf"
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, the small shelf and the tiny models; no key."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ROLECRAFT_PROFILE", "ROLECRAFT_CHROMA_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROLECRAFT_MODELS_DIR", str(models))
    monkeypatch.setenv("ROLECRAFT_CHARACTERS", str(DATA))
    monkeypatch.setenv("ROLECRAFT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    logging.getLogger("rolecraft").setLevel(logging.NOTSET)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What a command prints on stdout, after its exit status was looked at."""
    assert cli.main(arguments) == status
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that fails says on stderr; stdout stays empty for whoever reads JSON."""
    assert cli.main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


# -- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["talk"], "invalid choice: 'talk'"),
        (["characters"], "required"),
        (["space"], "required"),
        (["space", "render"], "OUT"),
        (["chat", "lu-yuan"], "text"),
        (["retrieve", "lu-yuan"], "question"),
        (["retrieve", "lu-yuan", "几岁", "-k", "0"], "'0' is no whole number from 1 to 100"),
        (["retrieve", "lu-yuan", "几岁", "-k", "three"], "'three' is no whole number"),
        (["chat", "lu-yuan", "好", "--emotion", "高兴"], "'高兴' (choose from"),
        (["chat", "lu-yuan", "好", "--seed", "-1"], "'-1' is no whole number"),
        (["serve", "--port", "70000"], "'70000' is no whole number from 1 to 65535"),
        (["serve", "--profile", "big"], "'big' (choose from"),
    ],
)
def test_wrong_arguments_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ("serve", "characters", "retrieve", "chat", "engines", "space"):
        assert command in shown


def test_a_wrong_environment_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLECRAFT_PORT", "seven")
    assert "ROLECRAFT_PORT is 'seven'" in refused(capsys, "engines")


# -- characters -----------------------------------------------------------------------------------


def test_characters_check_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    card = tmp_path / "shelf" / "no-one" / "card.yaml"
    card.parent.mkdir(parents=True)
    card.write_text("id: no-one\nmood: 高兴\n", encoding="utf-8")
    report = json.loads(said(capsys, "characters", "check", "shelf", "--json", status=1))
    assert set(report) >= {"characters", "ok"}
    assert report["ok"] is False
    [one] = report["characters"]
    assert set(one) >= {"id", "ok", "problems", "counts"}
    assert (one["id"], one["ok"]) == ("no-one", False)
    for problem in one["problems"]:
        assert {"path", "line", "field", "value", "remedy"} <= set(problem)
    assert any(p["field"] == "mood" and p["line"] == 2 for p in one["problems"])


def test_the_shipped_characters_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    shelf = str(REPOSITORY / "characters")
    report = json.loads(said(capsys, "characters", "check", shelf, "--json"))
    assert report["ok"] is True
    assert {"zhou-xiaobei", "tao-zi"} <= {one["id"] for one in report["characters"]}


def test_a_missing_shelf_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No folder of characters at 'nowhere'" in refused(
        capsys, "characters", "check", "nowhere"
    )


# -- retrieve -------------------------------------------------------------------------------------


def test_retrieve_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "retrieve", "lu-yuan", "你几岁了？", "-k", "4", "--json"))
    assert len(found) == 4
    for passage in found:
        assert set(passage) == {"field", "text", "similarity", "used"}
        assert isinstance(passage["similarity"], float)
        assert isinstance(passage["used"], bool)


def test_retrieve_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "retrieve", "lu-yuan", "你几岁了？").splitlines()
    assert len(lines) == 3
    assert all(line[0] in "* " for line in lines)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passages that commands encode."""
    texts: list[str] = []
    encode = FlagEncoder.encode_passages

    def counting(self: FlagEncoder, some: Sequence[str]) -> Vectors:
        texts.extend(some)
        return encode(self, some)

    monkeypatch.setattr(FlagEncoder, "encode_passages", counting)
    return texts


def test_what_a_command_encoded_the_next_one_finds(
    capsys: pytest.CaptureFixture[str], place: Path, encoded: list[str]
) -> None:
    first = said(capsys, "retrieve", "lu-yuan", "你几岁了？", "--json")
    assert encoded
    encoded.clear()
    with DataFolder.claim(place / "data"):  # as the page holds it
        assert said(capsys, "retrieve", "lu-yuan", "你几岁了？", "--json") == first
    assert encoded == []


def test_two_commands_at_once_do_not_wait_for_each_other(
    capsys: pytest.CaptureFixture[str], place: Path, encoded: list[str]
) -> None:
    first = said(capsys, "retrieve", "lu-yuan", "你几岁了？", "--json")
    encoded.clear()
    with DataFolder.claim(place / "data" / "commands"):
        assert said(capsys, "retrieve", "lu-yuan", "你几岁了？", "--json") == first
    assert encoded


def test_where_nothing_can_be_written_a_command_still_answers(
    capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    (place / "data").write_text("a file where the folder should be")
    assert json.loads(said(capsys, "retrieve", "lu-yuan", "你几岁了？", "--json"))


# -- chat -----------------------------------------------------------------------------------------

TURN: dict[str, Any] = {
    "reply": str, "emotion": (str, type(None)), "passages": list, "engine": str, "base": str,
    "adapter": (str, type(None)), "prompt_tokens": int, "reply_tokens": int,
    "first_token_ms": float, "total_ms": float, "finish": str, "seed": int, "sampling": dict,
}  # fmt: skip


def talk(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = json.loads(said(capsys, "chat", *arguments, "--json"))
    for turn in turns:
        assert set(turn) == set(TURN)
        for key, kind in TURN.items():
            assert isinstance(turn[key], kind), key
    return turns


def test_chat_as_json_has_one_object_for_each_turn(capsys: pytest.CaptureFixture[str]) -> None:
    turns = talk(capsys, "lu-yuan", "你好", "你几岁了？", "--engine", "scripted", "--seed", "3")
    assert [turn["seed"] for turn in turns] == [3, 3]
    assert {turn["engine"] for turn in turns} == {"scripted"}
    assert turns[1]["finish"] == "stop"
    assert {"temperature", "top_p", "max_new_tokens", "seed"} <= set(turns[0]["sampling"])
    for passage in turns[1]["passages"]:
        assert set(passage) == {"field", "text", "similarity", "used"}


def test_a_character_answers_to_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    by_id = talk(capsys, "lu-yuan", "你好", "--engine", "written", "--seed", "1")
    by_name = talk(capsys, "Lu Yuan", "你好", "--engine", "written", "--seed", "1")
    assert by_id[0]["reply"] == by_name[0]["reply"] != ""


def test_an_asked_emotion_opens_the_reply(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("lu-yuan", "你好", "--engine", "scripted", "--emotion", "惊讶")
    assert talk(capsys, *arguments)[0]["emotion"] == "惊讶"


def test_chat_for_people_shows_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "chat", "lu-yuan", "你好", "--engine", "scripted")
    assert "> 你好" in shown


def test_an_unknown_character_names_the_shelf(capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "chat", "lu-yuen", "你好", "--engine", "scripted", "--json")
    assert "No character named 'lu-yuen'" in error
    assert "Did you mean" in error
    assert "Traceback" not in error


def test_an_unknown_engine_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "chat", "lu-yuan", "你好", "--engine", "rolecraft-maxi", "--json")
    assert "No engine named 'rolecraft-maxi'. Known: rolecraft-mini" in error


def test_an_engine_that_is_not_here_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "chat", "lu-yuan", "你好", "--engine", "rolecraft-mini")
    assert "rolecraft-mini cannot answer here: put the weights into" in error
    error = refused(capsys, "chat", "lu-yuan", "你好", "--engine", "gpt-4")
    assert "OPENAI_API_KEY" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [("  \x00\x1b ", "Write something"), ("长" * 100_000, "100000 characters; the most is 2000")],
)
def test_what_nobody_may_send_is_refused(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert message in refused(capsys, "chat", "lu-yuan", text, "--engine", "scripted")


def test_words_of_self_harm_reach_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    turns = talk(capsys, "lu-yuan", "你好", "我不想活了", "你好", "--engine", "scripted")
    assert [turn["engine"] for turn in turns] == ["scripted", "care", "scripted"]
    assert "12356" in turns[1]["reply"]
    assert "988" in talk(capsys, "lu-yuan", "I want to die", "--engine", "scripted")[0]["reply"]


def test_a_missing_encoder_is_said_and_nothing_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    (place / "models" / "mini" / "encoder").mkdir(parents=True)
    monkeypatch.setenv("ROLECRAFT_MODELS_DIR", str(place / "models"))
    assert "No encoder in" in refused(capsys, "chat", "lu-yuan", "你好")
    assert not (place / "data").exists()


# -- engines and space ----------------------------------------------------------------------------


def test_engines_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    cards = {card["name"]: card for card in json.loads(said(capsys, "engines", "--json"))}
    fields = set(EngineCard.__dataclass_fields__)
    assert all(set(card) == fields for card in cards.values())
    assert {"rolecraft-mini", "mini-base", "rolecraft-glm", "chatglm3", "gpt-4", "written"} <= set(
        cards
    )
    assert cards["written"]["available"] is True
    assert cards["chatglm3"]["available"] is False
    assert "zai-org/chatglm3-6b" in cards["chatglm3"]["remedy"]


def test_engines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "engines")
    assert "gpt-4" in shown
    assert "not here: set OPENAI_API_KEY" in shown


def test_space_check_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    good = str(REPOSITORY / "space.yaml")
    assert json.loads(said(capsys, "space", "check", good, "--json")) == {
        "problems": [],
        "ok": True,
    }
    report = json.loads(said(capsys, "space", "check", "no.yaml", "--json", status=1))
    assert report["ok"] is False
    assert "no.yaml does not exist" in report["problems"][0]


def test_space_render_writes_the_folder(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    good = str(REPOSITORY / "space.yaml")
    report = json.loads(said(capsys, "space", "render", "out", good, "--json"))
    assert {"README.md", "app.py", "rolecraft/__main__.py"} <= set(report["files"])
    assert all((place / "out" / name).is_file() for name in report["files"])
    assert "out is not empty" in refused(capsys, "space", "render", "out", good)
