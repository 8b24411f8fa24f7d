"""Tavern Character Cards in their containers: JSON, PNG (tEXt `chara` and `ccv3`) and CHARX (zip).

Knows how cards are packed; what their fields mean is `tavern`'s work. Everything is read in memory
and under limits, and nothing in a file decides where something is written.
"""

import base64
import binascii
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from rolecraft.characters import png
from rolecraft.characters.model import Character
from rolecraft.characters.plain import write_folder
from rolecraft.characters.tavern import SPECS, imported, to_card
from rolecraft.errors import CharacterInvalid

Container = Literal["json", "png", "charx"]

MAX_FILE = 32 * 1024 * 1024  # a large CHARX with pictures; a card of text is some 100 kB
MAX_JSON = 8 * 1024 * 1024
MAX_UNPACKED = 64 * 1024 * 1024
MAX_ASSETS = 200
MAX_SIDE = 4096  # pixels of a portrait

_ASSETS = "assets"  # the folder beside card.yaml in which a card's other files are kept
_EMBEDDED = "embeded://"  # spelled so in the V3 specification
_ICON = "assets/icon/image/main.png"  # where the portrait stands in the CHARX files made here
_PORTRAIT = {"type": "icon", "uri": _EMBEDDED + _ICON, "name": "main", "ext": "png"}
_NAME = re.compile(r"[^\x00-\x1f\\:*?\"<>|]+")  # what every file system can hold
_PNG_ASSET = "chara-ext-asset_:"
_RASTERS = ("portrait.png", "portrait.webp", "portrait.jpg")


@dataclass(frozen=True)
class Imported:
    """A card that was read: the character, its picture as PNG, its other files by path."""

    character: Character
    picture: bytes | None = None
    assets: Mapping[str, bytes] = field(default_factory=dict)


def read_card(body: bytes, name: str = "card", identity: str | None = None) -> Imported:
    """Read a card from the bytes of a file; `name` is only what errors call it.

    `identity` overrides the id that the card asks for. Raises `CharacterInvalid`.
    """
    path = Path(name)
    if len(body) > MAX_FILE:
        raise CharacterInvalid(
            f"{name} has {len(body) >> 20} MB; the limit is {MAX_FILE >> 20} MB. "
            "Make its pictures smaller."
        )
    if body.startswith(png.SIGNATURE):
        return _read_png(body, path, identity)
    if body.startswith(b"PK"):
        return _read_charx(body, path, identity)
    return Imported(imported(_parsed(body, path), path, identity))


def save_card(card: Imported, shelf_folder: Path) -> Path:
    """Write an imported card as a character folder; the folder. Raises `CharacterInvalid`."""
    files = {f"{_ASSETS}/{path}": content for path, content in card.assets.items()}
    if card.picture is not None:
        files["portrait.png"] = card.picture
    return write_folder(card.character, shelf_folder, files)


def write_card(character: Character, container: Container = "png", version: int = 3) -> bytes:
    """The character as the bytes of a card file."""
    if version not in SPECS or container not in ("json", "png", "charx"):
        raise CharacterInvalid(
            f"No card of version {version!r} in a {container!r} file. "
            "Choose version 2 or 3, and json, png or charx."
        )
    card = to_card(character, 3 if container == "charx" else version)
    if container == "json":
        return _dumped(card)
    if container == "charx":
        return _charx(character, card)
    return _png(character, card, version)


def _png(character: Character, card: dict[str, Any], version: int) -> bytes:
    texts = {"chara": base64.b64encode(_dumped(to_card(character, 2)))}
    if version == 3:
        texts["ccv3"] = base64.b64encode(_dumped(card))
    for path, content in _assets(character).items():
        texts[f"{_PNG_ASSET}{path}"] = base64.b64encode(content)
    return png.with_text(_picture(character), texts)


def _charx(character: Character, card: dict[str, Any]) -> bytes:
    assets = dict(_assets(character))
    listed = [one for one in card["data"].get("assets") or [] if isinstance(one, dict)]
    if _icon(listed) not in assets:
        assets[_ICON] = _picture(character)
        listed = [*(one for one in listed if one.get("uri") != _PORTRAIT["uri"]), _PORTRAIT]
    card["data"]["assets"] = listed
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", _dumped(card))
        for path, content in sorted(assets.items()):
            archive.writestr(path, content)
    return packed.getvalue()


def _read_png(body: bytes, path: Path, identity: str | None) -> Imported:
    texts = png.text_chunks(body)
    packed = texts.get("ccv3") or texts.get("chara")
    if packed is None:
        raise CharacterInvalid(
            f"{path} is a picture without a card (no tEXt chunk chara or ccv3). Pictures lose it "
            "when they are edited or sent by a messenger: fetch the original file."
        )
    card = _parsed(_decoded(packed, path, "card"), path)
    assets = {
        _safe(keyword.removeprefix(_PNG_ASSET), path): _decoded(text, path, keyword)
        for keyword, text in texts.items()
        if keyword.startswith(_PNG_ASSET)
    }
    return Imported(imported(card, path, identity), _as_png(body, path), assets)


def _read_charx(body: bytes, path: Path, identity: str | None) -> Imported:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = _unpacked(archive, path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as error:
        raise CharacterInvalid(
            f"{path} cannot be unpacked ({error}). Fetch or export it again, without a password."
        ) from error
    if "card.json" not in files:
        raise CharacterInvalid(f"{path} is a zip file without card.json, so it is no CHARX card.")
    card = _parsed(files.pop("card.json"), path)
    data = card["data"] if isinstance(card.get("data"), dict) else {}
    listed = data.get("assets")
    icon = _icon(listed if isinstance(listed, list) else [])
    picture = _as_png(files[icon], path) if icon in files else None
    if icon == _ICON:
        files.pop(icon, None)  # it comes back from portrait.png
    if listed == [_PORTRAIT]:
        data.pop("assets")
    return Imported(imported(card, path, identity), picture, files)


def _unpacked(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_ASSETS:
        raise CharacterInvalid(f"{path} holds {len(members)} files; the limit is {MAX_ASSETS}.")
    room = MAX_UNPACKED
    files: dict[str, bytes] = {}
    for member in members:
        with archive.open(member) as stream:
            content = stream.read(room + 1)  # what the header says of its size may be a lie
        room -= len(content)
        if room < 0:
            raise CharacterInvalid(
                f"{path} unpacks to more than {MAX_UNPACKED >> 20} MB. Make its pictures smaller."
            )
        files[_safe(member.filename, path)] = content
    return files


def _safe(name: str, path: Path) -> str:
    """A path inside a card that stays inside the folder that it is written to."""
    parts = PurePosixPath(name).parts
    ordinary = all(part not in ("..", ".") and _NAME.fullmatch(part) for part in parts)
    if not parts or len(parts) > 8 or len(name) > 200 or name.startswith("/") or not ordinary:
        raise CharacterInvalid(
            f"{path} holds a file called {name[:80]!r}, which could be written elsewhere or not at "
            "all. Rename it inside the card."
        )
    return "/".join(parts)


def _parsed(body: bytes, path: Path) -> dict[str, Any]:
    if len(body) > MAX_JSON:
        raise CharacterInvalid(
            f"The card in {path} has {len(body) >> 20} MB; the limit is {MAX_JSON >> 20} MB."
        )
    try:
        card = json.loads(body.decode("utf-8-sig"))
        json.dumps(card, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise CharacterInvalid(
            f"The card in {path} is not valid JSON in UTF-8 ({error}). Export it again."
        ) from error
    if not isinstance(card, dict):
        raise CharacterInvalid(f"{path} is no character card: its JSON is no object.")
    return card


def _decoded(text: bytes, path: Path, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CharacterInvalid(
            f"The {what} in {path} is not valid base64 ({error}). Export it again."
        ) from error


def _dumped(card: Mapping[str, Any]) -> bytes:
    return json.dumps(card, ensure_ascii=False).encode()


def _icon(listed: list[Any]) -> str | None:
    """The path inside a CHARX of the main portrait, or of the first one."""
    icons = [one for one in listed if isinstance(one, dict) and one.get("type") == "icon"]
    icons.sort(key=lambda one: one.get("name") != "main")
    uris = [str(one.get("uri", "")) for one in icons]
    paths = [uri.removeprefix(_EMBEDDED) for uri in uris if uri.startswith(_EMBEDDED)]
    return paths[0] if paths else None


def _assets(character: Character) -> dict[str, bytes]:
    root = character.folder / _ASSETS if character.folder else None
    if root is None or not root.is_dir():
        return {}
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def _picture(character: Character) -> bytes:
    """The portrait as PNG; a plain one in the character's own colour when there is no raster."""
    if character.folder:
        for name in _RASTERS:
            portrait = character.folder / name
            if portrait.is_file():
                return _as_png(portrait.read_bytes(), portrait)
    from PIL import Image, ImageDraw

    red, green, blue = (
        96 + byte // 3 for byte in hashlib.sha256(character.id.encode()).digest()[:3]
    )
    image = Image.new("RGB", (256, 256), (red, green, blue))
    draw = ImageDraw.Draw(image)
    draw.ellipse((88, 56, 168, 136), fill="white")
    draw.ellipse((48, 152, 208, 344), fill="white")
    return _encoded(image)


def _as_png(body: bytes, path: Path) -> bytes:
    """A picture as PNG with nothing but its pixels."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body), formats=("PNG", "JPEG", "WEBP")) as image:
            if max(image.size) > MAX_SIDE:
                raise CharacterInvalid(
                    f"The picture in {path} is {image.width} × {image.height} pixels; the limit "
                    f"is {MAX_SIDE}. Make it smaller."
                )
            return _encoded(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CharacterInvalid(
            f"The picture in {path} cannot be read ({error}). Use a PNG, JPEG or WebP."
        ) from error


def _encoded(image: Any) -> bytes:
    body = io.BytesIO()
    image.info = {}
    image.save(body, "PNG")
    return body.getvalue()
