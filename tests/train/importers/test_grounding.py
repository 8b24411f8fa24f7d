from hypothesis import given
from hypothesis import strategies as st

from rolecraft.characters.overlap import bare, runs
from train.importers.gathered import Asked
from train.importers.grounding import LEAKED, Grounding, held_out
from train.importers.ledger import Entry
from train.importers.talks import Turn, TwoParty


def asked(question: str, answer: str) -> Asked:
    return Asked(Entry("question", "q.json", 1, 0, question), question, answer, None)


def test_sources_are_found_by_shared_words() -> None:
    talk = TwoParty([Turn("阿土", "桥头那棵老槐树被风刮倒了", "惊讶", [])])
    experience = asked("桥头怎么了？", "桥头那棵老槐树，被风刮倒了呗。")
    fact = asked("你的身高是多少？", "一米四二，142厘米！")
    opinion = asked("你喜欢夏天吗？", "喜欢，能下河。")
    profile = {"height": "142厘米"}
    grounding = Grounding([experience, fact, opinion], [("d0001", talk)], profile)
    assert grounding.source(experience) == ("experience", "script.d0001")
    assert grounding.source(fact) == ("profile", "profile.height")
    assert grounding.source(opinion) == ("opinion", None)


@given(
    st.lists(
        st.tuples(st.sampled_from("天地人你我他"), st.text("甲乙丙丁戊己庚", max_size=30)),
        max_size=40,
    ),
    st.floats(0, 0.5),
)
def test_no_test_answer_stands_in_training(pairs: list[tuple[str, str]], share: float) -> None:
    questions = [asked(question, answer) for question, answer in pairs]
    test = held_out(questions, share)
    assert len(test) <= round(share * len(questions))
    trained = [one for n, one in enumerate(questions) if n not in test]
    learnt = {run for one in trained for run in runs(one.answer, LEAKED)}
    for n in test:
        assert not runs(questions[n].answer, LEAKED) & learnt
        assert bare(questions[n].question) not in {bare(one.question) for one in trained}


def test_what_is_trained_on_in_any_case_is_not_held_out() -> None:
    told = "第{n}个回答，每一个都各不相同{n}。"
    questions = [asked(f"第{n}个问题？", told.format(n=n)) for n in range(10)]
    learnt = [f"他说：{one.answer}" for one in questions[:8]]
    assert held_out(questions, 0.5, learnt) == {8, 9}


def test_the_choice_depends_on_the_texts_alone() -> None:
    questions = [asked(f"第{n}个问题？", f"第{n}个回答，各不相同{n * 7919}。") for n in range(50)]
    chosen = {questions[n].question for n in held_out(questions, 0.2)}
    questions.reverse()
    assert {questions[n].question for n in held_out(questions, 0.2)} == chosen
    assert len(chosen) == 10
