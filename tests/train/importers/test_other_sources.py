import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rolecraft.characters import read_shelf
from rolecraft.characters.cards import write_card
from rolecraft.errors import TrainingError

Importer = Callable[..., tuple[Path, dict]]
ME = ("阿土",)


def script(folder: Path, name: str = "阿土") -> list[list[tuple[str, str]]]:
    shelf = read_shelf(folder)
    assert not shelf.problems
    talks = shelf.get(name).script
    return [[(turn.speaker, turn.text) for turn in one.turns] for one in talks]


def adds_up(report: dict) -> None:
    counts = report["records"]
    assert counts["in"] == counts["out"] + counts["refused"]
    refused = [one for one in report["events"] if one["outcome"] == "refused"]
    assert len(refused) == counts["refused"]


def test_csv_with_columns_of_other_names(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "talk.csv"
    path.write_bytes(
        '谁,说,心情,场\n甲,"来啦，\n坐",开心,一\n阿土,来了,,一\n甲,走,中立,二,多\n'
        '阿土,好,困惑,二\n甲,"没有引号,中立,二\n甲,慢走,中立,二\n'.encode("gb18030")
    )
    columns = {"speaker": "谁", "text": "说", "emotion": "心情", "dialogue": "场"}
    folder, report = imported("table", path, characters=ME, columns=columns)
    assert script(folder) == [
        [("甲", "来啦，\n坐"), ("阿土", "来了")],
        [("阿土", "好"), ("甲", "慢走")],
    ]
    assert report["records"] == {"in": 6, "out": 4, "untouched": 2, "repaired": 2, "refused": 2}
    lines = {one["line"]: one["reasons"][0] for one in report["events"]}
    assert lines[5].startswith("more cells than columns")
    assert lines[7] == "a quote that is never closed"
    assert lines[6] == "unknown label taken for none: 困惑"


def test_tsv_of_questions(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "qa.tsv"
    path.write_text("question\tanswer\tkind\tsplit\n几岁？\t十岁呀\tprofile\ttest\n忙吗？\t\t\t\n")
    folder, report = imported("table", path, characters=ME)
    (one,) = read_shelf(folder).get("阿土").questions
    assert (one.question, one.kind, one.split) == ("几岁？", "profile", "test")
    assert report["kinds"]["question"]["refused"] == 1


def test_jsonl_with_turns_and_characters(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "talks.jsonl"
    talk = {"turns": [{"speaker": "甲", "text": "早"}, {"speaker": "阿土", "text": "早呀"}, "嗯"]}
    rows = [{**talk, "character": "阿土"}, {"character": "阿土", "speaker": "甲", "text": "喂"}]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    folder, report = imported("table", path)
    assert script(folder) == [[("甲", "早"), ("阿土", "早呀")]]
    assert report["records"]["in"] == 4 and report["records"]["refused"] == 2


def test_jsonl_with_columns_of_other_names(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "talks.jsonl"
    rows = [
        {"谁": "甲", "说": "来啦", "心情": "快乐", "场": "一"},
        {"谁": "阿土", "说": "来了", "场": "一"},
        {"场": "二", "句": [{"谁": "甲", "说": "走"}, {"谁": "阿土", "说": "好", "心情": "悲伤"}]},
        {"谁": "甲", "说": ""},
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    columns = {"speaker": "谁", "text": "说", "emotion": "心情", "dialogue": "场", "turns": "句"}
    folder, report = imported("table", path, characters=ME, columns=columns)
    assert script(folder) == [[("甲", "来啦"), ("阿土", "来了")], [("甲", "走"), ("阿土", "好")]]
    assert read_shelf(folder).get("阿土").script[1].turns[1].emotion == "悲伤"
    adds_up(report)
    assert report["records"]["in"] == 5 and report["reasons"]["empty text"] == 1


def test_a_mapped_column_that_no_object_has_is_named(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text('{"speaker": "甲", "said": "来啦"}\n{"speaker": "阿土", "said": "好"}\n')
    with pytest.raises(TrainingError, match=r"no column 'sayd' for text.*speaker, said"):
        imported("table", path, characters=ME, columns={"text": "sayd"})


def test_one_talk_in_a_file_keeps_what_stands_beside_its_turns(
    tmp_path: Path, imported: Importer
) -> None:
    path = tmp_path / "talk.json"
    turns = [{"speaker": "甲", "text": "早"}, {"speaker": "阿土", "text": "早呀"}]
    path.write_text(json.dumps({"character": "阿土", "scene": "院子", "turns": turns}))
    folder, _ = imported("table", path)
    assert script(folder) == [[("甲", "早"), ("阿土", "早呀")]]
    assert read_shelf(folder).get("阿土").script[0].scene == "院子"


def test_a_table_without_known_columns_is_named(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TrainingError, match="--columns speaker=… text=…"):
        imported("table", path, characters=ME)


def test_wechat_export(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(
        "消息记录\n\n2026-03-01 12:30:45 老周(wxid_abc123def)\n在家吗\n我到楼下了\n\n"
        "2026-03-01 12:31:02 阿土\n在呢\n[图片]\n\n"
        "2026-03-01 12:32:00 老周(wxid_abc123def)\n老周撤回了一条消息\n\n"
        "2026/3/1 下午8:00 阿土\n打13912345678\n\n"
        "老周(12345678) 2026年3月1日 20:01\n好\n".encode("utf-8-sig")
    )
    folder, report = imported("wechat", path, characters=ME)
    assert script(folder) == [
        [("老周", "在家吗，我到楼下了"), ("阿土", "在呢")],
        [("阿土", "打某电话"), ("老周", "好")],
    ]
    adds_up(report)
    reasons = report["reasons"]
    assert report["format_lines"] == {"chat.txt": {"head of a message": 5}}
    assert reasons["not text"] == 1 and reasons["notice of the messenger"] == 1
    assert reasons["no speaker"] == 1
    assert "wxid" not in json.dumps(report, ensure_ascii=False)


def test_a_head_without_a_message_is_told(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("2026-03-01 12:30 老周\n2026-03-01 12:31 阿土\n在\n2026-03-01 12:32 老周\n")
    _, report = imported("wechat", path, characters=ME)
    assert report["records"]["refused"] == 3
    assert report["reasons"] == {"empty text": 2, "talk of one": 1}
    assert report["format_lines"] == {"chat.txt": {"head of a message": 1}}
    empty = [one["line"] for one in report["events"] if "only the head" in one["reasons"][0]]
    assert empty == [1, 4]


def test_messages_in_one_line_with_their_head(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("[2026-03-01 12:30] 老周: 吃了吗\n[2026-03-01 12:31] 阿土: 吃了，你呢\n")
    folder, _ = imported("wechat", path, characters=ME)
    assert script(folder) == [[("老周", "吃了吗"), ("阿土", "吃了，你呢")]]


def test_subtitles(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "play.txt"
    path.write_text(
        "第一场 院子里\n老周：（高兴）瓜熟了\n阿土(惊讶)：这么快？\n还有两个没熟呢\n（下雨）\n\n"
        "【厨房】\n1\n00:00:01,000 --> 00:00:02,000\n<i>姑姑: 吃饭</i>\n阿土: 来了\n"
    )
    folder, report = imported("subtitles", path, characters=ME)
    assert script(folder) == [
        [("老周", "瓜熟了"), ("阿土", "这么快？还有两个没熟呢")],
        [("姑姑", "吃饭"), ("阿土", "来了")],
    ]
    scenes = [one.scene for one in read_shelf(folder).get("阿土").script]
    assert scenes == ["院子里", "厨房"]
    adds_up(report)
    frame = {"heading of a scene": 2, "time or number of a subtitle": 2}
    assert report["format_lines"] == {"play.txt": frame}
    assert report["records"]["in"] == 6


def test_who_the_character_is_must_be_said(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "play.txt"
    path.write_text("老周：瓜熟了\n阿土：这么快？\n老周：嗯\n")
    with pytest.raises(TrainingError, match=r"--character .* 老周 \(2\), 阿土 \(1\)"):
        imported("subtitles", path)


def test_messages_and_sharegpt(tmp_path: Path, imported: Importer) -> None:
    first = {
        "messages": [
            {"role": "system", "content": "你是阿土。"},
            {"role": "user", "content": [{"type": "text", "text": "在吗"}]},
            {"role": "assistant", "content": "（快乐）在呀"},
        ]
    }
    second = {"conversations": [{"from": "human", "value": "早"}, {"from": "gpt", "value": "早"}]}
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.jsonl").write_text(json.dumps(first) + "\n{broken\n")
    (tmp_path / "m" / "b.json").write_text(json.dumps([second]))
    (tmp_path / "m" / "c.md").write_text("notes")
    folder, report = imported("messages", tmp_path / "m", characters=ME)
    assert script(folder) == [
        [("访客", "在吗"), ("阿土", "在呀")],
        [("访客", "早"), ("阿土", "早")],
    ]
    assert read_shelf(folder).get("阿土").script[0].turns[1].emotion == "快乐"
    assert report["reasons"]["message of no speaker"] == 1
    assert report["kinds"]["unreadable"]["refused"] == 1
    assert report["notes"][0]["subject"] == "c.md"


def test_messages_name_their_character(tmp_path: Path, imported: Importer) -> None:
    talk = [{"role": "user", "content": "早"}, {"role": "assistant", "content": "早"}]
    rows = [{"character": name, "messages": talk} for name in ("阿土", "小满", "阿土")]
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    folder, _ = imported("messages", path)
    assert {one.name["zh"] for one in read_shelf(folder).characters} == {"阿土", "小满"}


def test_messages_of_nobody_are_asked_about(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "assistant", "content": "早"}]}))
    with pytest.raises(TrainingError, match="--character"):
        imported("messages", path)


def test_tavern_cards(tmp_path: Path, imported: Importer) -> None:
    base = read_shelf(Path(__file__).parents[2] / "data" / "shelf").characters[0]
    told = {**base.profile, "residence": "幸福路12号"}
    person = replace(base, profile=told, folder=None, portrait=None)
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "a.png").write_bytes(write_card(person, "png"))
    (cards / "b.json").write_bytes(write_card(person, "json"))
    (cards / "c.json").write_text("{")
    folder, report = imported("tavern", cards)
    (found,) = read_shelf(folder).characters
    assert found.profile["residence"] == "某地址"
    assert found.greeting == base.greeting
    assert report["kinds"]["card"] == {
        "in": 3, "out": 1, "untouched": 0, "repaired": 1, "refused": 2
    }  # fmt: skip
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if "幸福路12号".encode() in path.read_bytes()]


def test_the_id_can_be_chosen(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "play.txt"
    path.write_text("老周：瓜熟了\n阿土：这么快？\n")
    folder, _ = imported("subtitles", path, characters=ME, identity="a-tu")
    assert (folder / "a-tu" / "card.yaml").is_file()
