"""What is learnt of a dialogue, and that samples packed into one row do not see each other."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from rolecraft.conversation import Message
from rolecraft.engines.chatglm3 import load_tokenizer
from train.documents import IGNORED, SEAM, ChatFormat, Document, pack

MODEL = Path(__file__).parents[2] / "models" / "mini" / "tokenizer.model"


@pytest.fixture(scope="module")
def chat() -> ChatFormat:
    return ChatFormat(str(MODEL))


def test_training_prompt_is_the_serving_prompt(chat: ChatFormat) -> None:
    messages = [Message("system", "你是小北。"), Message("user", "你几岁？")]
    reply = Message("assistant", "（快乐）10岁！")
    served = load_tokenizer(MODEL.parent)
    whole = [*served.encode_chat(messages), *served.encode_reply(reply.content, end=True)]
    assert chat.document([*messages, reply]).ids.tolist() == whole


def test_only_replies_and_their_ends_are_learnt(chat: ChatFormat) -> None:
    talk = [
        Message("user", "你好"),
        Message("assistant", "你好呀"),
        Message("user", "再见"),
        Message("assistant", "再见啦"),
    ]
    document = chat.document(talk)
    learnt = [int(i) for i, keep in zip(document.ids, document.learnt, strict=True) if keep]
    said = [
        *chat.pieces.encode("你好呀"),
        chat.roles["user"],
        *chat.pieces.encode("再见啦"),
        chat.eos,
    ]
    assert learnt == said


def test_a_packed_row_gives_the_loss_of_its_samples_alone(chat: ChatFormat) -> None:
    from train.pretrain import Config, build_model, summed_loss

    model = build_model(
        Config(
            output_dir="",
            hidden_size=64,
            num_hidden_layers=2,
            intermediate_size=96,
            num_attention_heads=2,
        )
    )
    talks = [
        [Message("user", f"第{n}个问题"), Message("assistant", f"回答{n}{n}")] for n in range(5)
    ]
    documents = [chat.document(talk) for talk in talks]
    room = sum(map(len, documents)) + 30  # the packer leaves small gaps unfilled
    rows = next(pack(iter(documents), room, random.Random(1), pool=9))
    alone = sum(
        summed_loss(model, next(pack(iter([one]), len(one), random.Random(1)))).item()
        for one in documents
    )
    assert int((rows.labels != IGNORED).sum()) == sum(int(d.learnt[1:].sum()) for d in documents)
    assert summed_loss(model, rows).item() == pytest.approx(alone, rel=1e-5)


def test_packing_loses_and_invents_nothing() -> None:
    rng = random.Random(3)
    documents = [
        Document(np.full(size, number + 1, np.int32), np.ones(size, bool))
        for number, size in enumerate(rng.choices(range(2, 40), k=60))
    ]
    rows = list(pack(iter(documents), 64, rng))
    tokens = np.concatenate([row.input_ids[0] for row in rows])
    for number, document in enumerate(documents):
        # A document may be cut at a row's end, but it is never repeated.
        assert 0 < int((tokens == number + 1).sum()) <= len(document)


def test_gradients_of_two_workers_are_those_of_one(chat: ChatFormat) -> None:
    from train.pretrain import Config, Gradients, build_model

    config = Config(
        output_dir="",
        hidden_size=64,
        num_hidden_layers=1,
        intermediate_size=96,
        num_attention_heads=2,
    )
    talk = [Message("user", "你好吗"), Message("assistant", "很好，谢谢你")]
    rows = [next(pack(iter([chat.document(talk)]), 40, random.Random(n))) for n in range(4)]
    found = []
    for workers in (1, 2):
        model = build_model(config)
        loss, learnt = Gradients(model, workers).accumulate(rows)
        found.append((loss, learnt, [p.grad for p in model.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert found[0][1] == found[1][1]
    for one, two in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(one, two)


def test_words_between_seams_are_cut_as_where_they_are_copied_from(chat: ChatFormat) -> None:
    value = "糖醋排骨和桂花糕"
    passage = chat.encode(f"喜欢的食物：{value}")
    reply = chat.encode(f"我最爱吃{SEAM}{value}{SEAM}了。")
    own = chat.encode(f"：{value}")[len(chat.colon) :]
    assert passage[-len(own) :] == own
    assert any(reply[place : place + len(own)] == own for place in range(len(reply)))
    assert chat.pieces.decode(reply) == f"我最爱吃{value}了。"
    assert chat.encode("没有缝。") == chat.pieces.encode("没有缝。")


def test_a_model_grows_by_heads_without_another_word() -> None:
    from train.pretrain import Config, build_model, grown

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "vocab_size": 64,
             "num_attention_heads": 4}  # fmt: skip
    small = build_model(Config(output_dir="", **sizes))  # type: ignore[arg-type]
    large = build_model(Config(output_dir="", num_key_value_heads=4, **sizes))  # type: ignore[arg-type]
    large.load_state_dict(grown(small.state_dict(), large))
    ids = torch.arange(20)[None]
    assert torch.allclose(small(ids).logits, large(ids).logits, atol=1e-6)
    tied = build_model(Config(output_dir="", tie_word_embeddings=True, **sizes))  # type: ignore[arg-type]
    tied.load_state_dict(grown(small.state_dict(), tied))
    assert torch.equal(tied.model.embed_tokens.weight, small.lm_head.weight)
    assert tied.lm_head.weight is tied.model.embed_tokens.weight
