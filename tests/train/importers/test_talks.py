from hypothesis import given
from hypothesis import strategies as st

from train.importers.gathered import Line, Talk
from train.importers.ledger import Entry
from train.importers.talks import LONGEST_TURN, TwoParty, two_party

ME = "阿土"


def talk(*spoken: tuple[str, str] | tuple[str, str, str], bounded: bool = False) -> Talk:
    lines = []
    for n, (speaker, text, *emotion) in enumerate(spoken, start=1):
        label = emotion[0] if emotion else None
        lines.append(Line(Entry("line", "s.txt", n, 0, text), speaker, text, label))
    return Talk(lines, bounded)


def shape(talks: list[TwoParty]) -> list[list[tuple[str, str]]]:
    return [[(turn.speaker, turn.text) for turn in one.turns] for one in talks]


def refusals(one: Talk) -> dict[str, str]:
    return {line.text: line.entry.refusal for line in one.lines if line.entry.refusal}


def test_a_third_person_ends_a_talk_and_begins_the_next() -> None:
    stream = talk(
        ("甲", "来啦"), (ME, "来了"), ("乙", "坐"), (ME, "好"), ("乙", "喝茶"), ("甲", "我走了")
    )
    assert shape(two_party([stream], ME, 16)) == [
        [("甲", "来啦"), (ME, "来了")],
        [("乙", "坐"), (ME, "好"), ("乙", "喝茶")],
    ]
    assert refusals(stream) == {"我走了": f"talk without the character: {ME} does not speak in it"}


def test_nothing_is_chained_over_others_who_talk() -> None:
    stream = talk(("甲", "一"), ("乙", "二"), ("丙", "三"), (ME, "四"), bounded=True)
    assert shape(two_party([stream], ME, 16)) == [[("丙", "三"), (ME, "四")]]
    assert list(refusals(stream)) == ["一", "二"]


def test_pieces_of_a_speech_are_joined_with_the_prominent_emotion() -> None:
    stream = talk(
        ("甲", "你听我说", "中立"),
        ("甲", "今天的鱼特别新鲜", "快乐"),
        ("甲", "真的。", "中立"),
        (ME, "买两条", "中立"),
        (ME, "行吗", "快乐"),
    )
    (one,) = two_party([stream], ME, 16)
    assert one.turns[0].text == "你听我说，今天的鱼特别新鲜，真的。"
    assert [turn.emotion for turn in one.turns] == ["快乐", "中立"]
    assert [len(turn.entries) for turn in one.turns] == [3, 2]


def test_where_speakers_alternate_a_repeated_speaker_is_a_new_talk() -> None:
    turns = [("甲", "早"), (ME, "早"), ("甲", "吃了吗"), (ME, "吃了"), ("甲", "再见")]
    more = [("甲", "喂"), (ME, "哪位"), ("甲", "我呀"), (ME, "是你"), ("甲", "嗯"), (ME, "好")]
    assert [len(one.turns) for one in two_party([talk(*turns, *more)], ME, 16)] == [5, 6]


def test_long_talks_are_cut_after_an_answer() -> None:
    spoken = [one for n in range(12) for one in (("甲", f"问{n}"), (ME, f"答{n}"))]
    found = two_party([talk(*spoken)], ME, 8)
    assert [len(one.turns) for one in found] == [8, 8, 8]
    assert all(one.turns[-1].speaker == ME for one in found)


def test_a_talk_that_comes_again_is_refused() -> None:
    spoken = [("甲", "今天的豆腐是谁家买的呀"), (ME, "巷口那家，去晚了就没有了")]
    again = talk(*spoken)
    assert len(two_party([talk(*spoken), again], ME, 16)) == 1
    assert set(refusals(again).values()) == {"duplicate talk: the same as at s.txt:1"}


@given(
    st.lists(st.tuples(st.sampled_from(["甲", "乙", ME]), st.sampled_from(["好", "是的" * 90]))),
    st.integers(2, 9),
    st.booleans(),
)
def test_every_line_is_in_one_turn_or_refused(
    spoken: list[tuple[str, str]], most: int, bounded: bool
) -> None:
    stream = talk(*spoken, bounded=bounded)
    found = two_party([stream], ME, most)
    used = [entry for one in found for turn in one.turns for entry in turn.entries]
    assert len({id(entry) for entry in used}) == len(used)
    refused = [line.entry for line in stream.lines if line.entry.refusal]
    assert {id(entry) for entry in (*used, *refused)} == {id(one.entry) for one in stream.lines}
    assert len(used) + len(refused) == len(stream.lines)
    for one in found:
        speakers = [turn.speaker for turn in one.turns]
        assert len(set(speakers)) == 2 and ME in speakers
        assert all(a != b for a, b in zip(speakers, speakers[1:], strict=False))
        assert len(speakers) <= most
        assert all(len(turn.text) <= LONGEST_TURN for turn in one.turns)
