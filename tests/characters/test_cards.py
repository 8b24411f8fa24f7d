"""Tavern cards come in and go out without losing a field, and bad files are refused in words."""

import base64
import copy
import dataclasses
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rolecraft.characters import Character, Shelf, read_shelf
from rolecraft.characters.cards import MAX_UNPACKED, Imported, read_card, save_card, write_card
from rolecraft.characters.png import text_chunks, with_text
from rolecraft.errors import CharacterInvalid

CAST = Path(__file__).parents[2] / "characters"

FOREIGN: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "name": "Mira Vale",
    "create_date": "2024-1-1",
    "data": {
        "name": "Mira Vale",
        "description": "Mira keeps {{user}}'s lost letters.\nAge: 41\nFavourite food: plum cake",
        "personality": "patient, dry, curious",
        "scenario": "A post office at the end of the line.",
        "first_mes": "Oh, {{user}}! {{char}} has a letter for you.",
        "mes_example": (
            "<START>\n{{user}}: Any news?\n{{char}}: （快乐）Two postcards,\nand a button.\n"
            "<START>\n{{user}}: Bye.\n{{char}}: Mind the step."
        ),
        "creator_notes": "A quiet one.\nBest with tea.",
        "system_prompt": "Stay dry.",
        "post_history_instructions": "",
        "alternate_greetings": ["We are closed.", "Stamps or sympathy?"],
        "character_book": {"entries": [{"keys": ["letter"], "content": "…", "x": 1}]},
        "tags": ["post", "slice of life"],
        "creator": "someone",
        "character_version": "1.2",
        "extensions": {"depth_prompt": {"depth": 4}, "talkativeness": "0.5"},
        "unknown_field": [1, {"two": None}],
    },
}


@pytest.fixture(scope="module")
def cast() -> Shelf:
    return read_shelf(CAST)


def dumped(card: dict[str, Any]) -> bytes:
    return json.dumps(card, ensure_ascii=False).encode()


def a_picture(size: tuple[int, int] = (12, 18), kind: str = "PNG") -> bytes:
    body = io.BytesIO()
    Image.new("RGB", size, (200, 30, 90)).save(body, kind)
    return body.getvalue()


def a_zip(files: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def bare(character: Character) -> Character:
    return dataclasses.replace(character, folder=None, portrait=None)


@pytest.mark.parametrize("container", ["json", "png", "charx"])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["zhou-xiaobei", "dong-wenjie"])
def test_a_character_goes_out_and_comes_back_whole(
    container: Any, version: int, name: str, cast: Shelf, tmp_path: Path
) -> None:
    character = cast.get(name)
    card = read_card(write_card(character, container, version))
    assert bare(card.character) == bare(character)
    assert (card.picture is not None) == (container != "json")
    folder = save_card(card, tmp_path)
    again = read_shelf(tmp_path)
    assert again.problems == ()
    assert bare(again.get(name)) == bare(character)
    assert not (folder / "tavern.json").exists()


@pytest.mark.parametrize("container", ["json", "png", "charx"])
def test_a_foreign_card_keeps_every_field(container: Any, tmp_path: Path) -> None:
    save_card(read_card(dumped(FOREIGN), "mira.json"), tmp_path)
    character = read_shelf(tmp_path).get("Mira Vale")
    body = write_card(character, container, 2)
    if container == "png":
        card = json.loads(base64.b64decode(text_chunks(body)["chara"]))
    elif container == "charx":
        card = json.loads(zipfile.ZipFile(io.BytesIO(body)).read("card.json"))
        card["data"].pop("assets")
        card["data"].pop("group_only_greetings")
        assert (card.pop("spec"), card.pop("spec_version")) == ("chara_card_v3", "3.0")
        card |= {"spec": "chara_card_v2", "spec_version": "2.0"}
    else:
        card = json.loads(body)
    extension = card["data"]["extensions"].pop("rolecraft")
    assert extension["card"]["id"] == "mira-vale"
    assert card == FOREIGN
    assert bare(read_card(body).character).profile == character.profile


def test_what_a_foreign_card_becomes() -> None:
    character = read_card(dumped(FOREIGN)).character
    assert character.id == "mira-vale"
    assert character.greeting["zh"] == "Oh, 你! Mira Vale has a letter for you."
    assert character.traits == ("patient", "dry", "curious")
    assert character.profile["age"] == "41"
    assert character.profile["favourite_food"] == "plum cake"
    assert character.profile["background"] == (
        "Mira keeps 你's lost letters.\nA post office at the end of the line."
    )
    assert character.tagline["zh"] == "A quiet one."
    assert [one["zh"] for one in character.alternate_greetings][0] == "We are closed."
    first, second = character.script
    assert first.turns[1].speaker == "Mira Vale"
    assert first.turns[1].text == "Two postcards,\nand a button."
    assert [turn.emotion for turn in first.turns] == ["中立", "快乐"]
    assert second.turns[0].text == "Bye."


def test_only_what_was_changed_here_is_written_over() -> None:
    character = read_card(dumped(FOREIGN)).character
    changed = dataclasses.replace(character, greeting={"zh": "进来吧。", "en": "Come in."})
    card = json.loads(write_card(changed, "json", 2))
    card["data"]["extensions"].pop("rolecraft")
    expected = copy.deepcopy(FOREIGN)
    expected["data"]["first_mes"] = "进来吧。"
    assert card == expected


def test_what_another_program_edited_wins(cast: Shelf) -> None:
    son = cast.get("zhou-xiaobei")
    card = json.loads(write_card(son, "json"))
    card["data"]["first_mes"] = "你可来啦！"
    colour = f"喜欢的颜色：{son.profile['favourite_colour']}"
    assert colour in card["data"]["description"]
    card["data"]["description"] = card["data"]["description"].replace(colour, "喜欢的颜色：墨绿色")
    card["data"]["extensions"]["other"] = {"kept": True}
    edited = read_card(dumped(card)).character
    assert edited.greeting["zh"] == "你可来啦！"
    assert edited.profile == {**son.profile, "favourite_colour": "墨绿色"}
    assert edited.questions == son.questions
    again = json.loads(write_card(edited, "json"))
    assert again["data"]["extensions"]["other"] == {"kept": True}
    assert again["data"]["first_mes"] == "你可来啦！"


def test_version_1_and_names_without_letters() -> None:
    flat = {"name": "阿月", "description": "住在井边。", "first_mes": "嘘。", "extra": 7}
    character = read_card(dumped(flat)).character
    assert character.id.startswith("character-")
    assert character.greeting["zh"] == "嘘。"
    again = json.loads(write_card(character, "json", 2))
    assert again["extra"] == 7 and again["data"]["extra"] == 7
    assert again["data"]["description"] == "住在井边。"
    assert read_card(dumped(flat), identity="a-yue").character.id == "a-yue"


def test_v3_is_preferred_in_a_png_and_the_picture_keeps_its_pixels() -> None:
    other = copy.deepcopy(FOREIGN)
    other["data"]["name"] = "Old Name"
    body = with_text(
        a_picture(),
        {
            "chara": base64.b64encode(dumped(other)),
            "ccv3": base64.b64encode(dumped({**FOREIGN, "spec": "chara_card_v3"})),
            "chara-ext-asset_:pictures/door.png": base64.b64encode(b"door"),
        },
    )
    card = read_card(body)
    assert card.character.name["zh"] == "Mira Vale"
    assert card.assets == {"pictures/door.png": b"door"}
    assert card.picture is not None
    assert text_chunks(card.picture) == {}
    assert Image.open(io.BytesIO(card.picture)).getpixel((3, 3)) == (200, 30, 90)


def test_charx_assets_survive(tmp_path: Path) -> None:
    card = copy.deepcopy(FOREIGN) | {"spec": "chara_card_v3", "spec_version": "3.0"}
    card["data"]["assets"] = [
        {"type": "icon", "uri": "embeded://assets/icon/a.jpg", "name": "main", "ext": "jpg"},
        {"type": "emotion", "uri": "embeded://assets/glad.png", "name": "glad", "ext": "png"},
    ]
    files = {
        "card.json": dumped(card),
        "assets/icon/a.jpg": a_picture(kind="JPEG"),
        "assets/glad.png": a_picture((2, 2)),
        "module.risum": b"\x00\x01",
    }
    folder = save_card(read_card(a_zip(files), "mira.charx"), tmp_path)
    assert (folder / "portrait.png").is_file()
    assert (folder / "assets" / "module.risum").read_bytes() == b"\x00\x01"
    character = read_shelf(tmp_path).get("mira-vale")
    with zipfile.ZipFile(io.BytesIO(write_card(character, "charx"))) as again:
        assert {name: again.read(name) for name in again.namelist() if name != "card.json"} == {
            name: content for name, content in files.items() if name != "card.json"
        }
        assert json.loads(again.read("card.json"))["data"]["assets"] == card["data"]["assets"]
    back = read_card(write_card(character, "png"))
    assert back.assets["assets/glad.png"] == files["assets/glad.png"]


def test_a_folder_is_never_written_over(tmp_path: Path) -> None:
    card = read_card(dumped(FOREIGN))
    save_card(card, tmp_path)
    with pytest.raises(CharacterInvalid, match="already. Choose another id"):
        save_card(card, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mira-vale"]


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/etc/evil", "a/../../evil", "C:\\evil", "a\\..\\evil", "x" * 300]
)
def test_names_that_would_leave_the_folder_are_refused(name: str) -> None:
    body = a_zip({"card.json": dumped(FOREIGN), name: b"evil"})
    with pytest.raises(CharacterInvalid, match="holds a file called"):
        read_card(body, "evil.charx")


def with_data(**changes: Any) -> bytes:
    card = copy.deepcopy(FOREIGN)
    card["data"].update(changes)
    return dumped(card)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[1]", "its JSON is no object"),
        (b"{}", "it has no data.name"),
        (b'{"data": {"name": "\\ud800"}}', "not valid JSON in UTF-8"),
        (b'{"data": {"name": "x", "y": NaN}}', "not valid JSON in UTF-8"),
        (b"[" * 200_000, "not valid JSON"),
        (with_data(name=""), "data.name is empty"),
        (with_data(first_mes=5), "data.first_mes is '5'; it must be a text"),
        (with_data(tags="a,b"), "data.tags is 'a,b'; it must be a list"),
        (
            with_data(extensions={"rolecraft": {"card": {"id": "x", "mood": "开心"}}}),
            "data.extensions.rolecraft",
        ),
        (with_data(extensions={"rolecraft": 5}), "Or take data.extensions.rolecraft out"),
        (a_picture(), "a picture without a card"),
        (a_picture()[:60], "damaged or cut short"),
        (with_text(a_picture(), {"chara": b"%%%"}), "not valid base64"),
        (a_zip({"other.json": b"{}"}), "without card.json"),
        (b"PK\x03\x04 nothing", "cannot be unpacked"),
        (a_zip({f"f{n}": b"" for n in range(300)}), "300 files; the limit is 200"),
        (b"x" * (33 << 20), "33 MB; the limit is 32 MB"),
        (b"{" + b" " * (9 << 20), "the limit is 8 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
def test_bad_files_are_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(CharacterInvalid, match=words.replace("(", r"\(")):
        read_card(body, "bad.card")


def test_zip_bombs_are_not_unpacked() -> None:
    body = a_zip({"card.json": dumped(FOREIGN), "zeros": b"\0" * (MAX_UNPACKED + 1)})
    assert len(body) < 1 << 20
    with pytest.raises(CharacterInvalid, match="unpacks to more than 64 MB"):
        read_card(body)


def test_pictures_of_many_pixels_are_not_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    huge = b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", b""), chunk(b"IEND", b""))
    )
    body = with_text(huge, {"chara": base64.b64encode(dumped(FOREIGN))})
    with pytest.raises(CharacterInvalid, match="The picture in"):
        read_card(body)


def test_unknown_container_and_id() -> None:
    card: Imported = read_card(dumped(FOREIGN))
    with pytest.raises(CharacterInvalid, match="No card of version 4"):
        write_card(card.character, "png", 4)
    with pytest.raises(CharacterInvalid, match="The id is 'No Id'"):
        read_card(dumped(FOREIGN), identity="No Id")
