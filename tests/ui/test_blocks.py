"""The page's Blocks send what gradio's own would, without making anew what stays."""

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from rolecraft.ui.blocks import Blocks

SKIP = gr.skip()


def made(kind: Callable[..., Any]) -> Any:
    with kind(analytics_enabled=False) as blocks:
        parts = [gr.HTML(), gr.HTML(), gr.BrowserState(None), gr.State(1)]
        gr.Button().click(lambda: None, None, parts)
    return blocks


def sent(blocks: Any, predictions: Any, state: SessionState | None = None) -> list[Any]:
    [function] = blocks.fns.values()
    return asyncio.run(blocks.postprocess_data(function, predictions, state))


def plain(values: list[Any]) -> list[Any]:
    """Without the empty change that gradio sends for a gr.HTML that is skipped."""
    empty = {"__type__": "update", "props": SKIP}
    return [SKIP if value == empty else value for value in values]


@pytest.mark.parametrize(
    "predictions",
    [
        ["a", SKIP, SKIP, SKIP],
        [SKIP, "b", {"token": "t"}, 2],
        ["a", "b", {"token": "t"}, 2],
        [SKIP, gr.update(visible=False), SKIP, SKIP],
        [SKIP, SKIP, {"token": "t"}, SKIP],
        [SKIP] * 4,
        SKIP,
    ],
)
def test_what_is_sent_is_what_gradio_sends(predictions: Any) -> None:
    assert plain(sent(made(Blocks), predictions)) == plain(sent(made(gr.Blocks), predictions))


def test_a_part_that_stays_is_not_made_anew() -> None:
    blocks = made(Blocks)
    state = SessionState(blocks)
    first, second, *_ = next(iter(blocks.fns.values())).outputs
    held = state[second._id]
    sent(blocks, ["a", SKIP, SKIP, SKIP], state)
    assert state[second._id] is held
    assert state.config_values[first._id]["props"]["value"] == "a"


def test_the_page_is_made_of_them(services: Any) -> None:
    from rolecraft.ui.app import build_app

    assert isinstance(build_app(services), Blocks)
