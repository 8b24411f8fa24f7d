"""BM25 over character bigrams."""

import numpy as np

from rolecraft.knowledge.bm25 import Bigrams, Postings, bigrams


def test_bigrams_do_not_cross_punctuation_and_fold_width_and_case() -> None:
    assert bigrams("海鸥，ＡＢc") == ["海鸥", "ab", "bc"]
    assert bigrams("灯") == ["灯"]
    assert bigrams("！？") == []


def test_the_rare_word_decides() -> None:
    texts = ["我喜欢海鸥", "我喜欢吃鱼", "我喜欢下雨", "灯塔上的镜片"]
    scores = Bigrams(Postings(texts)).scores("你喜欢海鸥吗")
    assert int(np.argmax(scores)) == 0
    assert scores[3] == 0
    assert ((scores >= 0) & (scores <= 1)).all()


def test_nothing_to_score() -> None:
    assert Bigrams(Postings(["海鸥"])).scores("？！").tolist() == [0.0]
    assert Bigrams(Postings([])).scores("海鸥").tolist() == []


def test_a_collection_in_parts_scores_as_one() -> None:
    own, shared = ["海鸥飞过灯塔", "喜欢海鸥", ""], ["你喜欢什么鸟？", "海边有海鸥吗，海鸥？", "灯"]
    common = Postings(shared)
    for texts in (own, own[:1]):
        whole = Bigrams(Postings([*texts, *shared]))
        parts = Bigrams(Postings(texts), common)
        for query in ("海鸥喜欢灯塔吗", "灯", "没有"):
            assert parts.scores(query).tolist() == whole.scores(query).tolist()
