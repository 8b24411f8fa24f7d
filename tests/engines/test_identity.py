"""What a reply says of who answered: enough to tell two ways of holding the same weights apart."""

import hashlib
from typing import Any

import pytest

from rolecraft.conversation import Identity, Message, Sampling
from rolecraft.engines import chatglm3
from rolecraft.engines.loading import LocalModel
from rolecraft.engines.local import Worker
from tests.engines.checkpoints import TINY


def identity(**options: Any) -> Identity:
    worker = Worker(LocalModel(str(TINY), threads=1, slots=1, inline=True, **options))
    asked = [Message("user", "你好")]
    return worker.submit("tiny", asked, Sampling(max_new_tokens=2, seed=1), None, "").identity


@pytest.mark.parametrize(
    ("options", "held"),
    [
        ({}, ("float32", "")),
        ({"dtype": "bfloat16"}, ("bfloat16", "")),
        ({"dtype": "bfloat16", "quantization": "int8"}, ("float16", "int8")),  # as it computes
    ],
)
def test_a_reply_says_how_its_weights_were_held(
    options: dict[str, str], held: tuple[str, str]
) -> None:
    found = identity(**options)
    assert (found.dtype, found.quant) == held
    assert found.base_sha256 == chatglm3.weights_sha256(TINY)
    file = TINY / "tokenizer.model"
    assert found.tokenizer_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
