"""The shelf loads what is whole, and says exactly what is wrong with the rest."""

from pathlib import Path

import pytest

from rolecraft.characters import FIELD_NAMES, Shelf, read_shelf
from rolecraft.characters.marked import Problem
from rolecraft.errors import CharacterInvalid, CharacterNotFound


def broken(folder: Path, name: str, old: str, new: str) -> tuple[Shelf, list[Problem]]:
    path = folder / "lu-yuan" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    shelf = read_shelf(folder)
    assert [one.id for one in shelf.characters] == ["an-ran"], "the other character still loads"
    return shelf, list(shelf.problems)


def test_a_whole_folder_becomes_a_character(shelf_folder: Path) -> None:
    shelf = read_shelf(shelf_folder)
    assert shelf.problems == ()
    lu = shelf.get("lu-yuan")
    assert lu.name == {"zh": "陆远", "en": "Lu Yuan"}
    assert list(lu.profile)[:3] == ["name", "age", "birthday"]
    assert lu.profile["age"] == "46岁"
    assert lu.emotions[1].share == 0.5
    assert lu.relations[0].character == "an-ran"
    assert lu.script[0].turns[1].speaker == "陆远"
    assert [one.id for one in lu.questions_of("test")] == ["q002", "q004", "q006"]
    assert lu.questions[3].line == 4
    assert lu.general[0].answers[2].emotion == "快乐"
    assert lu.folder == shelf_folder / "lu-yuan"
    assert lu.portrait is None


def test_portrait_is_found(shelf_folder: Path) -> None:
    portrait = shelf_folder / "lu-yuan" / "portrait.svg"
    portrait.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert read_shelf(shelf_folder).get("lu-yuan").portrait == portrait


@pytest.mark.parametrize("name", ["lu-yuan", "陆远", "Lu Yuan", " lu yuan ", "LU-YUAN"])
def test_id_or_name_finds(shelf_folder: Path, name: str) -> None:
    assert read_shelf(shelf_folder).get(name).id == "lu-yuan"


def test_unknown_name_lists_near_and_known(shelf_folder: Path) -> None:
    shelf = read_shelf(shelf_folder)
    with pytest.raises(CharacterNotFound) as caught:
        shelf.get("lu-yuna")
    assert "'lu-yuna'" in str(caught.value)
    assert "Did you mean 陆远 (lu-yuan)?" in str(caught.value)
    assert "On the shelf: 安然 (an-ran), 陆远 (lu-yuan)." in str(caught.value)
    with pytest.raises(CharacterNotFound) as caught:
        shelf.get("x" * 100_000)
    assert len(str(caught.value)) < 200


def test_name_of_a_faulty_folder_says_why(shelf_folder: Path) -> None:
    shelf, _ = broken(shelf_folder, "card.yaml", "mood: 快乐", "mood: 开心")
    with pytest.raises(CharacterNotFound, match="Its folder has a problem: .*card.yaml:14: mood"):
        shelf.get("lu-yuan")


def test_bad_value_names_path_line_field_value_remedy(shelf_folder: Path) -> None:
    _, problems = broken(shelf_folder, "card.yaml", "mood: 快乐", "mood: 开心")
    (problem,) = problems
    assert problem.path == str(shelf_folder / "lu-yuan" / "card.yaml")
    assert (problem.line, problem.field, problem.value) == (14, "mood", "开心")
    assert "快乐" in problem.remedy
    assert str(problem).startswith(f"{problem.path}:14: mood is '开心': Use one of: 愤怒")


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "remedy"),
    [
        ("id: lu-yuan", "id: Lu Yuan", 1, "id", "small letters"),
        ("id: lu-yuan", "id: lu-yuang", 1, "id", "The folder is called 'lu-yuan'"),
        ("name: {zh: 陆远, en: Lu Yuan}", "name: 陆远", 2, "name", "both languages"),
        ("en: Lu Yuan}", "cn: Lu Yuan}", 2, "name.cn", "Unknown field"),
        (
            "share: 0.5, trigger: 有船",
            "share: 50%, trigger: 有船",
            17,
            "emotions[1].share",
            "0 to 1",
        ),
        ("tagline:", "tag_line:", 3, "tag_line", "did you mean 'tagline'?"),
        ("  fears: 灯", "  feers: 灯", 33, "profile.feers", "did you mean 'fears'?"),
        ("  age: 46岁", "  age:", 26, "profile.age", "Write a text"),
        ("traits: [沉稳, 念旧]", "traits: 沉稳", 13, "traits", "Write a list"),
        ("birth_year: 1980", "birth_year: 80", 36, "birth_year", "1800 to 2200"),
        ("gender: male", "gender: man", 4, "gender", "male female"),
        ("mood: 快乐", "mood: 快乐\nmood: 中立", 15, "mood", "Keep only one"),
        ("mood: 快乐", "mood: *x", 14, "", "aliases"),
        ("traits: [沉稳, 念旧]", "traits: [沉稳, 念旧", 13, "", "not valid YAML"),
    ],
)
def test_card_faults(
    shelf_folder: Path, old: str, new: str, line: int, field: str, remedy: str
) -> None:
    _, problems = broken(shelf_folder, "card.yaml", old, new)
    assert any(
        (one.line, one.field) == (line, field) and remedy in one.remedy for one in problems
    ), problems


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "field", "remedy"),
    [
        ("script.jsonl", '{"id": "d02"', '{"id: "d02"', 2, "", "not valid JSON"),
        ("script.jsonl", '{"id": "d02"', '{"id": "d01"', 2, "id", "Line 1 has it already"),
        ("script.jsonl", '"emotion": "中立"', '"emotion": "激动"', 1, "turns[0].emotion", "愤怒"),
        ("script.jsonl", '"turns"', '"turn"', 1, "turn", "did you mean 'turns'?"),
        ("questions.jsonl", '"split": "test"', '"split": "dev"', 2, "split", "train test"),
        ("questions.jsonl", '"kind": "small_talk"', '"kind": "chat"', 5, "kind", "opinion"),
        ("questions.jsonl", '"answer": "擦镜片', '"answer": 5, "x": "', 5, "answer", "text"),
        ("general.jsonl", '"text": "春天嘛', '"txt": "春天嘛', 1, "answers[2].txt", "Unknown"),
        ("questions.jsonl", '{"id": "q001"', '["q001"]\n{"id": "q001"', 1, "", "JSON object"),
    ],
)
def test_line_faults(
    shelf_folder: Path, name: str, old: str, new: str, line: int, field: str, remedy: str
) -> None:
    _, problems = broken(shelf_folder, name, old, new)
    assert any(
        (one.line, one.field) == (line, field) and remedy in one.remedy for one in problems
    ), problems


@pytest.mark.parametrize(
    ("text", "line", "field", "remedy"),
    [
        ("profile.age: [你几岁]\nprofile.shoes: [穿几码]\n", 2, "profile.shoes", "Name a field"),
        ("script.d99: [那天怎么了]\n", 1, "script.d99", "Name a field"),
        ("profile.age: 你几岁\n", 1, "profile.age", "list"),
        ("profile.age: ['']\n", 1, "profile.age", ""),
        ("- 你几岁\n", 1, "", "mapping"),
    ],
)
def test_faults_of_ways_of_asking(
    shelf_folder: Path, text: str, line: int, field: str, remedy: str
) -> None:
    path = shelf_folder / "lu-yuan" / "asked.yaml"
    path.write_text(text, encoding="utf-8")
    shelf = read_shelf(shelf_folder)
    assert [one.id for one in shelf.characters] == ["an-ran"]
    (problem,) = shelf.problems
    assert (problem.path, problem.line) == (str(path), line)
    assert problem.field.startswith(field) and remedy in problem.remedy


def say_everyday(shelf_folder: Path, topics: str, *rows: str) -> Path:
    (shelf_folder / "everyday.yaml").write_text(topics, encoding="utf-8")
    path = shelf_folder / "lu-yuan" / "everyday.jsonl"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


HELLO = '{"topic": "talk-hello", "text": "来啦，风大，进来坐。", "emotion": "快乐"}'


def test_everyday_answers_know_how_their_topic_is_said(shelf_folder: Path) -> None:
    say_everyday(shelf_folder, "talk-hello: [你好, 在吗]\nbeyond-law: [能判几年]\n", HELLO)
    shelf = read_shelf(shelf_folder)
    assert not shelf.problems
    assert shelf.topics == {"talk-hello": ("你好", "在吗"), "beyond-law": ("能判几年",)}
    (said,) = shelf.get("lu-yuan").everyday
    assert said.said == ("你好", "在吗") and said.answer.text.startswith("来啦")
    assert not said.beyond and shelf.get("an-ran").everyday == ()


@pytest.mark.parametrize(
    ("row", "line", "field", "remedy"),
    [
        (HELLO.replace("talk-hello", "talk-hallo"), 2, "topic", "everyday.yaml"),
        (HELLO, 2, "topic", "Line 1 has it already"),
        (HELLO.replace("快乐", "开心"), 2, "emotion", "愤怒"),
        (HELLO.replace("text", "txt"), 2, "txt", "Unknown"),
    ],
)
def test_faults_of_everyday_answers(
    shelf_folder: Path, row: str, line: int, field: str, remedy: str
) -> None:
    path = say_everyday(shelf_folder, "talk-hello: [你好]\n", HELLO, row)
    shelf = read_shelf(shelf_folder)
    assert [one.id for one in shelf.characters] == ["an-ran"]
    found = [one for one in shelf.problems if one.path == str(path)]
    assert any((one.line, one.field) == (line, field) and remedy in one.remedy for one in found)


def test_a_broken_file_of_topics_is_named_and_nobody_goes(shelf_folder: Path) -> None:
    say_everyday(shelf_folder, "talk-hello: 你好\n")
    shelf = read_shelf(shelf_folder)
    assert len(shelf.characters) == 2
    (problem,) = shelf.problems
    assert Path(problem.path).name == "everyday.yaml" and "list" in problem.remedy


def test_everybody_is_asked_after_the_fields_of_its_own_profile(shelf_folder: Path) -> None:
    (shelf_folder / "asked.yaml").write_text("profile.age: [多大啦]\nprofile.dream: [想干嘛]\n")
    shelf = read_shelf(shelf_folder)
    assert not shelf.problems
    assert shelf.asked == {"profile.age": ("多大啦",), "profile.dream": ("想干嘛",)}
    lu = shelf.get("lu-yuan")
    assert lu.asked_commonly["profile.age"] == ("多大啦",)
    assert set(lu.asked_commonly) == set(shelf.asked) & {f"profile.{key}" for key in lu.profile}


def test_a_field_that_nobody_has_is_named_and_nobody_goes(shelf_folder: Path) -> None:
    (shelf_folder / "asked.yaml").write_text("profile.age: [多大啦]\nprofile.aeg: [几岁]\n")
    shelf = read_shelf(shelf_folder)
    assert len(shelf.characters) == 2
    (problem,) = shelf.problems
    assert (problem.line, problem.field) == (2, "profile.aeg") and "profile.age" in problem.remedy


def test_every_fault_of_a_folder_is_named_at_once(shelf_folder: Path) -> None:
    script = shelf_folder / "lu-yuan" / "script.jsonl"
    script.write_text("{}\nnonsense\n", encoding="utf-8")
    _, problems = broken(shelf_folder, "card.yaml", "mood: 快乐", "mood: 开心")
    assert {Path(one.path).name for one in problems} == {"card.yaml", "script.jsonl"}
    assert {one.line for one in problems if one.path.endswith("script.jsonl")} == {1, 2}


def test_missing_card_wrong_encoding_and_empty_file(shelf_folder: Path) -> None:
    (shelf_folder / "nobody").mkdir()
    (shelf_folder / "latin").mkdir()
    (shelf_folder / "latin" / "card.yaml").write_bytes(b"id: latin\nname: \xe9t\xe9\n")
    (shelf_folder / "blank").mkdir()
    (shelf_folder / "blank" / "card.yaml").write_text("# nothing\n")
    (shelf_folder / "plain").mkdir()
    (shelf_folder / "plain" / "card.yaml").write_text("- a list\n")
    shelf = read_shelf(shelf_folder)
    assert len(shelf.characters) == 2
    found = {Path(one.path).parent.name: one for one in shelf.problems}
    assert "cannot be read" in found["nobody"].remedy
    assert found["latin"].line == 2 and "UTF-8" in found["latin"].remedy
    assert "empty" in found["blank"].remedy
    assert "Write a mapping" in found["plain"].remedy


def test_two_of_one_name(shelf_folder: Path) -> None:
    twin = shelf_folder / "lu-yuan-2"
    twin.mkdir()
    card = (shelf_folder / "lu-yuan" / "card.yaml").read_text(encoding="utf-8")
    (twin / "card.yaml").write_text(card.replace("id: lu-yuan", "id: lu-yuan-2"), encoding="utf-8")
    shelf = read_shelf(shelf_folder)
    assert [one.id for one in shelf.characters] == ["an-ran", "lu-yuan"]
    assert shelf.problems[0].value == "陆远"
    assert "lu-yuan answers to the same name" in shelf.problems[0].remedy


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(CharacterInvalid, match="No folder of characters at .*nowhere"):
        read_shelf(tmp_path / "nowhere")


def test_field_names_are_in_two_languages() -> None:
    assert all(set(names) == {"zh", "en"} for names in FIELD_NAMES.values())
    for language in ("zh", "en"):
        assert len({names[language] for names in FIELD_NAMES.values()}) == len(FIELD_NAMES)
