"""The page /cast."""

import gradio as gr

from rolecraft.services import Services
from rolecraft.ui.markup import word
from rolecraft.ui.page import still


def build_cast_tab(blocks: gr.Blocks, services: Services, secret: str) -> None:
    """Build and wire the page inside the open `blocks`."""
    heads = {
        one: f"<div id='rc-main' class='page'><h1>{word(one, 'cast_nav')}</h1>"
        f"<p class='lead'>{word(one, 'cast_lead')}</p></div>"
        for one in ("zh", "en")
    }
    still("rc-cast", **heads)
