"""BM25 over character bigrams."""

import numpy as np

from rolecraft.knowledge.bm25 import Bigrams, bigrams


def test_bigrams_do_not_cross_punctuation_and_fold_width_and_case() -> None:
    assert bigrams("海鸥，ＡＢc") == ["海鸥", "ab", "bc"]
    assert bigrams("灯") == ["灯"]
    assert bigrams("！？") == []


def test_the_rare_word_decides() -> None:
    texts = ["我喜欢海鸥", "我喜欢吃鱼", "我喜欢下雨", "灯塔上的镜片"]
    scores = Bigrams(texts).scores("你喜欢海鸥吗")
    assert int(np.argmax(scores)) == 0
    assert scores[3] == 0
    assert ((scores >= 0) & (scores <= 1)).all()


def test_nothing_to_score() -> None:
    assert Bigrams(["海鸥"]).scores("？！").tolist() == [0.0]
    assert Bigrams([]).scores("海鸥").tolist() == []
