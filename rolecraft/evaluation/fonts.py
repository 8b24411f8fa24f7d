"""A font of this machine with simplified Chinese, for pictures that are drawn without a browser.

No font is bundled: the faces are 5 to 20 MB each, and the systems that run the page have one or
install one in a line.
"""

from collections.abc import Sequence
from pathlib import Path

from rolecraft.errors import ResultsError

# Where Linux, macOS and Windows keep fonts, and the files looked for there, best first.
_FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
_FONT_NAMES = (
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansSC-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Bold.ttc",
    "SourceHanSansCN-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "DroidSansFallbackFull.ttf",
)


def chinese_font(folders: Sequence[str | Path] = _FONT_FOLDERS) -> Path:
    """A font of this machine with simplified Chinese; `ResultsError` says how to get one."""
    found: dict[str, Path] = {}
    for folder in folders:
        if Path(folder).is_dir():
            found = {**{path.name: path for path in Path(folder).rglob("*.*t[tfc]*")}, **found}
    for name in _FONT_NAMES:
        if name in found:
            return found[name]
    raise ResultsError(
        "No font with Chinese letters was found in "
        f"{', '.join(str(folder) for folder in folders)}, so the word cloud of the traits is left "
        "out. Install one: apt-get install fonts-noto-cjk."
    )


def single_face(font: Path, folder: Path) -> Path:
    """The simplified Chinese face of a collection, as a file of its own.

    wordcloud opens the first face, which in Noto's collection draws Chinese the Japanese way.
    """
    if font.suffix.lower() != ".ttc":
        return font
    from fontTools.ttLib import TTCollection

    with TTCollection(str(font), lazy=True) as collection:
        faces = {str(face["name"].getDebugName(4)): face for face in collection.fonts}
        chosen = next((face for name, face in faces.items() if " SC" in f"{name} "), None)
        if chosen is None:
            return font
        chosen.save(str(folder / "face.otf"), reorderTables=None)
    return folder / "face.otf"
