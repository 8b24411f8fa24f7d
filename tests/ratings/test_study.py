"""What a rater sees next, over whole simulated studies."""

import random
from collections import Counter

import pytest

from rolecraft.errors import ResultsError
from rolecraft.ratings import study
from rolecraft.ratings.study import DAY_MS, Done, Item, Past, Plan, Show

HOUR_MS = 3600 * 1000


def bank(targets: int = 60, shared: int = 4, degraded: int = 6, training: int = 5) -> list[Item]:
    kinds = ["training"] * training + ["target"] * targets + ["degraded"] * degraded
    return [
        Item(f"i{n}", n, kind, shared=training <= n < training + shared, raters=0)  # type: ignore[arg-type]
        for n, kind in enumerate(kinds)
    ]


def sit(
    plan: Plan, items: list[Item], rng: random.Random, hours: int = 1
) -> tuple[list[Show], list[Past]]:
    """One rater who rates one item every `hours` until the study says that it is enough."""
    shown: list[Show] = []
    past: list[Past] = []
    now = 0
    while isinstance(found := study.next_item(plan, items, past, now, rng), Show):
        shown.append(found)
        past.append(Past(found.item, now, "rated", found.why == "repeat"))
        now += hours * HOUR_MS
        assert len(shown) < 200
    return shown, past


def test_training_comes_first_and_no_item_twice() -> None:
    shown, _ = sit(Plan(), bank(), random.Random(0), hours=0)
    assert [one.why for one in shown[:5]] == ["training"] * 5
    assert "training" not in {one.why for one in shown[5:]}
    assert len(shown) == 25
    assert len({one.item for one in shown}) == 25


def test_the_shares_of_a_study_are_kept() -> None:
    plan, rng = Plan(quota=40), random.Random(0)
    items = bank(200, 12, 10)
    why: Counter[str] = Counter()
    for _ in range(40):
        why.update(one.why for one in sit(plan, items, rng, hours=2)[0])
    total = sum(why.values()) - why["training"]
    assert why["training"] == 40 * 5
    assert total == 40 * 40
    assert 0.15 <= why["shared"] / total <= 0.20
    assert 0.03 <= why["repeat"] / total <= 0.07
    assert 0.03 <= why["degraded"] / total <= 0.07


def test_a_repeat_waits_a_day() -> None:
    plan = Plan(quota=20, repeats=0.3)
    rng = random.Random(0)
    for _ in range(20):
        shown, past = sit(plan, bank(), rng, hours=3)
        first = {one.item: one.shown_ms for one in past if not one.repeat}
        repeats = [one for one in past if one.repeat]
        assert repeats
        assert all(one.shown_ms - first[one.item] >= DAY_MS for one in repeats)
        assert len({one.item for one in repeats}) == len(repeats)
        assert len(shown) == 25


def test_every_item_gets_three_raters_before_any_gets_more() -> None:
    plan, rng = Plan(quota=20, repeats=0, degraded=0, overlap=0, training=0), random.Random(0)
    raters = Counter({item.id: 0 for item in bank(40, 0, 0, 0)})
    for _ in range(6):
        items = [Item(id, n, "target", False, raters[id]) for n, id in enumerate(raters)]
        raters.update(one.item for one in sit(plan, items, rng, hours=0)[0])
    assert set(raters.values()) == {3}


def test_what_another_rater_has_open_counts_as_taken() -> None:
    items = [Item("a", 0, "target", False, 2, leased=1), Item("b", 1, "target", False, 1)]
    found = study.next_item(Plan(training=0), items, [], 0, random.Random(0))
    assert found == Show("b", "target", pytest.approx(1.0, abs=0.3))


def test_a_skipped_item_does_not_come_back_and_does_not_count() -> None:
    items = bank(5, 0, 0, 0)
    past = [Past(item.id, 0, "skipped") for item in items[:4]]
    found = study.next_item(Plan(), items, past, 0, random.Random(0))
    assert isinstance(found, Show)
    assert found.item == "i4"
    past.append(Past("i4", 0, "skipped"))
    assert study.next_item(Plan(), items, past, 0, random.Random(0)) == Done("empty")


def test_an_expired_lease_is_dealt_again() -> None:
    items = bank(1, 0, 0, 0)
    found = study.next_item(Plan(), items, [Past("i0", 0, "expired")], 9, random.Random(0))
    assert isinstance(found, Show)


def test_the_quota_ends_it_and_a_repeat_may_wait() -> None:
    plan = Plan(quota=2, training=0)
    past = [Past("i0", 0, "rated"), Past("i1", 0, "rated")]
    assert study.next_item(plan, bank(9, 0, 0, 0), past, 0, random.Random(0)) == Done("quota")
    more = Plan(quota=20, training=0)
    found = study.next_item(more, bank(2, 0, 0, 0), past, HOUR_MS, random.Random(0))
    assert found == Done("later", DAY_MS)


def test_progress_and_time_left() -> None:
    items = bank(30, 0, 0, 2)
    past = [Past(f"i{n}", 0, "rated") for n in range(7)] + [Past("i9", 0, "skipped")]
    found = study.progress(Plan(), items, past, [30_000] * 7)
    assert (found.done, found.of, found.minutes_left) == (7, 22, 8)
    assert study.progress(Plan(), items, [], []).of == 22


def test_half_of_the_raters_are_asked_the_preference_first() -> None:
    orders = [study.form_order(f"rater-{n}", Plan().ask_pair) for n in range(400)]
    assert 150 < sum(order[0] == "preference" for order in orders) < 250
    assert all(order[0] == "preference" or order[-1] == "preference" for order in orders)
    assert study.form_order("a", Plan().ask_pair) == study.form_order("a", Plan().ask_pair)
    assert len({order for order in orders}) == 12


def test_the_cap_counts_the_first_of_each_rater() -> None:
    events = [(n, "ann") for n in range(1, 16)] + [(20, "bob")]
    assert study.counted(events, 10) == {*range(1, 11), 20}
    assert len(study.counted(events, 0)) == 16


@pytest.mark.parametrize("text", ["今天很好。我去钓鱼了！你呢？", "好呀，那走吧", "再见"])
def test_a_degraded_copy_has_the_same_words_in_disorder(text: str) -> None:
    found = study.shuffled(text, random.Random(0))
    assert found != text
    assert sorted(found) == sorted(text)


def test_what_cannot_be_disordered_stays() -> None:
    assert study.shuffled("啊啊啊", random.Random(0)) == "啊啊啊"
    assert study.shuffled("", random.Random(0)) == ""


@pytest.mark.parametrize(
    "values", [{"quota": 0}, {"overlap": 0.9, "repeats": 0.2}, {"overlap": -1}, {"colour": 1}]
)
def test_a_plan_that_cannot_be_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ResultsError):
        Plan.read(values)


def test_a_plan_survives_its_json() -> None:
    plan = Plan(quota=7, ask_reply=("communication", "diversity"))
    as_json = {k: list(v) if isinstance(v, tuple) else v for k, v in plan.as_dict().items()}
    assert Plan.read(as_json) == plan


def test_the_bank_share_of_an_open_page() -> None:
    rng = random.Random(0)
    assert 0.15 < sum(study.from_bank(Plan(), rng) for _ in range(2000)) / 2000 < 0.21
