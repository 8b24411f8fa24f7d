"""Sizes that fingers need and words that the scripts say, read from the sources of the page."""

import re
from pathlib import Path

import pytest

from rolecraft.ui.compare_ballot import ballot
from rolecraft.ui.texts import say
from tests.ui.rating_page import Rater

STATIC = Path(__file__).parents[2] / "rolecraft" / "ui" / "static"
LEAST = 48  # px


@pytest.mark.parametrize("name", ["rate.css", "compare.css"])
def test_nothing_to_tap_is_smaller_than_a_finger(name: str) -> None:
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", (STATIC / name).read_text("utf-8"))
    pressed = re.compile(
        r"button|summary|\.undo(?! )|\.point(?! )|\.vote\b|\.cmp-vote span|\.primary"
    )
    small = [
        (selector.strip(), size)
        for selector, body in rules
        if pressed.search(selector)
        for size in re.findall(r"(?:min-height|(?<![-\w])height): (\d+)px", body)
        if int(size) < LEAST
    ]
    assert small == []


def test_the_keys_of_the_ballot_are_behind_a_question_mark(rater: Rater) -> None:
    form = rater.services.desk.sheet(rater.visit, rater.form["form"]).form
    for language, words in (("zh", "? 看这张表"), ("en", "? shows this list")):
        shown = ballot(form, language)  # type: ignore[arg-type]
        assert '<details class="cmp-keys">' in shown and words in shown
    script = (STATIC / "compare.js").read_text("utf-8")
    assert 'key === "?"' in script and ".cmp-keys" in script


def test_on_a_phone_both_replies_are_read_first(rater: Rater) -> None:
    assert f'data-unread="{say("zh", "rate_unread")}"' in rater.view
    for name in ("rating.js", "compare.js"):
        assert "rolecraft.unread(" in (STATIC / name).read_text("utf-8")
