"""PNG text chunks: how Tavern cards hide in pictures. Knows no card."""

import struct
import zlib
from collections.abc import Iterable, Mapping

from rolecraft.errors import CharacterInvalid

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def text_chunks(picture: bytes) -> dict[str, bytes]:
    """The tEXt chunks of a PNG by keyword. Raises `CharacterInvalid` when it is damaged."""
    return {
        keyword.decode("latin-1"): text
        for kind, body in _chunks(picture)
        if kind == b"tEXt"
        for keyword, _, text in [body.partition(b"\0")]
    }


def with_text(picture: bytes, texts: Mapping[str, bytes]) -> bytes:
    """The PNG with these tEXt chunks before its end."""
    chunks = [_chunk(kind, body) for kind, body in _chunks(picture) if kind != b"IEND"]
    chunks += [_chunk(b"tEXt", key.encode("latin-1") + b"\0" + text) for key, text in texts.items()]
    return b"".join((SIGNATURE, *chunks, _chunk(b"IEND", b"")))


def _chunks(picture: bytes) -> Iterable[tuple[bytes, bytes]]:
    position = len(SIGNATURE)
    while position + 12 <= len(picture):
        length, kind = struct.unpack_from(">I4s", picture, position)
        end = position + 12 + length
        if end > len(picture):
            break
        body = picture[position + 8 : end - 4]
        if struct.unpack_from(">I", picture, end - 4)[0] != zlib.crc32(kind + body):
            break
        yield kind, body
        if kind == b"IEND":
            return
        position = end
    raise CharacterInvalid("The PNG file is damaged or cut short. Fetch or export it again.")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
