"""Who fails, leaves, grows or arrives does so alone: the others say what they say without them."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from rolecraft.conversation import Identity, Message, Sampling
from rolecraft.engines import chatglm3
from rolecraft.engines import slots as slots_module
from rolecraft.engines import voices as voices_module
from rolecraft.engines.base import EngineCard
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.loading import Loaded, LocalModel, load
from rolecraft.engines.local import LocalEngine, Worker
from rolecraft.engines.network import Block, Network
from rolecraft.engines.prefixes import Prefixes
from rolecraft.engines.slots import Slots
from tests.engines.checkpoints import TINY, edit_json
from tests.tiny import save_adapter

WARM = Sampling(temperature=1.2, top_p=0.95, no_repeat_ngram_size=4, max_new_tokens=12)
LONG = Sampling(temperature=0.0, max_new_tokens=400)
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has")
HEAVY = 60  # tokens of the prompt that there is no memory for; the others' stay below


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "two")):
        save_adapter(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), seed, root / name)
    return {name: str(root / name) for name in ("one", "two")}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, str]) -> Loaded:
    return load(LocalModel(str(TINY), folders, threads=1))


@pytest.fixture
def slots(folders: dict[str, str], loaded: Loaded) -> Iterator[Slots]:
    model = LocalModel(str(TINY), folders, threads=1, slots=4, block=16, cached_tokens=160)
    with torch.inference_mode():
        yield Slots(loaded, model)


def ask(
    loaded: Loaded, start: int, length: int, adapter: str | None, sampling: Sampling = WARM
) -> LocalGeneration:
    voice = loaded.voices.get(adapter) if adapter else None
    ids, identity = list(range(start, start + length)), Identity("tiny", "tiny", "", adapter)
    request = LocalGeneration(ids, sampling, "", identity, lambda: 0.0, voice)
    request.seed = start
    return request


def others(loaded: Loaded) -> list[LocalGeneration]:
    return [
        ask(loaded, 20, 30, "one"),
        ask(loaded, 30, 20, "two"),
        ask(loaded, 40, 9, None, Sampling(temperature=0.0, max_new_tokens=12)),
    ]


def serve(slots: Slots, requests: list[LocalGeneration]) -> None:
    for request in requests:
        assert request.begin() and slots.begin(request)
    while slots.requests:
        slots.step()
    assert slots.free == slots.count


def texts(slots: Slots, requests: list[LocalGeneration]) -> list[str]:
    serve(slots, requests)
    return ["".join(request) for request in requests]


def test_each_reply_stops_at_its_own_words(slots: Slots, loaded: Loaded) -> None:
    wanted = texts(slots, others(loaded))
    beside = others(loaded)
    stops = [wanted[0][3:5], wanted[1] + "…", wanted[2][2:4]]
    for request, stop in zip(beside, stops, strict=True):
        request.stop = (stop,)
    ends = [text.find(stop, 1) for text, stop in zip(wanted, stops, strict=True)]
    assert ends[1] == -1 and min(ends[0], ends[2]) > 0
    cut = [wanted[0][: ends[0]], wanted[1], wanted[2][: ends[2]]]
    assert texts(slots, beside) == cut
    assert beside[0].finish == beside[2].finish == "stop"
    assert all(len(one.logprobs) == one.reply_tokens for one in beside)


def test_prompts_that_come_together_are_read_together(
    slots: Slots, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [texts(slots, [one])[0] for one in others(loaded)]
    slots.prefixes.clear()
    read = Network.read
    texts_read: list[int] = []

    def counting(self: Network, blocks: list[Block]) -> torch.Tensor:
        texts_read.append(len(blocks))
        return read(self, blocks)

    monkeypatch.setattr(Network, "read", counting)
    assert texts(slots, others(loaded)) == wanted
    assert texts_read == [3]  # 59 tokens, of the 64 that are read while nobody writes


def test_a_burst_of_visitors_reads_their_persona_once_or_twice(
    slots: Slots, loaded: Loaded
) -> None:
    burst = [ask(loaded, 60, 90, "one") for _ in range(4)]
    wanted = texts(slots, [ask(loaded, 60, 90, "one")])[0]
    slots.prefixes.clear()
    assert texts(slots, burst) == [wanted] * 4
    assert [one.cached_tokens for one in burst] == [0, 0, 80, 80]


@pytest.mark.parametrize("when", ["read", "together", "step", "late"])
def test_no_memory_for_one_ends_that_one(
    slots: Slots, loaded: Loaded, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    wanted = texts(slots, others(loaded))
    assert slots.prefixes.tokens
    heavy = ask(loaded, 100, HEAVY, "one")
    read, step = Network.read, Network.step
    beside: list[int] = []

    def failing_read(self: Network, blocks: list[Block]) -> torch.Tensor:
        hidden = read(self, blocks)  # it fails with some of its work done
        beside.append(len(blocks))
        if when == "read" and any(block.end == HEAVY for block in blocks):
            raise FULL
        if when == "together" and any(block.ids[0] == 100 for block in blocks):
            raise FULL
        return hidden

    def failing_step(
        self: Network, ids: torch.Tensor, places: torch.Tensor, *rest: Any
    ) -> torch.Tensor:
        logits = step(self, ids, places, *rest)
        if int(places.max()) >= {"step": HEAVY, "late": HEAVY + 4}.get(when, 10_000):
            raise FULL
        return logits

    monkeypatch.setattr(Network, "read", failing_read)
    monkeypatch.setattr(Network, "step", failing_step)
    slots.prefixes.clear()
    light = others(loaded)
    serve(slots, [light[0], heavy, *light[1:]])
    assert ["".join(request) for request in light] == wanted
    assert heavy.finish == "error" and {one.finish for one in light} <= {"stop", "length"}
    assert heavy.reply_tokens == {"read": 0, "together": 0, "step": 1, "late": 5}[when]
    assert max(beside) == 4  # all were read together, until that failed
    assert str(pieces_failure(heavy)) == (
        "tiny failed: CUDA out of memory. Tried to allocate 20.00 MiB.. Try again."
    )


def pieces_failure(request: LocalGeneration) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011
        list(request)
    return caught.value


def test_a_step_that_is_made_again_changes_no_reply(
    slots: Slots, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = texts(slots, others(loaded))
    draw, failed = slots_module.draw, []

    def failing(logits: torch.Tensor, drafts: list[Any]) -> list[Any]:
        drawn = draw(logits, drafts)
        if len(drafts) > 1:
            failed.append(len(drafts))
            raise RuntimeError("after every row was drawn")
        return drawn

    monkeypatch.setattr(slots_module, "draw", failing)
    assert texts(slots, others(loaded)) == wanted
    assert len(failed) > 5


def test_what_is_remembered_gives_way_and_fails_no_one(
    slots: Slots, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = texts(slots, others(loaded))
    held = slots.prefixes.tokens
    with monkeypatch.context() as patch:
        patch.setattr(Prefixes, "keep", raising(FULL))
        assert texts(slots, others(loaded)) == wanted
    assert held and slots.prefixes.tokens == 0
    host = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    texts(slots, others(loaded))
    with monkeypatch.context() as patch:
        patch.setattr(Network, "read", raising(host))
        serve(slots, [failing := ask(loaded, 100, HEAVY, None)])
    assert failing.finish == "error" and slots.prefixes.tokens == 0


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_an_adapter_without_room_ends_that_request(
    folders: dict[str, str], loaded: Loaded, tmp_path: Path
) -> None:
    config = LoraConfig(
        r=48, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    net = get_peft_model(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), config)
    net.save_pretrained(tmp_path / "wide")
    named = {**folders, "wide": str(tmp_path / "wide")}
    narrow = Slots(loaded, model := LocalModel(str(TINY), named, threads=1, slots=4))
    limit = narrow.plan.total / 1e9
    with torch.inference_mode():
        slots = Slots(loaded, LocalModel(**{**vars(model), "memory_gb": limit}))
        wanted = texts(slots, others(loaded))
        wide = voices_module.Voices(loaded.net, named).get("wide")
        request = LocalGeneration([20, 21], WARM, "", Identity("tiny", "t"), lambda: 0.0, wide)
        beside = others(loaded)
        serve(slots, [beside[0], request, *beside[1:]])
    assert "raise memory_gb" in str(pieces_failure(request))
    assert ["".join(one) for one in beside] == wanted


@pytest.mark.parametrize("reading", [True, False])
def test_whoever_stops_leaves_the_slot_within_two_steps(
    slots: Slots, loaded: Loaded, reading: bool
) -> None:
    beside = ask(loaded, 20, 10, "one", LONG)
    going = ask(loaded, 100, 200, "two", LONG)
    for request in (beside, going):
        assert request.begin() and slots.begin(request)
    for _ in range(3 if reading else 20):
        slots.step()
    assert bool(slots.readers) == reading and slots.free == 2
    going.cancel()
    slots.step()
    slots.step()
    assert slots.free == 3 and going.ended and not beside.ended
    beside.cancel()


def test_a_long_prompt_is_read_however_many_short_ones_come(slots: Slots, loaded: Loaded) -> None:
    writer = ask(loaded, 20, 5, None, LONG)
    long = ask(loaded, 60, 90, "one", WARM)
    for request in (writer, long):
        assert request.begin() and slots.begin(request)
    passed_by = 0
    while not long.reply_tokens:
        while slots.free:  # always somebody with less to read
            short = ask(loaded, 200 + passed_by, 14, None, Sampling(max_new_tokens=1))
            assert short.begin() and slots.begin(short)
            passed_by += 1
        slots.step()
        assert passed_by < 40
    assert passed_by > 2
    writer.cancel()


def engine_of(folders: dict[str, str], **options: Any) -> LocalEngine:
    worker = Worker(LocalModel(str(TINY), folders, threads=1, **options))
    return LocalEngine(EngineCard("tiny", "local", {}), worker)


def test_a_new_adapter_is_read_beside_those_who_speak(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of({"one": folders["one"], "new": str(tmp_path / "new")})
    talk = [Message("user", "说说看")]
    speaking = iter(engine.stream(talk, LONG, "one"))
    next(speaking)
    save_adapter(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), 7, tmp_path / "new")
    reading, may_go_on, heard = threading.Event(), threading.Event(), []
    read_lora = voices_module.read_lora

    def slow(*asked: Any) -> Any:
        reading.set()
        assert may_go_on.wait(60)
        return read_lora(*asked)

    monkeypatch.setattr(voices_module, "read_lora", slow)
    visitor = threading.Thread(target=lambda: heard.extend(engine.stream(talk, WARM, "new")))
    visitor.start()
    assert reading.wait(60)
    for _ in range(20):  # tokens that come while the adapter is being read
        next(speaking)
    assert not heard
    may_go_on.set()
    visitor.join(60)
    assert heard
    next(speaking)
    speaking.close()  # type: ignore[attr-defined]


def test_a_new_revision_waits_for_the_place_of_the_old_one(
    folders: dict[str, str], tmp_path: Path
) -> None:
    """One adapter has one place; whoever speaks by it keeps its weights to the end."""
    folder = tmp_path / "changing"
    save_adapter(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), 3, folder)
    engine = engine_of({"changing": str(folder)}, slots=2, inline=True)
    talk = [Message("user", "说说看")]
    short = Sampling(temperature=0.0, max_new_tokens=12)
    before = "".join(engine.stream(talk, short))
    by_old = "".join(engine.stream(talk, short, "changing"))
    old = engine.stream(talk, short, "changing")
    pieces = iter(old)
    first = next(pieces)
    edit_json(folder / "adapter_config.json", lora_alpha=200)
    new = engine.stream(talk, short, "changing")
    engine.worker._drive()
    assert new.place()[0] == 1 and not new.taken.is_set() and not old.ended
    assert first + "".join(pieces) == by_old
    assert "".join(new) not in (by_old, before)
