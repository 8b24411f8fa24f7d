"""What raters read: criteria with their anchors and examples, the training round, the consent.

Knows no database and no page: it reads `rubric.yaml` and gives one language of it.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import yaml

SOURCE = Path(__file__).with_name("rubric.yaml")
LOCALES = ("zh", "en")


def rubric(locale: str) -> dict[str, Any]:
    """Criteria by name in one language: name, question, five anchors, two examples."""
    return cast(dict[str, Any], _in(_read()["criteria"], _known(locale)))


def rubric_json(locale: str) -> str:
    """The same as canonical JSON, whose hash names the revision."""
    return json.dumps(rubric(locale), ensure_ascii=False, sort_keys=True)


def training() -> list[dict[str, Any]]:
    """The lessons of the training round, both languages: user, reply, values, why."""
    return list(_read()["training"])


def consent(locale: str) -> tuple[str, str]:
    """The consent text and its hash."""
    text = str(_read()["consent"][_known(locale)])
    return text, hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def _read() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(SOURCE.read_text("utf-8"))
    return found


def _known(locale: str) -> str:
    return locale if locale in LOCALES else "en"


def _in(value: Any, locale: str) -> Any:
    """The value with every {zh, en} replaced by one language."""
    if isinstance(value, dict):
        if set(value) == set(LOCALES):
            return value[locale]
        return {key: _in(each, locale) for key, each in value.items()}
    return [_in(each, locale) for each in value] if isinstance(value, list) else value
