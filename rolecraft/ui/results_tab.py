"""The page /results: boards that stand still, with what lies under every number of them.

The steps are in `looking`, the HTML in `results_view`, `results_tables` and `results_cell`.
"""

from typing import Any

import gradio as gr

from rolecraft.services import Services
from rolecraft.ui.looking import Look, Looking
from rolecraft.ui.page import language_of_request, part, refusals_shown, sent
from rolecraft.ui.seat import caller_of


def build_results_tab(blocks: gr.Blocks, services: Services, secret: str) -> None:
    """Build and wire the page inside the open `blocks`."""
    looking, hops = Looking(services), services.settings.trusted_proxy_hops
    with (
        gr.Column(elem_id="rc-results"),
        gr.Column(elem_id="rc-main", elem_classes="page results"),
    ):
        head = part("rc-results-head", "results", "act", value="")
        intervals = gr.Plot(elem_id="rc-results-intervals", show_label=False, visible=False)
        radar = gr.Plot(elem_id="rc-results-radar", show_label=False, visible=False)
        rest = part("rc-results-rest", "results", "act", value="")
    under = part("rc-results-under", "resultsUnder", "act", value="")
    file = part("rc-file", "file", html_template="", value="")
    shown = [head, intervals, radar, rest, under, file]
    quick: dict[str, Any] = {
        "concurrency_limit": 8,
        "concurrency_id": "results",
        "show_progress": "hidden",
        "api_visibility": "private",
    }

    @refusals_shown
    def act(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        caller = caller_of(request, hops)
        return _outputs(looking.act(sent(event), caller.address, caller.language))

    for one in (head, rest, under):
        one.act(act, None, shown, **quick)

    @refusals_shown
    def arrive(request: gr.Request) -> tuple[Any, ...]:
        asked = str(request.query_params.get("version") or "")
        return _outputs(looking.arrive(asked, language_of_request(request)))

    blocks.load(arrive, None, shown, **quick)


def _outputs(look: Look) -> tuple[Any, ...]:
    """The values for the components, in the order of `Look`."""
    values: list[Any] = [gr.skip() if value is None else value for value in look]
    if look.head is not None:  # another board: figures it does not have go away
        for place, figure in ((1, look.intervals), (2, look.radar)):
            values[place] = gr.update(value=figure, visible=figure is not None)
    return tuple(values)
