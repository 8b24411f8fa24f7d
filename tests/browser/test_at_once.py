"""Many visitors at the same moment: each gets their own reply, or their place in the queue."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.browser.conftest import Server
from tests.browser.test_talking import bubbles, finished, pick
from tests.tiny import make_encoder, make_voices

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Visit = Callable[..., Any]

VOICES = tuple(f"voice-{number}" for number in range(8))
CAST = ("lu-yuan", "an-ran")
SEND_AT = """moment => setTimeout(
    () => document.querySelector('#rc-composer .send').click(), moment - Date.now())"""
# When a page was busy, and what it showed of a reply that was not there yet.
WATCH = """() => {
    window.spans = [];
    window.seen = new Set();
    const root = document.documentElement;
    new MutationObserver(() => window.spans.push([root.dataset.busy, Date.now()]))
        .observe(root, { attributes: true, attributeFilter: ['data-busy'] });
    new MutationObserver(() => {
        for (const one of document.querySelectorAll('#rc-stream .queued, .toast-body'))
            window.seen.add(one.innerText);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = make_voices(make_encoder(tmp_path_factory.mktemp("voices")), VOICES)
    running = Server(tmp_path_factory.mktemp("many") / "house", models, "voices").start()
    yield running
    running.kill()


def sit_down(visit: Visit, server: Server, person: str, lang: str = "zh", **settings: Any) -> Any:
    """A new visitor before a character, with a message in the box."""
    kept = json.dumps({"preset": "custom", **settings})
    local = [{"name": "rolecraft-settings", "value": kept}]
    state = {"cookies": [], "origins": [{"origin": server.url, "localStorage": local}]}
    page = visit(f"/?lang={lang}", at=server, storage_state=state)
    pick(page, person)
    page.fill("#rc-composer textarea", "今天过得怎么样？")
    page.evaluate(WATCH)
    return page


def send_all(pages: Sequence[Any], after_s: float = 1.5) -> None:
    """Every visitor presses Send at the same moment; returns when all are answered or refused."""
    moment = (time.time() + after_s) * 1000
    for page in pages:
        page.evaluate(SEND_AT, moment)
    for page in pages:
        page.wait_for_function("window.spans.some(([busy]) => busy === 'false')")


def test_eight_at_once_get_what_each_gets_alone(visit: Visit, voices: Server) -> None:
    pages = [
        sit_down(
            visit, voices, CAST[number % 2], engine=voice, seed=number, temperature=0.9,
            max_new_tokens=192,
        )
        for number, voice in enumerate(VOICES)
    ]  # fmt: skip
    send_all(pages)
    spans = [dict(page.evaluate("window.spans")) for page in pages]
    assert max(one["true"] for one in spans) < min(one["false"] for one in spans)
    together = [bubbles(page)[1] for page in pages]
    assert len(set(together)) == len(VOICES)
    for page, text in zip(pages, together, strict=True):
        page.click("#rc-log [data-act=again]")  # the same words and the same seed, alone
        finished(page)
        assert page.inner_text(".versions") == "2/2" and bubbles(page)[1] == text


def test_who_waits_sees_their_place_and_who_finds_no_room_is_told(
    visit: Visit, voices: Server
) -> None:
    """One slot and room for three in the queue: of five one is refused."""
    long = {"engine": "narrow", "temperature": 0, "max_new_tokens": 512}
    spoken = ("zh", "zh", "zh", "en", "en")
    pages = [sit_down(visit, voices, CAST[0], lang, **long) for lang in spoken]
    send_all(pages)
    refused = [page for page in pages if page.locator("#rc-log .unanswered").count()]
    seen = [" ".join(page.evaluate("[...window.seen]")) for page in pages]
    for lang, page, said in zip(spoken, pages, seen, strict=True):
        if page in refused:
            assert "很多人正在聊天" in said and "Many people are talking" in said
        else:
            assert len(bubbles(page)) == 2 and page.locator("#rc-stream .queued").count() == 0
            assert ("轮到你" in said or "前面" in said) <= (lang == "zh")
            assert ("You are next" in said or "before you" in said) <= (lang == "en")
    assert len(refused) == 1
    words = " ".join(seen)
    assert ("前面还有" in words or "before you" in words) and ("轮到你" in words or "next" in words)
    [late] = refused
    late.click("#rc-log .unanswered [data-act=again]")
    finished(late)
    assert len(bubbles(late)) == 2 and late.locator("#rc-log .unanswered").count() == 0
