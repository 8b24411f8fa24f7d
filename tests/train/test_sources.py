"""The sources of pretraining: their shares, their place, and that it can be gone back to."""

import itertools
import json
import random
from pathlib import Path

import pytest

from rolecraft.errors import TrainingError
from train.feed import Feed
from train.sources import Pile, Sources, composed

TOKENIZER = str(Path(__file__).parents[2] / "models" / "mini" / "tokenizer.model")
SHARES = {"talks": 1.0, "lines": 2.0, "imagined": 1.0, "recall": 1.0}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small corpora beside the everyday sentences."""
    folder = tmp_path_factory.mktemp("corpora")
    talks = [
        {"messages": [{"role": "user", "content": f"第{n}天好吗"},
                      {"role": "assistant", "content": "很好"}]}
        for n in range(5)
    ]  # fmt: skip
    lines = [{"text": f"今天是第{n}天，风有点大。"} for n in range(7)]
    for name, rows in (("talks.sft", talks), ("lines", lines), ("tatoeba_cmn_ccby2fr", lines)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    return folder


def sources(corpora: Path, begin: str = "", **shares: float) -> Sources:
    return Sources(shares or SHARES, corpora, TOKENIZER, 60, 5, begin)


def ids(documents: Sources, count: int) -> list[list[int]]:
    return [one.ids.tolist() for one in itertools.islice(documents, count)]


def test_every_document_comes_once_an_epoch_in_another_order(corpora: Path) -> None:
    drawn = ids(sources(corpora, lines=1.0), 14)
    first, second = drawn[:7], drawn[7:]
    assert sorted(first) == sorted(second) and first != second
    assert len({str(one) for one in first}) == 7


def test_the_place_is_gone_back_to(corpora: Path) -> None:
    kept = Feed(sources(corpora), 96, 2, 1, pool=5)
    kept.step()
    place = kept.state()
    wanted = [kept.step() for _ in range(4)]
    resumed = Feed(sources(corpora), 96, 2, 1, pool=5)
    resumed.restore(json.loads(json.dumps(place), object_hook=_tuples))
    found = [resumed.step() for _ in range(4)]
    for one, other in zip(itertools.chain(*wanted), itertools.chain(*found), strict=True):
        assert (one.input_ids == other.input_ids).all() and (one.labels == other.labels).all()


def _tuples(value: dict) -> dict:
    """Random numbers are told as tuples, which JSON does not know."""
    if "rng" in value:
        version, state, gauss = value["rng"]
        value["rng"] = (version, tuple(state), gauss)
    return value


def test_a_place_of_other_sources_is_known(corpora: Path) -> None:
    place = sources(corpora).state()
    assert sources(corpora).is_of_these(place)
    assert not sources(corpora, lines=1.0).is_of_these(place)
    assert not sources(corpora, **{**SHARES, "lines": 3.0}).is_of_these(place)
    # What begins anew does not read the same once more.
    assert ids(sources(corpora, "9"), 9) != ids(sources(corpora), 9)


def test_a_corpus_that_is_not_there_is_named(corpora: Path) -> None:
    with pytest.raises(TrainingError, match="No corpus 'wiki'"):
        sources(corpora, wiki=1.0)


def test_a_pile_needs_no_memory_but_its_place() -> None:
    pile = Pile("a", list("abcdef"), 3)
    drawn = [pile.take() for _ in range(20)]
    again = Pile("a", list("abcdef"), 3, epoch=1, position=2)
    assert [again.take() for _ in range(12)] == drawn[8:]


def test_imagined_facts_are_also_of_two_parts() -> None:
    lines = ["海鸥飞过灯塔。", "外面的风真大，快回来吧。"]
    talks = composed("imagined", random.Random(3), lines, ["铁", "月亮"], 3)
    read = "\n".join(message.content for _ in range(40) for message in next(talks))
    assert "：海鸥飞过灯塔\n" in read or "：快回来吧\n" in read
    assert "海鸥飞过灯塔，快回来吧" in read or "快回来吧，海鸥飞过灯塔" in read
