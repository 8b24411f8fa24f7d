"""The files that make the look: style sheet, scripts and portraits, and the routes they have.

Knows no component. Every address carries a hash of what it gives, so browsers keep it for good.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from rolecraft.characters import Shelf
from rolecraft.ui.faces import PORTRAITS
from rolecraft.ui.texts import LANGUAGES, TEXTS

STATIC = Path(__file__).with_name("static")
STYLES = ("style.css", "pages.css", "cast.css", "rate.css", "compare.css", "results.css")
SCRIPTS = (
    "page.js",
    "picker.js",
    "talk.js",
    "composer.js",
    "side.js",
    "cast.js",
    "rating.js",
    "rate.js",
    "compare.js",
    "results.js",
)
_WORDS = (  # what the scripts say by themselves
    "copied", "edit_note", "edit_save", "cancel", "save", "delete", "really_delete", "new_title",
    "notice",
)  # fmt: skip
_FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable"}
# An SVG that is opened by itself must not act on this page.
_LOCKED = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


def style() -> str:
    """Every style sheet, one after the other."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES)


def script() -> str:
    """Every script of the page, one after the other."""
    words = {one: {key: TEXTS[one][key] for key in _WORDS} for one in LANGUAGES}
    spoken = json.dumps(words, ensure_ascii=False)
    parts = [(STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return f"window.rolecraft = {{ words: {spoken} }};\n" + "\n".join(parts)


def head(title: str) -> str:
    """What opens the head of the page: the script runs before gradio looks at the language."""
    return (
        '<meta name="color-scheme" content="light dark">'
        '<meta name="description" content="' + title + '">'
        f'<link rel="stylesheet" href="look/style.css?v={_hash(style())}">'
        f'<script src="look/page.js?v={_hash(script())}"></script>'
    )


def routes(shelf: Shelf) -> list[Route]:
    """The routes below /look."""
    sheet, code = style(), script()
    portraits: Mapping[str, Path] = {
        one.id: one.portrait for one in shelf.characters if one.portrait
    }

    async def give_style(_: Request) -> Response:
        return Response(sheet, media_type="text/css", headers=_FOR_GOOD)

    async def give_script(_: Request) -> Response:
        return Response(code, media_type="text/javascript", headers=_FOR_GOOD)

    async def give_portrait(request: Request) -> Response:
        path = portraits.get(request.path_params["character"])
        if path is None or not path.is_file():
            return Response(status_code=404)
        return FileResponse(path, headers={**_FOR_GOOD, **_LOCKED})

    return [
        Route("/look/style.css", give_style),
        Route("/look/page.js", give_script),
        Route(f"/{PORTRAITS}/{{character}}", give_portrait),
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
