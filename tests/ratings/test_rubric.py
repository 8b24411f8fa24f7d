import pytest

from rolecraft.ratings import rubric
from rolecraft.store.forms import CRITERIA


@pytest.mark.parametrize("locale", rubric.LOCALES)
def test_every_criterion_has_five_anchors_and_two_examples(locale: str) -> None:
    found = rubric.rubric(locale)
    assert tuple(found) == CRITERIA
    for criterion in found.values():
        assert len(criterion["anchors"]) == 5
        assert all(isinstance(anchor, str) and anchor for anchor in criterion["anchors"])
        assert len(criterion["examples"]) == 2
        assert all(isinstance(one["why"], str) for one in criterion["examples"])


def test_the_languages_say_the_same_in_their_own_words() -> None:
    assert rubric.rubric_json("zh") != rubric.rubric_json("en")
    assert rubric.rubric_json("fr") == rubric.rubric_json("en")
    assert rubric.consent("zh")[1] != rubric.consent("en")[1]


def test_the_training_round_has_five_lessons_with_answers() -> None:
    lessons = rubric.training()
    assert len(lessons) == 5
    for lesson in lessons:
        assert set(lesson["why"]) == set(rubric.LOCALES)
        low, high = lesson["values"]["communication"]
        assert 1 <= low <= high <= 5
