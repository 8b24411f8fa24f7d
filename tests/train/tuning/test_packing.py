"""Packed, shared and supervised-only: the same loss and the same gradients as padded samples."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rolecraft.conversation import Message
from train.documents import IGNORED, ChatFormat, Document, Rows, join_rows, pack
from train.pretrain import Config, build_model, summed_loss
from train.tuning import attention
from train.tuning.packing import SharedRows, pack_shared, padded

TOKENIZER = Path(__file__).parents[3] / "models" / "mini" / "tokenizer.model"


@pytest.fixture(scope="module")
def model() -> Any:
    config = Config(
        output_dir="", hidden_size=64, num_hidden_layers=2, intermediate_size=96,
        num_attention_heads=2,
    )  # fmt: skip
    return build_model(config)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Talks of three personas, of several lengths, in one order."""
    chat = ChatFormat(str(TOKENIZER))
    made = []
    for n in range(14):
        persona = Message("system", f"你是{'甲乙丙'[n % 3]}，今年{n % 3 + 10}岁，住在山下。")
        asked = [Message("user", f"第{k}个问题？" + "想" * n) for k in range(n % 3 + 1)]
        said = [Message("assistant", f"回答{n}{k}。") for k in range(n % 3 + 1)]
        turns = [turn for pair in zip(asked, said, strict=True) for turn in pair]
        made.append(chat.document([persona, *turns]))
    return made


def whole_loss(model: Any, rows: Rows) -> torch.Tensor:
    """The plain way: padded rows, an attention mask, logits everywhere."""
    labels = torch.from_numpy(rows.labels)
    logits = model(input_ids=torch.from_numpy(rows.input_ids), use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def gradients(model: Any, losses: Sequence[torch.Tensor]) -> tuple[float, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    total = torch.stack(list(losses)).sum()
    total.backward()
    return total.item(), torch.cat([p.grad.flatten() for p in model.parameters()])


def equal(one: tuple[float, torch.Tensor], two: tuple[float, torch.Tensor]) -> None:
    assert one[0] == pytest.approx(two[0], rel=1e-5)
    assert float((one[1] - two[1]).norm() / one[1].norm()) < 1e-5


def test_supervised_only_projection(model: Any, documents: list[Document]) -> None:
    rows = padded(documents)
    equal(gradients(model, [whole_loss(model, rows)]), gradients(model, [summed_loss(model, rows)]))


def test_packed_rows(model: Any, documents: list[Document]) -> None:
    long = sum(map(len, documents)) + 200
    rows = list(pack(iter(documents), long, random.Random(2)))
    assert sum(int((row.labels != IGNORED).sum()) for row in rows) == sum(
        int(one.learnt.sum()) for one in documents
    )
    alone = gradients(model, [whole_loss(model, padded(documents))])
    equal(alone, gradients(model, [summed_loss(model, row) for row in rows]))


def test_packed_rows_attended_to_sample_by_sample(
    model: Any, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(pack(iter(documents), sum(map(len, documents[:6])), random.Random(2)))
    both = join_rows(iter(rows), len(rows))
    masked = gradients(model, [summed_loss(model, both)])
    monkeypatch.setattr(model.config, "_attn_implementation", "sdpa")
    attention.use(model)
    assert attention.serves(model, both)
    equal(masked, gradients(model, [summed_loss(model, both)]))
    shared = list(pack_shared(iter(documents), 160))
    assert not attention.serves(model, shared[0])
    alone = gradients(model, [whole_loss(model, padded(documents))])
    equal(alone, gradients(model, [summed_loss(model, row) for row in shared]))


def test_rows_that_share_personas(model: Any, documents: list[Document]) -> None:
    rows = list(pack_shared(iter(documents), 160))
    slots = sum(row.input_ids.size for row in rows)
    assert slots < sum(map(len, documents))  # what sharing is for
    alone = gradients(model, [whole_loss(model, padded(documents))])
    equal(alone, gradients(model, [summed_loss(model, row) for row in rows]))
    both = join_rows(iter(rows), len(rows))
    assert isinstance(both, SharedRows)
    equal(alone, gradients(model, [summed_loss(model, both)]))


def test_a_sample_sees_its_persona_and_itself(documents: list[Document]) -> None:
    row = next(pack_shared(iter(documents), 300))
    assert isinstance(row, SharedRows)
    mask, groups, segments = row.mask[0, 0], row.groups[0], row.segments[0]
    for place in np.flatnonzero(groups >= 0):
        seen = np.flatnonzero(mask[place])
        assert seen.max() == place
        assert set(groups[seen]) == {groups[place]}
        assert set(segments[seen]) <= {0, segments[place]}
        assert len(seen) == row.position_ids[0, place] + 1


def test_sharing_keeps_every_document_and_cuts_only_the_too_long(documents: list[Document]) -> None:
    limit = max(map(len, documents)) - 1
    rows = list(pack_shared(iter(documents), limit, pool=5))
    learnt = sum(int((row.labels != IGNORED).sum()) for row in rows)
    whole = sum(int(one.learnt.sum()) for one in documents)
    assert 0 < whole - learnt <= sum(len(one) - limit for one in documents if len(one) > limit)
