"""The page /rate: a study from consent to the receipt, and one's own ratings.

The steps are in `rating`, the HTML in `rate_scene` and `rating_form`; static/rate.js keeps what is
half filled in and sends it again until the server says that it is stored.
"""

import random
from typing import Any

import gradio as gr

from rolecraft.services import Services
from rolecraft.ui.page import part, refusals_shown, sent
from rolecraft.ui.rating import RateShown, Rating
from rolecraft.ui.seat import Seats, caller_of


def build_rate_tab(blocks: gr.Blocks, services: Services, secret: str) -> None:
    """Build and wire the page inside the open `blocks`."""
    place = gr.BrowserState(None, storage_key="rolecraft", secret=secret)
    view = part("rc-rate", "rate", "act", value="")
    mine = part("rc-rate-mine", "rate", "act", value="")
    note = part("rc-rate-note", "rated", html_template="", value="")
    rating = Rating(services, Seats(services.desk), random.Random())
    hops = services.settings.trusted_proxy_hops
    shown = [place, view, mine, note]
    quick: dict[str, Any] = {
        "concurrency_limit": 16,
        "concurrency_id": "rate",
        "show_progress": "hidden",
        "api_visibility": "private",
    }

    @refusals_shown
    def rate(kept: object, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        return _outputs(rating.act(kept, sent(event), caller_of(request, hops)))

    # a step that comes while another is under way must not be dropped
    view.act(rate, place, shown, trigger_mode="multiple", **quick)
    mine.act(rate, place, shown, trigger_mode="multiple", **quick)

    @refusals_shown
    def arrive_rate(kept: object, request: gr.Request) -> tuple[Any, ...]:
        return _outputs(rating.arrive(kept, caller_of(request, hops)))

    blocks.load(arrive_rate, place, shown, **quick)


def _outputs(shown: RateShown) -> tuple[Any, ...]:
    """The values for the components, in the order of `RateShown`."""
    values = [gr.skip() if value is None else value for value in shown]
    if shown.place is not None:
        values[0] = shown.place.to_browser()
    return tuple(values)
