"""The engine inside calls that are lent a GPU: the same replies, from processes of their own."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from rolecraft.conversation import Message, Sampling
from rolecraft.engines import catalog as catalog_module
from rolecraft.engines.base import EngineCard
from rolecraft.engines.catalog import Catalog
from rolecraft.engines.lent import Asked, LentWorker, seconds_of
from rolecraft.engines.loading import LocalModel
from rolecraft.engines.local import LocalEngine, Worker
from rolecraft.engines.zero_gpu import borrow
from rolecraft.errors import ConfigurationError, EngineFailed, EngineNotFound
from rolecraft.settings import Settings
from tests.tiny import make_catalogue, make_voices

STAND_IN = Path(__file__).parents[1] / "data" / "zero_gpu"
GREEDY = Sampling(temperature=0.0, max_new_tokens=10)
WARM = Sampling(temperature=0.9, max_new_tokens=12, seed=5)
LONG = Sampling(temperature=0.0, max_new_tokens=2000)
ASKED = [Message("system", "你是桃子，爱花，爱猫。"), Message("user", "今天吃了什么？")]


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The stand-in, found as the real package is."""
    monkeypatch.syspath_prepend(str(STAND_IN))
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    borrow()
    yield sys.modules["spaces"]
    sys.modules.pop("spaces")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    base = make_voices(tmp_path_factory.mktemp("models"), ["low", "high"]) / "voices"
    adapters = {name: str(base / "adapters" / name) for name in ("low", "high")}
    return LocalModel(str(base), adapters, threads=1, slots=2)


def engine_of(worker: Worker) -> LocalEngine:
    return LocalEngine(EngineCard("tiny", "local", {}), worker)


@pytest.fixture
def lent(spaces: ModuleType, model: LocalModel) -> LocalEngine:
    return engine_of(LentWorker(model, borrow()))


def test_a_lent_gpu_says_what_an_own_one_says(
    lent: LocalEngine, model: LocalModel, spaces: ModuleType
) -> None:
    own = engine_of(Worker(model))
    for adapter, sampling, opening in (
        ("low", GREEDY, ""), ("high", WARM, ""), ("", GREEDY, "（快乐）"), ("low", WARM, ""),
    ):  # fmt: skip
        there = lent.stream(ASKED, sampling, adapter, opening)
        here = own.stream(ASKED, sampling, adapter, opening)
        assert list(there.waiting()) == []
        assert "".join(there) == "".join(here) != ""
        assert there.reply_tokens == here.reply_tokens and there.finish == here.finish
        assert there.logprobs == pytest.approx(here.logprobs, abs=1e-5)
        assert there.identity == here.identity and there.prompt_tokens == here.prompt_tokens
    text = "".join(own.stream(ASKED, GREEDY, "low"))
    lent.stop = (text[2:4],)
    stopped = lent.stream(ASKED, GREEDY, "low")
    assert "".join(stopped) == text[: text.find(text[2:4], 1)] and stopped.finish == "stop"
    assert spaces.CALLS == [16.0, 16.2, 16.0, 16.2, 16.0]
    assert lent.worker.slots is None  # nothing was made where there is no GPU


def test_calls_at_once_are_not_mixed(lent: LocalEngine) -> None:
    lent.load()
    names = ["low", "high", "", "low"]

    def ask(name: str) -> str:
        return "".join(lent.stream(ASKED, GREEDY, name))

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(ask, names))
    assert texts[0] == texts[3] and len(set(texts)) == 3
    assert texts == [ask(name) for name in names]


def test_stopping_ends_the_call(lent: LocalEngine) -> None:
    before = threading.active_count()
    answer = lent.stream(ASKED, LONG)
    pieces = iter(answer)
    next(pieces)
    answer.cancel()
    at = answer.reply_tokens
    assert len(list(pieces)) <= 2 and answer.finish == "user_stop"
    assert answer.reply_tokens <= at + 2
    gone = lent.stream(ASKED, LONG)
    reader = iter(gone)
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert gone.ended and gone.finish == "user_stop"
    never = lent.stream(ASKED, LONG)
    never.cancel()
    assert list(never) == [] and never.finish == "user_stop"
    assert threading.active_count() <= before


def test_what_fails_there_is_said_here(lent: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    lent.load()
    with pytest.raises(EngineNotFound, match="Known: low"):
        lent.stream(ASKED, GREEDY, "lower")
    with monkeypatch.context() as patch:
        patch.setattr(LentWorker, "_here", None)
        with pytest.raises(EngineFailed, match=r"tiny failed: ZeroGPU worker error: TypeError"):
            list(lent.stream(ASKED, GREEDY))
    broken = replace(lent.worker.model, memory_gb=1e-9)
    with monkeypatch.context() as patch:
        patch.setattr(lent.worker, "model", broken)
        with pytest.raises(EngineFailed, match="needs .* to answer one visitor"):
            list(lent.stream(ASKED, GREEDY))
    assert "".join(lent.stream(ASKED, GREEDY))


def test_a_call_asks_for_no_more_than_its_reply_can_take(lent: LocalEngine) -> None:
    answer = lent.stream(ASKED, LONG)
    asked = Asked(tuple(answer.ids), LONG, "", answer.identity)
    assert seconds_of(asked) == 120 > seconds_of(replace(asked, sampling=GREEDY))


def test_the_catalogue_borrows_where_the_hardware_is_zero_gpu(
    spaces: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "cuda_is_here", lambda: True)
    bases = {
        "big": {"folder": "big", "device": "cuda", "dtype": "bfloat16"},
        "small": {"folder": "small", "device": "cpu"},
    }
    local = {name: {"kind": "local", "base": name} for name in bases}
    path = make_catalogue(tmp_path / "catalog.yaml", bases, **local)
    for name in bases:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
        (tmp_path / name / "x.safetensors").touch()
    for zero_gpu, wanted in ((True, LentWorker), (False, Worker)):
        catalog = Catalog(Settings(models_dir=tmp_path, zero_gpu=zero_gpu), path)
        big, small = (catalog.open(name) for name in bases)
        assert type(big.worker) is wanted and type(small.worker) is Worker  # type: ignore[attr-defined]


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(ConfigurationError, match="pip install spaces"):
        borrow()
