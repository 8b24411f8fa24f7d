"""The chat tab: the components of the page and how they are joined to what happens.

Every part is a gr.HTML whose HTML is made and escaped on the server; its clicks and keys come
back as the events of static/*.js. Handlers read the place from the browser and the rest from the
database, so that the page goes on after a restart of the server.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gradio as gr

from rolecraft.services import Services
from rolecraft.ui import side
from rolecraft.ui.composer import composer
from rolecraft.ui.page import BOTH, language_of_request, part, refusals_shown, sent
from rolecraft.ui.picker import picker
from rolecraft.ui.rate_sheet import build_rate_sheet
from rolecraft.ui.saying import Saying
from rolecraft.ui.scene import Scene, Shown
from rolecraft.ui.seat import address_of_request
from rolecraft.ui.talking import Talking
from rolecraft.ui.texts import Language
from rolecraft.ui.visitor import Place, read_place

_QUICK: dict[str, Any] = {
    "concurrency_limit": 16,
    "concurrency_id": "quick",
    "show_progress": "hidden",
    "api_visibility": "private",
}


class Parts(NamedTuple):
    """The components of the tab."""

    place: gr.BrowserState
    head: gr.HTML
    log: gr.HTML
    stream: gr.HTML
    composer: gr.HTML
    side: gr.HTML
    picker: gr.HTML
    why: gr.HTML
    settings: gr.HTML
    file: gr.HTML


def build_chat_tab(blocks: gr.Blocks, services: Services, secret: str) -> Parts:
    """Build and wire the tab inside the open `blocks`. `secret` hides the browser's token."""
    scene = Scene(services)
    parts, talking = _layout(services, scene, secret), Talking(services, scene)
    build_rate_sheet(parts.place, services)
    _wire(parts, talking, Saying(services, scene), services)
    _greet(blocks, parts, talking, services)
    return parts


def _layout(services: Services, scene: Scene, secret: str) -> Parts:
    place = gr.BrowserState(None, storage_key="rolecraft", secret=secret)
    cards = {one: picker(services.shelf, scene.faces, one) for one in ("zh", "en")}
    boxes = {one: composer(one, services.settings.message_limit) for one in ("zh", "en")}
    with gr.Row(elem_id="rc-app"):
        with gr.Column(elem_id="rc-side"):
            talks = part("rc-talks", "side", "act leave", value="")
        with gr.Column(elem_id="rc-main"):
            people = part("rc-picker", "picker", "pick", html_template=BOTH, **cards)
            with gr.Column(elem_id="rc-talk"):
                head = part("rc-head", "head", value="")
                with gr.Column(elem_id="rc-scroll"):
                    messages = part("rc-log", "log", "act make", value="")
                    stream = part("rc-stream", "stream", value="")
                box = part(
                    "rc-composer", "composer", "make stop", html_template=BOTH,
                    value="idle:", **boxes,
                )  # fmt: skip
    panel = part("rc-why", "sheet", value="")
    # Empty: the configuration of the page is read by every visitor, also by one who is to rate
    # without knowing which engines there are.
    options = part("rc-settings", "settings", value="")
    file = part("rc-file", "file", html_template="", value="")
    return Parts(place, head, messages, stream, box, talks, people, panel, options, file)


def _wire(parts: Parts, talking: Talking, saying: Saying, services: Services) -> None:
    shown, hops = _shown(parts), services.settings.trusted_proxy_hops
    quick = _QUICK
    # As many as the engine's queue takes: it tells each their place, gradio's own would not.
    model = quick | {"concurrency_limit": services.at_once, "concurrency_id": "model"}

    @refusals_shown
    def make(kept: object, event: gr.EventData, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        language, address = language_of_request(request), address_of_request(request, hops)
        for one in saying.make(read_place(kept), event._data, language, address):
            yield _outputs(one)

    made = [
        parts.composer.make(make, parts.place, shown, **model),
        parts.log.make(make, parts.place, shown, **model),
    ]

    @refusals_shown
    def stop(kept: object, request: gr.Request) -> tuple[Any, ...]:
        return _outputs(talking.stop(read_place(kept), language_of_request(request)))

    parts.composer.stop(stop, parts.place, shown, **quick)

    @refusals_shown
    def pick(kept: object, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        chosen = sent(event).get("character", "")
        return _outputs(talking.pick(read_place(kept), chosen, language_of_request(request)))

    parts.picker.pick(pick, parts.place, shown, **quick)

    @refusals_shown
    def act(kept: object, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        return _acted(talking, read_place(kept), sent(event), language_of_request(request))

    acted = [*shown, parts.why, parts.file]
    # by default gradio drops what comes while the step before is still under way
    parts.side.act(act, parts.place, acted, trigger_mode="multiple", **quick)
    parts.log.act(act, parts.place, acted, trigger_mode="multiple", **quick)
    # leaving a talk ends its answer; what was written of it is kept
    parts.side.leave(act, parts.place, acted, cancels=made, trigger_mode="multiple", **quick)


def _greet(blocks: gr.Blocks, parts: Parts, talking: Talking, services: Services) -> None:
    """What the page shows when it is opened: where the visitor was, and what they may set."""

    @refusals_shown
    def arrive(kept: object, request: gr.Request) -> tuple[Any, ...]:
        language = language_of_request(request)
        form = side.settings(services.catalog, language)
        return (*_outputs(talking.arrive(kept, language)), form)

    blocks.load(arrive, parts.place, [*_shown(parts), parts.settings], **_QUICK)


def _shown(parts: Parts) -> list[Any]:
    return [getattr(parts, name) for name in Shown._fields]


def _acted(
    talking: Talking, place: Place, sent: dict[str, Any], language: Language
) -> tuple[Any, ...]:
    """One of the quick steps, by the name that the page gives it."""
    deed, at = sent.get("do"), sent.get("id", "")
    if deed == "why":
        return (*_outputs(Shown()), talking.why(place, at, language), gr.skip())
    if deed in ("export_json", "export_md"):
        file = talking.export(place, at, deed.removeprefix("export_"), language)
        return (*_outputs(Shown()), gr.skip(), json.dumps(file, ensure_ascii=False))
    steps: dict[str, Callable[[], Shown]] = {
        "open": lambda: talking.open(place, at, language),
        "back": lambda: talking.back(place, language),
        "new": lambda: talking.back(place, language),
        "rename": lambda: talking.rename(place, at, sent.get("title", ""), language),
        "delete": lambda: talking.delete(place, at, language),
        "step": lambda: talking.step(place, at, sent.get("step"), language),
        "greet": lambda: talking.greet(place, language),
    }
    shown = steps[str(deed)]() if deed in steps else Shown()
    return (*_outputs(shown), gr.skip(), gr.skip())


def _outputs(shown: Shown) -> tuple[Any, ...]:
    """The values for the components, in the order of `Shown`."""
    values = [gr.skip() if value is None else value for value in shown]
    if shown.place is not None:
        values[0] = shown.place.to_browser()
    return tuple(values)
