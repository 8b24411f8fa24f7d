"""Who rates, as the team sees it: counts, receipts, and bursts from one network."""

import pytest
from sqlalchemy import select

from rolecraft.errors import ResultsError
from rolecraft.store.rater_list import RaterList
from rolecraft.store.shown_schema import RaterRow
from tests.rating_kit import Kit, sent


def test_raters_are_listed_and_found_by_id_or_receipt(kit: Kit) -> None:
    ann, _ = kit.rater(), kit.rater("looks only")
    receipt = kit.ratings.submit(ann, sent(kit.form(ann)))
    listed = RaterList(kit.database)
    (one,) = listed.raters()
    assert (one.id, one.status, one.ratings, one.flagged) == (ann, "active", 1, 0)
    assert listed.find(ann) == listed.find(receipt.code) == ann
    for nobody in ("0000-0000", "%", "", "nobody"):
        with pytest.raises(ResultsError, match="names no rater"):
            listed.find(nobody)
    kit.raters.set_status(ann, "shadow")
    assert listed.raters()[0].status == "shadow"
    kit.raters.erase(ann)
    assert listed.raters() == ()


def test_a_crowd_from_one_network_within_an_hour_is_pointed_out(kit: Kit) -> None:
    def come(*names: str, address: str) -> list[str]:
        return [kit.raters.enter(name, address=address).id for name in names]

    crowd = come("a", "b", "c", "d", "e", address="192.0.2.7")
    come("f", "g", "h", "i", address="198.51.100.1")  # four are a family
    kit.clock.now += 2 * 3600 * 1000
    come("j", address="192.0.2.9")
    (burst,) = RaterList(kit.database).bursts()
    assert sorted(burst.raters) == sorted(crowd)
    assert burst.since == "2001-09-09 01:46"
    kit.raters.set_status(crowd[0], "shadow")  # who is set aside is no news
    assert RaterList(kit.database).bursts() == ()


def test_an_address_is_known_within_its_week_and_never_stored(kit: Kit) -> None:
    def marks() -> list[str | None]:
        with kit.database.read() as session:
            return list(session.scalars(select(RaterRow.ip_hmac).order_by(RaterRow.id)))

    ids = [kit.raters.enter(f"r{n}", address=f"192.0.2.{n}").id for n in (7, 9)]
    one, other = marks()
    assert one == other and one and "192.0.2" not in one
    kit.clock.now += 7 * 24 * 3600 * 1000
    kit.raters.enter("r7", address="192.0.2.7")
    found = dict(zip(sorted(ids), marks(), strict=True))
    assert found[ids[1]] == other and found[ids[0]] not in (one, None)
