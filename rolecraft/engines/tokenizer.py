"""ChatGLM3's tokeniser: SentencePiece, nine special tokens after its pieces, and the chat format.

Knows no model. Special and role tokens only ever come from the format, never from a text.
"""

import codecs
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from rolecraft.conversation import Message
from rolecraft.errors import CheckpointError

# Ids follow the pieces in this order (ChatGLM3's tokeniser; 64,789 pieces in the 6B one).
SPECIAL_TOKENS = (
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "sop",
    "eop",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
)
ROLES = ("system", "user", "assistant", "observation")
_SPACE = "\u2581"  # how SentencePiece writes a space


class ChatTokenizer:
    """Text and conversations to ids and back. Safe to use from several threads."""

    pad_id = 0
    eos_id = 2

    def __init__(self, path: Path) -> None:
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is not a SentencePiece model ({error}). Download it again."
            ) from error
        self.path = path
        count = self._pieces.vocab_size()
        self.special_ids = {token: count + i for i, token in enumerate(SPECIAL_TOKENS)}
        self.vocab_size = count + len(SPECIAL_TOKENS)  # the embedding may be padded beyond it

    @cached_property
    def sha256(self) -> str:
        """Hash of its file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end a reply: the end of text and the roles that only others may open."""
        others = ("<|system|>", "<|user|>", "<|observation|>")
        return (self.eos_id, *(self.special_ids[token] for token in others))

    def encode(self, text: str) -> list[int]:
        """Ids of a plain text. `<|assistant|>` in it is eleven-odd ordinary pieces."""
        clean = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate has no bytes
        return list(self._pieces.encode(clean))

    def encode_message(self, role: str, content: str, metadata: str = "") -> list[int]:
        """Ids of one message: its role token, `"{metadata}\\n"`, its content."""
        if role not in ROLES:
            raise ValueError(f"No role named {role!r}. The roles are {', '.join(ROLES)}.")
        head = self.special_ids[f"<|{role}|>"]
        return [head, *self.encode(f"{metadata}\n"), *self.encode(content)]

    def encode_chat(
        self, messages: Sequence[Message | Mapping[str, Any]], opening: str = ""
    ) -> list[int]:
        """Ids of a whole prompt, ending where the assistant speaks next.

        `messages` are `Message`s or mappings with role, content and perhaps metadata. With an
        `opening` the reply has begun with that text, as `encode_reply` begins it.
        """
        ids = [self.special_ids["[gMASK]"], self.special_ids["sop"]]
        for message in messages:
            if isinstance(message, Message):
                ids += self.encode_message(message.role, message.content)
            else:
                ids += self.encode_message(
                    message["role"], message["content"], message.get("metadata", "")
                )
        ids.append(self.special_ids["<|assistant|>"])
        return ids + self.encode_reply(opening) if opening else ids

    def encode_reply(self, text: str, end: bool = False) -> list[int]:
        """Ids that follow `<|assistant|>` when it says `text`; with `end`, the end of text too."""
        ids = [*self.encode("\n"), *self.encode(text)]
        return [*ids, self.eos_id] if end else ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; special tokens, padding and unknown ids have none."""
        decoder = IncrementalDecoder(self, strip_start=False)
        return "".join([decoder.push(index) for index in ids]) + decoder.flush()

    def decoder(self, strip_start: bool = True) -> "IncrementalDecoder":
        """A fresh decoder for one streamed reply."""
        return IncrementalDecoder(self, strip_start)

    @cached_property
    def piece_bytes(self) -> tuple[bytes, ...]:
        """The bytes each piece stands for; none for control pieces, `<unk>` and unused ones."""
        table = []
        for index in range(self._pieces.vocab_size()):
            piece = self._pieces.id_to_piece(index)
            if self._pieces.is_byte(index):
                table.append(bytes([int(piece[3:5], 16)]))  # <0xE4>
            elif self._pieces.is_control(index) or self._pieces.is_unknown(index):
                table.append(b"")
            else:
                table.append(piece.replace(_SPACE, " ").encode())
        return tuple(table)


class IncrementalDecoder:
    """Ids in, text out, one at a time; a character of several ids comes out whole.

    Constant work per id. With `strip_start` white space before the first visible character is
    dropped: ChatGLM3 opens its replies with an empty metadata line.
    """

    def __init__(self, tokenizer: ChatTokenizer, strip_start: bool = True) -> None:
        self._table = tokenizer.piece_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._strip_start = strip_start
        self._started = False

    def push(self, index: int) -> str:
        """The text that became complete with this id; often a character, sometimes nothing."""
        found = self._table[index] if 0 <= index < len(self._table) else b""
        return self._trim(self._utf8.decode(found))

    def peek(self, index: int) -> str:
        """What `push` would return, without taking the id."""
        utf8, started = self._utf8.getstate(), self._started
        text = self.push(index)
        self._utf8.setstate(utf8)
        self._started = started
        return text

    def flush(self) -> str:
        """What is left at the end: `\ufffd` for a character that never became whole."""
        return self._trim(self._utf8.decode(b"", final=True))

    def _trim(self, text: str) -> str:
        if self._started or not text:
            return text
        if self._strip_start:
            text = text.lstrip()
            self._started = bool(text)
        else:
            self._started = True
            text = text.removeprefix(" ")  # SentencePiece puts a space before every text
        return text


def load_tokenizer(folder: Path) -> ChatTokenizer:
    """The tokeniser of a checkpoint folder; CheckpointError names what is missing."""
    path = folder / "tokenizer.model"
    if path.is_file():
        return ChatTokenizer(path)
    other = [path.name for path in sorted(folder.glob("tokenizer*.json"))]
    hint = f" {other[0]} alone is not enough." if other else ""
    raise CheckpointError(
        f"tokenizer.model is missing in {folder}.{hint} Put ChatGLM3's SentencePiece model there; "
        "for ChatGLM3-6B it is in https://huggingface.co/zai-org/chatglm3-6b."
    )
