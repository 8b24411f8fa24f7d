"""The page /compare: two arms answer the same words, and the visitor says which did it better.

The steps are in `comparing`, the HTML in `compare_scene` and `compare_pair`; static/compare.js lets
both replies appear at one pace, keeps the ballot and sends it until it is stored.
"""

import random
from typing import Any

import gradio as gr

from rolecraft.services import Services
from rolecraft.ui import compare_scene
from rolecraft.ui.comparing import Comparing, View
from rolecraft.ui.page import BOTH, part, refusals_shown, sent
from rolecraft.ui.seat import Seats, caller_of


def build_compare_tab(blocks: gr.Blocks, services: Services, secret: str) -> None:
    """Build and wire the page inside the open `blocks`."""
    limit = services.settings.message_limit
    boxes = {one: compare_scene.composer(one, limit) for one in ("zh", "en")}
    place = gr.BrowserState(None, storage_key="rolecraft", secret=secret)
    stand = gr.BrowserState(None, storage_key="rolecraft-compare", secret=secret)
    with gr.Column(elem_id="rc-main", elem_classes="compare-page"):
        stage = part("rc-compare", "compareStage", "act", value="")
        pair = part("rc-compare-pair", "comparePair", "act look", value="")
        box = part("rc-compare-box", "compareBox", "act", html_template=BOTH, **boxes)
        note = part("rc-compare-note", "compareNote", html_template="", value="")
    comparing = Comparing(services, Seats(services.desk), random.SystemRandom())
    hops = services.settings.trusted_proxy_hops
    shown, seen = [place, stand, stage, pair, note], [place, stand]
    quick: dict[str, Any] = {
        "concurrency_limit": 16,
        "concurrency_id": "compare",
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "multiple",  # a step that comes while another is under way is not dropped
    }
    # who waits for two arms must not keep others from voting
    patient = quick | {"concurrency_limit": 12, "concurrency_id": "compare-look"}

    @refusals_shown
    def act(
        kept: object, stood: object, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, ...]:
        return _outputs(comparing.act(kept, stood, sent(event), caller_of(request, hops)))

    for one in (stage, pair, box):
        one.act(act, seen, shown, **quick)

    @refusals_shown
    def look(
        kept: object, stood: object, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, ...]:
        asked = {"do": "look", "form": sent(event).get("form")}
        return _outputs(comparing.act(kept, stood, asked, caller_of(request, hops)))

    pair.look(look, seen, shown, **patient)

    @refusals_shown
    def arrive(kept: object, stood: object, request: gr.Request) -> tuple[Any, ...]:
        return _outputs(comparing.arrive(kept, stood, caller_of(request, hops)))

    blocks.load(arrive, seen, shown, **quick)


def _outputs(view: View) -> tuple[Any, ...]:
    """The values for the components, in the order of `View`."""
    values = [gr.skip() if value is None else value for value in view]
    if view.place is not None:
        values[0] = view.place.to_browser()
    if view.stand is not None:
        values[1] = view.stand.to_browser()
    return tuple(values)
