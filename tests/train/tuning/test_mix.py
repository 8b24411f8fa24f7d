"""The mix: shares, temperature and seeds do what they say, and nothing held out is trained on."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rolecraft.errors import TrainingError
from tests.train.tuning.conftest import TOKENIZER
from train.documents import Document
from train.tuning.config import Config
from train.tuning.feed import Feed
from train.tuning.mix import Item, Mix, data_sha256

Make = Callable[..., Config]


class Watched(Mix):
    """A mix that remembers what it drew."""

    def document(self, item: Item) -> Document:
        self.__dict__.setdefault("drawn", []).append(item)
        return super().document(item)


def drawn(config: Config, count: int) -> list[Item]:
    mix = Watched(config, TOKENIZER)
    list(itertools.islice(mix, count))
    items: list[Item] = mix.__dict__["drawn"]
    return items


def test_shares_are_those_asked_for(config: Make) -> None:
    kinds = Counter(i.kind for i in drawn(config(sources={"general": 1, "specific": 3}), 400))
    assert 70 < kinds["general"] < 130 and kinds["general"] + kinds["specific"] == 400


def test_every_example_comes_once_an_epoch(config: Make) -> None:
    items = drawn(config(sources={"specific": 1}, temperature=1.0), 500)
    counts = Counter(item.key for item in items if item.character.id == "tao-zi")
    assert max(counts.values()) - min(counts.values()) <= 1


def test_temperature_makes_small_characters_more_frequent(config: Make, shelf: Path) -> None:
    import shutil

    few = shelf.parent / "few"
    shutil.copytree(shelf, few, dirs_exist_ok=True)
    path = few / "tao-zi" / "questions.jsonl"
    path.write_text("".join(path.open().readlines()[:4]), "utf-8")
    shares = []
    for temperature in (1.0, 2.0, 100.0):
        wanted = config(sources={"specific": 1}, temperature=temperature, characters=str(few))
        items = drawn(wanted, 300)
        shares.append(sum(item.character.id == "tao-zi" for item in items) / len(items))
    assert shares[0] < 0.15 < shares[1] < 0.4 < shares[2] < 0.6


def test_seeds_decide_the_order(config: Make) -> None:
    first, same, other = (
        [document.ids.tolist() for document in itertools.islice(Mix(one, TOKENIZER), 8)]
        for one in (config(data_seed=5), config(data_seed=5, seed=9), config(data_seed=6))
    )
    assert first == same != other


def test_what_validates_is_not_trained_on(config: Make) -> None:
    mix = Watched(config(validation_share=0.2), TOKENIZER)
    kept = {item.key for item in mix.validation}
    list(itertools.islice(mix, 300))
    assert kept and not kept & {item.key for item in mix.__dict__["drawn"]}
    assert [d.ids.tolist() for d in mix.held_out()] == [d.ids.tolist() for d in mix.held_out()]
    with pytest.raises(TrainingError, match="none is left to validate with"):
        Mix(config(validation_share=0.2, sources={"cast": 1.0}), TOKENIZER)


def test_emotions_can_be_left_out(config: Make) -> None:
    for emotions in (True, False):
        mix = Mix(config(emotions=emotions), TOKENIZER)
        for document in itertools.islice(mix, 10):
            said = mix.chat.pieces.decode(document.ids[document.learnt].tolist())
            assert said.startswith("（") == emotions


def test_long_examples_lose_passages_before_answers(config: Make) -> None:
    wanted = config(row_tokens=200, target_tokens=12, sources={"specific": 1})
    for document in itertools.islice(Mix(wanted, TOKENIZER), 40):
        assert len(document) <= 200
        assert 0 < document.learnt.sum() <= 13


def test_the_large_prompt_shares_its_persona(config: Make) -> None:
    wanted = config(prompt="large", packing="shared", row_tokens=2000, pool=40)
    rows = next(Feed(wanted, Mix(wanted, TOKENIZER)))
    assert (rows.position_ids == 0).sum() < (rows.__dict__["segments"] == 1).any() + 8


def test_faults_are_named(config: Make) -> None:
    with pytest.raises(TrainingError, match="No source named 'specifc'.*specific"):
        Mix(config(sources={"specifc": 1.0}), TOKENIZER)
    with pytest.raises(TrainingError, match="cast is composed for the small prompt"):
        Mix(config(sources={"cast": 1.0}, emotions=False), TOKENIZER)
    shelf = Path(__file__).parents[2] / "data" / "shelf"
    with pytest.raises(TrainingError, match="holds no general examples"):
        Mix(config(characters=str(shelf)), TOKENIZER)


def test_the_data_hash_follows_the_files(config: Make, shelf: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(shelf, tmp_path / "copy"))
    before = data_sha256(config())
    assert before == data_sha256(config(characters=str(copy)))
    with (copy / "tao-zi" / "questions.jsonl").open("a") as file:
        file.write("\n")
    assert before != data_sha256(config(characters=str(copy)))
