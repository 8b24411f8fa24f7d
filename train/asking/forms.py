"""Reads the JSON of an answer, whatever a model wrote around it, into a pydantic form.

Knows no engine. What is wrong is told in words that can be sent back to the model.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

MOST_FAULTS = 6  # that a repair is told of
_DECODER = json.JSONDecoder(strict=False)  # models write line breaks inside strings

Form = TypeVar("Form", bound=BaseModel)


class FormError(Exception):
    """An answer that does not have its form; the text says why, for the model."""


def read_form(text: str, form: type[Form], context: Mapping[str, Any] | None = None) -> Form:
    """The first JSON object of `text` that is a `form`. Raises FormError."""
    faults = ""
    for value in objects(text):
        try:
            return form.model_validate(value, context=dict(context or {}))
        except ValidationError as error:
            faults = faults or in_words(error)
    raise FormError(faults or "没有找到完整的 JSON 对象")


def objects(text: str) -> Iterator[Any]:
    """The JSON objects in a text, the outermost ones; half an object is none."""
    start = text.find("{")
    while start >= 0:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            # Inside half an object are whole ones that are not the answer.
            return
        yield value
        start = text.find("{", end)


def in_words(error: ValidationError) -> str:
    """What is wrong with a form, and where, at most `MOST_FAULTS` of it."""
    found = [
        f"{'.'.join(map(str, one['loc'])) or '整体'}：{one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False)
    ]
    more = f"；另有 {len(found) - MOST_FAULTS} 处" if len(found) > MOST_FAULTS else ""
    return "；".join(found[:MOST_FAULTS]) + more
