"""What every page is made of: parts that the scripts bring to life, and how refusals are shown.

Knows no page and no service.
"""

import html
import inspect
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import gradio as gr

from rolecraft.errors import (
    CharacterInvalid,
    CharacterNotFound,
    CheckpointError,
    ConfigurationError,
    ConversationNotFound,
    DataFolderBusy,
    EngineFailed,
    EngineUnavailable,
    RoleCraftError,
    StoreUnavailable,
)
from rolecraft.ui.texts import Language, language_of, say

log = logging.getLogger(__name__)

_SAID: dict[type[Exception], str] = {
    ConversationNotFound: "conversation_gone",
    CharacterNotFound: "gone_character",
}
# Errors for the keeper of the house, whose words name places of this machine.
_KEEPERS = (CharacterInvalid, CheckpointError, ConfigurationError, DataFolderBusy)
# A place of this machine: two folders deep, and not a part of a web address.
_PLACE = re.compile(r"(?<![\w:/.])(?:/[\w.+@-]*\w){2,}|\b[A-Za-z]:\\")
BOTH = "${rolecraft.language === 'en' ? en : zh}"  # both languages travel, the page shows one


def language_of_request(request: gr.Request) -> Language:
    """The language of the page that a request comes from."""
    return language_of(request.query_params.get("lang"), request.headers.get("accept-language"))


def part(elem_id: str, behaviour: str, events: str = "", **props: Any) -> gr.HTML:
    """A gr.HTML that `rolecraft.<behaviour>` of the scripts brings to life.

    gradio finds the names of the events, each in quotes, in the script.
    """
    start = f"rolecraft.{behaviour}({{element, trigger, props, watch}})"
    named = "".join(f" // '{event}'\n" for event in events.split())
    return gr.HTML(
        elem_id=elem_id, js_on_load=f"{start}\n{named}", apply_default_css=False, **props
    )


def still(elem_id: str, **props: Any) -> gr.HTML:
    """A gr.HTML that only stands there, in both languages: `zh` and `en`."""
    return gr.HTML(elem_id=elem_id, html_template=BOTH, apply_default_css=False, **props)


def sent(event: gr.EventData) -> dict[str, Any]:
    """What an event of the page's scripts carries."""
    return event._data if isinstance(event._data, dict) else {}


def in_words(error: Exception, language: Language) -> str:
    """What a visitor is told of an error; what only the keeper of the house needs is logged."""
    kind = next((kind for kind in _SAID if isinstance(error, kind)), None)
    if kind:
        return say(language, _SAID[kind])
    if isinstance(error, EngineFailed | EngineUnavailable):
        key = "engine_failed" if isinstance(error, EngineFailed) else "engine_absent"
        why = str(error)
        if _PLACE.search(why):
            why = say(language, "noted", id=_noted(error))
        return f"{say(language, key)} ({why})"
    hidden = type(error) is StoreUnavailable or isinstance(error, _KEEPERS)
    if isinstance(error, RoleCraftError) and not hidden:
        return str(error)
    key = "not_kept" if isinstance(error, StoreUnavailable) else "apology"
    return say(language, key, id=_noted(error))


def _noted(error: Exception) -> str:
    """The number under which the log has all of an error."""
    number = uuid.uuid4().hex[:8]
    log.error("A step of the page failed (%s): %s", number, error, exc_info=error)
    return number


def refusals_shown(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with its refusals as toasts, and a bug as an apology whose number is logged."""

    def as_toast(error: Exception, request: object) -> gr.Error:
        language = language_of_request(request) if isinstance(request, gr.Request) else "zh"
        expected = isinstance(error, RoleCraftError)
        # the toast would otherwise show marks in the text as HTML
        said = html.escape(in_words(error, language))
        return gr.Error(said, duration=8 if expected else None, print_exception=False, title="")

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def streamed(*given: Any) -> Iterator[Any]:
            try:
                yield from handler(*given)
            except Exception as error:
                raise as_toast(error, given[-1]) from error

        return streamed

    @wraps(handler)
    def at_once(*given: Any) -> Any:
        try:
            return handler(*given)
        except Exception as error:
            raise as_toast(error, given[-1]) from error

    return at_once
