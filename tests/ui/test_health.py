"""Whether the house says when it cannot store ratings, and stops who sends without end."""

from starlette.applications import Starlette
from starlette.testclient import TestClient

from rolecraft.services import Services
from rolecraft.ui.health import Health, route
from tests.ui.rating_page import Rater, study
from tests.ui.test_rate_abuse import Opened, impatient, locked

__all__ = ["impatient"]  # the fixture


def test_a_store_that_takes_ratings_is_green(services: Services) -> None:
    with TestClient(Starlette(routes=[route(services)])) as client:
        answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "store": "ok", "unsaved_ratings": 0}


def test_it_turns_red_while_the_store_cannot_write_and_while_ratings_wait(
    impatient: Services,
) -> None:
    rater = Rater(impatient).agree().lessons()
    now = [0.0]
    health = Health(impatient, lambda: now[0])
    assert health.look()["ok"]
    with locked(impatient):
        assert rater.rate(4).note["state"] == "unsaved"
        assert health.look()["ok"]  # it asks once in a few seconds
        now[0] += 5
        assert health.look() == {"ok": False, "store": "cannot be written", "unsaved_ratings": 1}
    now[0] += 5
    assert health.look() == {"ok": False, "store": "ok", "unsaved_ratings": 1}
    impatient.desk.take_kept()
    now[0] += 5
    assert health.look()["ok"]


def test_a_rater_who_sends_without_end_is_stopped(opened: Opened) -> None:
    services = opened("quick")
    study(services)
    rater = Rater(services).agree().lessons()
    sent = rater.filled()
    told = [rater.act("submit", **sent).note for _ in range(70)]
    assert told[0]["state"] == "saved" and told[-1]["state"] == "refused"
    assert "太快" in told[-1]["text"] and len(rater.stored) == 2
    other = Rater(services).agree().lessons()  # nobody else is stopped by it
    assert other.rate(4).note["state"] == "saved"
