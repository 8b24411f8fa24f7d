"""The page's `gr.Blocks`, in which a part that stays as it is costs nothing.

Knows no page and no service.
"""

from copy import copy
from typing import Any

import gradio as gr


class Blocks(gr.Blocks):
    """As gradio's, but outputs that are skipped are not made anew.

    gradio constructs a component again for each `gr.skip()`. A reply in the making skips five of
    the page's six parts fifteen times a second, which cost more than all else that a page does.
    """

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """What the browser is sent for each output: gradio's own for those that change."""
        outputs = block_fn.outputs
        if not isinstance(predictions, list | tuple) or len(predictions) != len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        changed = [
            number
            for number, (part, value) in enumerate(zip(outputs, predictions, strict=True))
            if part.stateful or not _skips(value)
        ]
        shown: list[Any] = [gr.skip() for _ in outputs]
        if changed:
            some = copy(block_fn)
            some.outputs = [outputs[number] for number in changed]
            given = [predictions[number] for number in changed]
            # gradio takes the value itself where there is one output
            values = await super().postprocess_data(
                some, given if len(given) > 1 else given[0], state
            )
            for number, value in zip(changed, values, strict=True):
                shown[number] = value
        return shown


def _skips(value: object) -> bool:
    return isinstance(value, dict) and value == gr.skip()
