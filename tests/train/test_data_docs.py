import json

import pytest

from benchmarks import emotions
from benchmarks.importers import DOCS, RESULT, block
from benchmarks.readme import block_of
from train.emotions import Classifier, score


def test_the_tables_are_those_of_the_benchmark() -> None:
    result = json.loads(RESULT.read_text("utf-8"))
    assert block_of(DOCS, "counts") == block(result)


def test_the_counts_add_up() -> None:
    result = json.loads(RESULT.read_text("utf-8"))
    for counts in (result["records"], *result["kinds"].values()):
        assert counts["in"] == counts["out"] + counts["refused"]
        assert counts["out"] == counts["untouched"] + counts["repaired"]


def test_the_table_of_emotions_is_that_of_the_benchmark() -> None:
    result = json.loads(emotions.RESULT.read_text("utf-8"))
    assert block_of(DOCS, "emotions") == emotions.block(result)


def test_the_shipped_classifier_is_the_one_that_was_measured() -> None:
    result = json.loads(emotions.RESULT.read_text("utf-8"))
    classifier = Classifier.load(DOCS.parents[1] / "models" / "emotions")
    assert classifier.facts == result["classifier"]
    kept = emotions.of_the_cast(DOCS.parents[1] / "characters")[1]
    assert score(classifier, kept)["macro_f1"] == pytest.approx(
        result["cast"]["macro_f1"], abs=0.02
    )  # the cast may be mended without a new measurement, but not much
