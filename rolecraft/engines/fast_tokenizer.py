"""ChatGLM3's tokeniser in the form that other servers read: tokenizer.json and a chat template.

For `transformers serve`, vLLM and SGLang; this project itself encodes by `tokenizer.py`. The same
ids come out for ordinary text. Special tokens that a visitor types are broken by the template.
"""

import json
import re
from pathlib import Path
from typing import Any

from rolecraft.engines.tokenizer import ROLES, SPECIAL_TOKENS, ChatTokenizer
from rolecraft.errors import CheckpointError

# Ids decide, not names: `sop` and `eop` get brackets, or the word itself would become the token.
_WRITTEN = {"sop": "<sop>", "eop": "<eop>"}
_SPACE = "\u2581"


def export_fast_tokenizer(tokenizer_model_path: str | Path, folder: str | Path) -> Path:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja into `folder`.

    Built from the SentencePiece model alone (BPE or unigram). Raises CheckpointError for a kind
    of model that has no exact counterpart.
    """
    source, target = Path(tokenizer_model_path), Path(folder)
    ChatTokenizer(source)  # names a missing or broken file
    model = _read(source)
    fast = _tokenizer(source, model)
    target.mkdir(parents=True, exist_ok=True)
    fast.save(str(target / "tokenizer.json"))
    (target / "chat_template.jinja").write_text(chat_template(model), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": model.pieces[ChatTokenizer.eos_id].piece,
        "pad_token": model.pieces[ChatTokenizer.pad_id].piece,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
    (target / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return target


def chat_template(model: Any) -> str:
    """The chat format as a Jinja template; `encode_chat` writes the same ids.

    A special token inside a message is broken by a space after its first character: servers
    read tokens out of the rendered text and would otherwise let a visitor speak for others.
    """
    unsafe = [*_special_texts(), *(model.pieces[index].piece for index in range(3))]
    safe = "".join(f".replace({text!r}, {text[0] + ' ' + text[1:]!r})" for text in unsafe)
    roles = json.dumps(list(ROLES))
    return (
        "[gMASK]<sop>"
        "{%- for message in messages -%}"
        f"{{%- if message.role not in {roles} -%}}"
        "{{- raise_exception('No role named ' + message.role) -}}"
        "{%- endif -%}"
        "{{- '<|' + message.role + '|>\\n' -}}"
        f"{{{{- message.content{safe} -}}}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
    )


def _special_texts() -> list[str]:
    return [_WRITTEN.get(token, token) for token in SPECIAL_TOKENS]


def _read(source: Path) -> Any:
    from sentencepiece import sentencepiece_model_pb2 as proto

    model: Any = proto.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString(source.read_bytes())
    spec = model.trainer_spec
    if spec.model_type not in (spec.BPE, spec.UNIGRAM) or spec.treat_whitespace_as_suffix:
        raise CheckpointError(
            f"{source} is neither a BPE nor a unigram model with leading spaces. "
            "Train the tokeniser with model_type bpe, as ChatGLM3's is."
        )
    return model


def _tokenizer(source: Path, model: Any) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    spec = model.trainer_spec
    if spec.model_type == spec.BPE:
        core: Any = models.BPE(
            vocab={piece.piece: index for index, piece in enumerate(model.pieces)},
            merges=_merges(model),
            unk_token=model.pieces[spec.unk_id].piece,
            byte_fallback=spec.byte_fallback,
            fuse_unk=True,
            ignore_merges=True,  # a symbol of `_symbols` is a piece that no merge makes
        )
    else:
        core = models.Unigram(
            [(piece.piece, piece.score) for piece in model.pieces],
            unk_id=spec.unk_id,
            byte_fallback=spec.byte_fallback,
        )
    fast = Tokenizer(core)
    symbols = _symbols(model)
    fast.normalizer = _normalizer(model.normalizer_spec, symbols)
    if symbols:
        whole = Regex("|".join(re.escape(symbol) for symbol in symbols))
        fast.pre_tokenizer = pre_tokenizers.Split(whole, "isolated")
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if model.normalizer_spec.add_dummy_prefix:
        steps.append(decoders.Strip(" ", 1, 0))
    fast.decoder = decoders.Sequence(steps)
    own = [model.pieces[index].piece for index in range(3)]
    fast.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in [*own, *_special_texts()]]
    )
    return fast


def _merges(model: Any) -> list[tuple[str, str]]:
    """The merges that SentencePiece implies: every split of a piece, best piece first."""
    kind = model.SentencePiece
    scores = {
        piece.piece: piece.score
        for piece in model.pieces
        if piece.type in (kind.NORMAL, kind.USER_DEFINED)
    }
    order = {piece.piece: index for index, piece in enumerate(model.pieces)}
    ranked: list[tuple[float, int, int, tuple[str, str]]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                ranked.append((-score, order[left], order[right], (left, right)))
    return [pair for *_, pair in sorted(ranked)]


def _symbols(model: Any) -> list[str]:
    """Pieces that SentencePiece never splits, joins or normalises; the longest is matched."""
    kind = model.SentencePiece.USER_DEFINED
    return sorted((piece.piece for piece in model.pieces if piece.type == kind), key=len)[::-1]


def _normalizer(spec: Any, symbols: list[str]) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if spec.precompiled_charsmap:
        # Private-use characters stand for the symbols while the rest is normalised.
        hidden = [(symbol, chr(0xE000 + i)) for i, symbol in enumerate(symbols)]
        steps += [normalizers.Replace(symbol, mark) for symbol, mark in hidden]
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
        steps += [normalizers.Replace(mark, symbol) for symbol, mark in hidden]
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
        # The metadata line and the content are two texts, each with its own leading space.
        steps.append(normalizers.Replace(Regex(rf"\A{_SPACE}\n(?=[\s\S])"), f"{_SPACE}\n{_SPACE}"))
    if spec.escape_whitespaces:
        steps.append(normalizers.Replace(" ", _SPACE))
    return normalizers.Sequence(steps)
