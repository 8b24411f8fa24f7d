"""The page /cast: who the characters are, and what their data consists of."""

from functools import cache
from typing import Any

import gradio as gr

from rolecraft.evaluation import counted
from rolecraft.services import Services
from rolecraft.ui.cast_view import cast_view
from rolecraft.ui.faces import faces_of
from rolecraft.ui.page import language_of_request, part, refusals_shown
from rolecraft.ui.texts import Language


def build_cast_tab(blocks: gr.Blocks, services: Services, secret: str) -> None:
    """Build and wire the page inside the open `blocks`.

    It is sent when it is opened: every page of the house carries what stands in another at once.
    """
    page = part("rc-cast", "cast", value="")
    shelf = services.shelf

    @cache
    def written(language: Language) -> str:
        return cast_view(shelf, faces_of(shelf), counted.read(shelf), language)

    @refusals_shown
    def arrive(request: gr.Request) -> Any:
        return written(language_of_request(request))

    blocks.load(
        arrive, None, page, show_progress="hidden", api_visibility="private",
        concurrency_limit=16, concurrency_id="quick",
    )  # fmt: skip
