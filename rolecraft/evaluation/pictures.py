"""The pictures of the cast as files: interactive pages and still images for the docs.

Every still image carries a fingerprint of the numbers that it shows, so that a stale one is found
without drawing it again. Knows nothing of how a figure is drawn.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rolecraft.characters.model import Character
from rolecraft.errors import ResultsError
from rolecraft.evaluation import figures
from rolecraft.evaluation.dataset import Dataset
from rolecraft.evaluation.style import StyleTest

if TYPE_CHECKING:
    import plotly.graph_objects as go

SCALE = 2  # device pixels for a pixel of the figure: sharp on dense screens
BROWSER_SECONDS = 300  # a loaded machine starts a browser slowly
_MARK = "rolecraft-data"  # the PNG text field of the fingerprint


@dataclass(frozen=True)
class Picture:
    """What one picture shows; `data` is everything that changes it."""

    name: str  # of its files, without ending
    about: str
    data: Any

    @property
    def fingerprint(self) -> str:
        """Equal numbers have equal fingerprints."""
        written = json.dumps([self.name, self.data], ensure_ascii=False)
        return hashlib.sha256(written.encode()).hexdigest()[:16]


def pictures_of(
    characters: Sequence[Character], dataset: Dataset, style: StyleTest
) -> tuple[Picture, ...]:
    """The pictures of the docs, in the order in which they are shown there."""
    names = {one.id: one.name["zh"] for one in characters}
    return (
        Picture("cast-emotions", "Emotions of the script utterances", dataset.emotions),
        Picture("cast-signatures", "Emotions by character", [dataset.signatures, names]),
        Picture("cast-traits", "Word cloud of the traits", dataset.traits),
        Picture("cast-verbs", "Verbs of the questions and their objects", dataset.verbs),
        Picture("cast-confusions", "Confusions of the style test", [style.table, names]),
    )


def figure_of(picture: Picture, language: str = "en") -> "go.Figure | None":
    """The plotly figure of a picture; None for the word cloud, which is no figure."""
    match picture.name:
        case "cast-emotions":
            return figures.emotion_figure(picture.data, language)
        case "cast-signatures":
            signatures, names = picture.data
            return figures.signature_figure(signatures, names, language)
        case "cast-verbs":
            return figures.verb_noun_figure(picture.data, language)
        case "cast-confusions":
            table, names = picture.data
            return figures.confusion_figure(table, names, language)
    return None


def save_pages(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write each figure as a page that works offline; they share one plotly.min.js."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for picture in pictures:
        figure = figure_of(picture)
        if figure is not None:
            path = folder / f"{picture.name}.html"
            figure.write_html(path, include_plotlyjs="directory", div_id=picture.name)
            saved.append(path)
    return saved


def save_images(pictures: Sequence[Picture], folder: Path) -> list[str]:
    """Write each picture as a PNG with its fingerprint. Returns, in words, what was left out."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, bytes] = {}
    notes = []
    for picture in pictures:
        if figure_of(picture) is None:
            try:
                drawn[picture.name] = figures.trait_cloud(picture.data)
            except ResultsError as error:
                notes.append(str(error))
    try:
        drawn |= _photographed({p.name: f for p in pictures if (f := figure_of(p)) is not None})
    except ResultsError as error:
        notes.append(str(error))
    for picture in pictures:
        if picture.name in drawn:
            marked = _marked(drawn[picture.name], picture.fingerprint)
            (folder / f"{picture.name}.png").write_bytes(marked)
    return notes


def stale_images(pictures: Sequence[Picture], folder: Path) -> list[str]:
    """The images that are missing or show other numbers, in words."""
    found = []
    for picture in pictures:
        path = folder / f"{picture.name}.png"
        if not path.is_file():
            found.append(f"{path} is missing.")
        elif _mark_of(path) != picture.fingerprint:
            found.append(f"{path} shows other numbers.")
    return found


def _photographed(drawings: Mapping[str, "go.Figure"]) -> dict[str, bytes]:
    """PNG bytes of the figures, by one headless browser for all of them."""
    import asyncio

    try:
        import kaleido
    except ImportError as error:
        raise ResultsError(
            "kaleido is not installed, so the figures were saved without still images. "
            "pip install -r requirements-dev.txt brings it."
        ) from error

    async def photograph() -> dict[str, bytes]:
        # Without MathJax, which would come from the network.
        page = kaleido.PageGenerator(mathjax=False)
        browser = kaleido.Kaleido(n=1, timeout=BROWSER_SECONDS, page_generator=page)
        options = {"format": "png", "scale": SCALE}
        async with browser as open_browser:
            return {
                name: await open_browser.calc_fig(
                    drawing,
                    opts={
                        **options,
                        "width": drawing.layout.width,
                        "height": drawing.layout.height,
                    },
                )
                for name, drawing in drawings.items()
            }

    from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError

    try:
        return asyncio.run(photograph())
    except (BrowserClosedError, BrowserFailedError, ChromeNotFoundError, TimeoutError) as error:
        raise ResultsError(
            f"No browser drew the still images ({type(error).__name__}), so only pages were saved. "
            "Install chromium: apt-get install chromium."
        ) from error


def _marked(png: bytes, fingerprint: str) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    information = PngInfo()
    information.add_text(_MARK, fingerprint)
    written = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        # 256 colours are enough for charts and make the file a third of the size.
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(written, "PNG", optimize=True, pnginfo=information)
    return written.getvalue()


def _mark_of(path: Path) -> str | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            mark = picture.info.get(_MARK)
    except (UnidentifiedImageError, OSError):
        return None
    return mark if isinstance(mark, str) else None
