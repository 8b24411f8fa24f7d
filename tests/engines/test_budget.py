"""Memory is counted before it is taken, the plan gives way in order, and no more is taken."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from rolecraft.conversation import Identity, Sampling
from rolecraft.engines import chatglm3
from rolecraft.engines.budget import Needs, Plan, fit, limit_of
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.loading import Loaded, LocalModel, load
from rolecraft.engines.slots import Slots
from rolecraft.errors import EngineUnavailable
from tests.engines.checkpoints import TINY
from tests.tiny import save_adapter

NEEDS = Needs(weights=1000, token=1, adapter=10, work_per_slot=5, work=100)
PLAN = Plan(slots=8, length=2048, cached_tokens=8192, places=4, needs=NEEDS)


def test_everything_is_counted() -> None:
    assert PLAN.adapters == 10 * (4 + 1 + 8)
    assert PLAN.total == 1000 + 100 + 5 * 8 + 130 + 8 * 2049 + 8192
    assert "8 at once with 2048 tokens each" in str(PLAN)


def test_what_fits_stays_as_it_is() -> None:
    assert fit(PLAN, None) is PLAN
    assert fit(PLAN, PLAN.total) is PLAN


def test_it_remembers_less_then_answers_fewer_then_reads_shorter() -> None:
    less = fit(PLAN, PLAN.total - 1)
    assert (less.slots, less.length, less.cached_tokens) == (8, 2048, 4096)
    fewer = fit(PLAN, 9000)
    assert (fewer.slots, fewer.length, fewer.cached_tokens) == (2, 2048, 2048)
    shorter = fit(PLAN, 3000)
    assert (shorter.slots, shorter.length, shorter.places) == (1, 512, 1)
    for limit in range(2200, PLAN.total, 517):
        assert fit(PLAN, limit).total <= limit


def test_too_little_is_said_with_the_cure() -> None:
    with pytest.raises(EngineUnavailable, match="Load it quantised"):
        fit(PLAN, 1500)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    root = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "two", "three")):
        save_adapter(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), seed, root / name)
    adapters = {name: str(root / name) for name in ("one", "two", "three")}
    return LocalModel(str(TINY), adapters, threads=1, slots=3, block=64, cached_tokens=2048)


@pytest.fixture(scope="module")
def loaded(model: LocalModel) -> Loaded:
    made = load(model)
    made.net.config.max_position_embeddings = 768  # short texts are full sooner
    return made


def peak_of(work: Callable[[], object]) -> int:
    """The most bytes that torch had taken besides what it had before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    events = found.profiler.kineto_results.events()
    taken = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            taken += event.nbytes()
            most = max(most, taken)
    return most


@torch.inference_mode()
def test_everything_full_takes_no_more_than_was_counted(model: LocalModel, loaded: Loaded) -> None:
    """Every slot full of other words by another adapter, every page of memory taken."""
    warm = Sampling(temperature=1.0, repetition_penalty=1.3, no_repeat_ngram_size=3)
    made: list[Slots] = []

    def fill() -> None:
        made.append(slots := Slots(loaded, model))
        ids = [20 + n % 400 for n in range(slots.length - 4)]
        for turn, name in enumerate(model.adapters):
            request = LocalGeneration(
                ids[turn:], replace(warm, max_new_tokens=4), "", Identity("tiny", "t", "", name),
                lambda: 0.0, loaded.voices.get(name),
            )  # fmt: skip
            assert request.begin() and slots.begin(request)
        while slots.requests:
            slots.step()

    most = peak_of(fill)
    slots, plan = made[0], made[0].plan
    assert slots.prefixes.tokens == model.cached_tokens and len(loaded.voices.held()) == 3
    voices = [part for voice in loaded.voices.held() for part in voice.parts.values()]
    host = sum(4 * (part.a.numel() + part.b.numel()) for part in voices)
    weights = sum(p.numel() * p.element_size() for p in loaded.net.parameters())
    assert 0 < host <= plan.needs.host and weights == plan.needs.weights
    assert most + host + weights <= plan.total
    assert most + host + weights > 0.8 * plan.total  # nor is much set aside in vain


def test_the_plan_is_said_at_the_start(
    model: LocalModel, loaded: Loaded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rolecraft.engines")
    with torch.inference_mode():
        whole = Slots(loaded, model).plan
        assert f"{TINY}: 3 at once with {whole.length} tokens each; weights" in caplog.text
        assert str(whole) in caplog.text and "made smaller" not in caplog.text
        caplog.clear()
        limit = 0.7 * whole.total
        small = Slots(loaded, replace(model, memory_gb=limit / 1e9))
    assert small.plan.total <= limit and small.count < 3 and small.prefixes.tokens == 0
    assert f"Memory for {whole}" in caplog.text and f"{TINY}: {small.plan}" in caplog.text


def test_the_limit() -> None:
    cpu = torch.device("cpu")
    assert limit_of(cpu, 10, memory_gb=2.0) == 2_000_000_000
    free = limit_of(cpu, 10, None)
    assert free is None or free > 10
