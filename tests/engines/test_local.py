"""The engine's thread: exact, many at once, never mixed, stopped at once, alive after trouble."""

import json
import queue
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import LogitsProcessor, LogitsProcessorList

from rolecraft.conversation import Identity, Message, Sampling
from rolecraft.engines import chatglm3, generation
from rolecraft.engines.base import EngineCard
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.loading import LocalModel, load
from rolecraft.engines.local import LocalEngine, Worker
from rolecraft.engines.slots import Slots
from rolecraft.engines.stacks import Applied
from rolecraft.errors import EngineFailed, EngineNotFound, EngineUnavailable, InputRefused
from tests.engines.checkpoints import TINY, edit_json
from tests.tiny import save_adapter

ADAPTERS = ("one", "two", "three")
GREEDY = Sampling(temperature=0.0, max_new_tokens=10)
LONG = Sampling(temperature=0.0, max_new_tokens=2000)


def prompt(
    text: str, persona: str = "你是桃子，住在老城墙根下，爱花，爱猫，说话慢。" * 4
) -> list[Message]:
    return [Message("system", persona), Message("user", text)]


def plain_model() -> torch.nn.Module:
    return chatglm3.load_model(TINY, dtype="fp32", device="cpu")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three adapters that PEFT itself made and saved."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(ADAPTERS):
        save_adapter(plain_model(), seed, folder / name)
    return {name: str(folder / name) for name in ADAPTERS}


@pytest.fixture(scope="module")
def worker(adapters: dict[str, str]) -> Worker:
    return Worker(LocalModel(str(TINY), adapters, threads=1, block=16))


@pytest.fixture(scope="module")
def engine(worker: Worker) -> LocalEngine:
    return make_engine(worker)


def make_engine(worker: Worker, adapter: str | None = None) -> LocalEngine:
    return LocalEngine(EngineCard("tiny", "local", {}), worker, adapter)


class SaysSomething(LogitsProcessor):
    """No special token ever, and no stop before something visible: as the engine draws."""

    def __init__(self, tokenizer: chatglm3.ChatTokenizer, prompt_length: int) -> None:
        self.tokenizer = tokenizer
        self.start = prompt_length

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        stops = list(self.tokenizer.stop_ids)
        pieces = self.tokenizer.piece_bytes
        words = [index for index, piece in enumerate(pieces) if piece]
        kept = torch.full_like(scores, -torch.inf)
        kept[:, words] = scores[:, words]
        if self.tokenizer.decode(ids[0, self.start :].tolist()).strip():
            kept[:, stops] = scores[:, stops]
        return kept


class Reference:
    """transformers' generate on PEFT's own model, one request at a time."""

    def __init__(self, adapters: dict[str, str]) -> None:
        first, *others = ADAPTERS
        self.model = PeftModel.from_pretrained(plain_model(), adapters[first], first).eval()
        for name in others:
            self.model.load_adapter(adapters[name], name)
        self.tokenizer = chatglm3.load_tokenizer(TINY)

    def tokens(
        self, messages: Sequence[Message], adapter: str | None, opening: str = "", count: int = 10
    ) -> list[int]:
        ids = self.tokenizer.encode_chat(messages, opening=opening)
        ids = ids if opening else [*ids, *self.tokenizer.encode_reply("")]
        if adapter:
            self.model.set_adapter(adapter)
            return self._generate(ids, count)
        with self.model.disable_adapter():
            return self._generate(ids, count)

    def _generate(self, ids: list[int], count: int) -> list[int]:
        stops = list(self.tokenizer.stop_ids)
        found = self.model.generate(
            input_ids=torch.tensor([ids]), do_sample=False, max_new_tokens=count,
            eos_token_id=stops, pad_token_id=0,
            logits_processor=LogitsProcessorList([SaysSomething(self.tokenizer, len(ids))]),
        )[0, len(ids) :].tolist()  # fmt: skip
        return found[:-1] if found[-1] in stops else found

    def text(self, *asked: object, **options: object) -> tuple[str, int]:
        tokens = self.tokens(*asked, **options)  # type: ignore[arg-type]
        decoder = self.tokenizer.decoder()
        return "".join(decoder.push(index) for index in tokens), len(tokens)


@pytest.fixture(scope="module")
def reference(adapters: dict[str, str]) -> Reference:
    return Reference(adapters)


def said(answer: LocalGeneration) -> tuple[str, int]:
    text = "".join(answer)
    return text, answer.reply_tokens


def test_greedy_equals_generate_one_at_a_time(engine: LocalEngine, reference: Reference) -> None:
    messages = prompt("今天吃了什么？")
    texts = set()
    for adapter in ("", *ADAPTERS, ""):
        wanted = reference.text(messages, adapter or None)
        assert said(engine.stream(messages, GREEDY, adapter)) == wanted, adapter
        texts.add(wanted[0])
    assert len(texts) == 4  # every adapter has its own voice


def test_an_opening_is_part_of_the_prompt(engine: LocalEngine, reference: Reference) -> None:
    messages = prompt("你高兴吗？")
    wanted = reference.text(messages, "two", opening="（快乐）")
    answer = engine.stream(messages, GREEDY, "two", opening="（快乐）")
    assert said(answer) == wanted
    assert answer.prompt_tokens == len(reference.tokenizer.encode_chat(messages, "（快乐）"))


def test_eight_visitors_at_once_are_never_mixed(engine: LocalEngine, reference: Reference) -> None:
    asked = [
        (prompt("你几岁？"), None), (prompt("你几岁？"), "one"), (prompt("你几岁？"), "two"),
        (prompt("住哪里呀？"), "two"), (prompt("喜欢什么？", "你是周小北。"), "three"),
        (prompt("喜欢什么？" * 9), "three"), (prompt("讲个笑话"), "one"), (prompt("再见"), None),
    ]  # fmt: skip
    wanted = [reference.text(messages, adapter) for messages, adapter in asked]
    together = threading.Barrier(len(asked))

    def talk(messages: list[Message], adapter: str | None) -> tuple[str, int]:
        together.wait()
        return said(engine.stream(messages, GREEDY, adapter))

    with ThreadPoolExecutor(len(asked)) as pool:
        assert list(pool.map(talk, *zip(*asked, strict=True))) == wanted


def test_a_talk_that_grows_and_an_edit(engine: LocalEngine, reference: Reference) -> None:
    talk = prompt("你好呀")
    for question in ("你几岁？", "那住哪里？"):
        talk += [Message("assistant", "嗯，我想想。"), Message("user", question)]
        for adapter in ("one", "three", None):
            assert said(engine.stream(talk, GREEDY, adapter)) == reference.text(talk, adapter)
    edited = [*talk[:3], Message("user", "换个话题吧，你会唱歌吗？")]
    assert said(engine.stream(edited, GREEDY, "one")) == reference.text(edited, "one")
    assert said(engine.stream(talk, GREEDY, "one")) == reference.text(talk, "one")


def test_what_was_remembered_changes_nothing(adapters: dict[str, str]) -> None:
    """Remembered, read anew or in other blocks: the same reply and the same log-probabilities."""
    model = LocalModel(str(TINY), {"one": adapters["one"]}, threads=1, block=8, slots=2)
    loaded = load(model)

    def ask(slots: Slots, ids: list[int], adapter: str | None) -> LocalGeneration:
        voice = loaded.voices.get(adapter) if adapter else None
        identity = Identity("tiny", "tiny", "", adapter)
        request = LocalGeneration(ids, GREEDY, "", identity, lambda: 0.0, voice)
        assert request.begin() and slots.begin(request)
        while slots.requests:
            slots.step()
        return request

    def measure() -> None:
        slots = Slots(loaded, model)
        first, second = list(range(5, 45)), [*range(5, 45), *range(300, 325)]
        for adapter in ("one", None):
            fresh = ask(slots, second, adapter)
            assert fresh.cached_tokens == 0
            slots.prefixes.clear()
            ask(slots, first, adapter)
            remembered = ask(slots, second, adapter)
            assert remembered.cached_tokens == 32  # whole pages of what both begin with
            assert "".join(remembered) == "".join(fresh)
            assert remembered.logprobs == pytest.approx(fresh.logprobs, abs=1e-4)
            assert ask(slots, second, adapter).cached_tokens == 64

    with ThreadPoolExecutor(1) as pool:  # gradients are turned off for a thread
        pool.submit(torch.inference_mode()(measure)).result()


def test_a_seed_gives_the_same_reply_whatever_else_runs(engine: LocalEngine) -> None:
    messages, warm = prompt("随便说点什么"), Sampling(temperature=1.2, top_p=0.9, max_new_tokens=8)
    free = engine.stream(messages, warm, "one")
    text = said(free)
    assert free.seed is not None and said(engine.stream(messages, warm, "one")) != text
    seeded = Sampling(temperature=1.2, top_p=0.9, max_new_tokens=8, seed=free.seed)
    others = [engine.stream(prompt("别的" * n), LONG, "two") for n in (1, 2, 3)]
    again = [engine.stream(messages, seeded, "one") for _ in range(2)]
    assert [said(answer) for answer in again] == [text, text]
    for answer in others:
        answer.cancel()


def test_stopping_ends_within_two_tokens(engine: LocalEngine) -> None:
    answer = engine.stream(prompt("说个没完"), LONG)
    pieces = iter(answer)
    next(pieces)
    answer.cancel()
    at = answer.reply_tokens
    rest = list(pieces)
    assert answer.finish == "user_stop" and answer.reply_tokens <= at + 2
    assert len(rest) <= answer.reply_tokens
    assert list(answer) == []  # it has ended; asking again does not wait


def test_a_reader_who_goes_stops_the_model(engine: LocalEngine) -> None:
    answer = engine.stream(prompt("说个没完"), LONG)
    pieces = iter(answer)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert answer.cancelled.is_set()
    at = answer.reply_tokens
    assert said(engine.stream(prompt("轮到我了"), GREEDY))[0]
    assert answer.reply_tokens <= at + 2 and answer.finish == "user_stop"


def test_replies_are_never_empty(engine: LocalEngine) -> None:
    for seed in range(6):
        wild = Sampling(temperature=2.0, top_p=1.0, max_new_tokens=3, seed=seed)
        assert "".join(engine.stream(prompt("嗯"), wild)).strip()
        assert "".join(engine.stream(prompt("嗯"), wild, opening="（快乐）")).strip()


def test_a_failure_ends_one_request_alone(
    worker: Worker, engine: LocalEngine, reference: Reference
) -> None:
    faulty = LocalGeneration(
        [10**6], GREEDY, "", Identity("tiny", "tiny"), silence=lambda: 0.0
    )  # an id that the model does not have
    beside = engine.stream(prompt("你好"), GREEDY, "one")
    worker.enqueue(faulty)
    with pytest.raises(EngineFailed, match=r"^tiny failed: .*\. Try again\.$"):
        list(faulty)
    assert faulty.finish == "error"
    assert said(beside) == reference.text(prompt("你好"), "one")
    assert said(engine.stream(prompt("你好"), GREEDY, "two"))[0]


def test_a_thread_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(Worker(LocalModel(str(TINY), threads=1)))
    engine.load()
    with monkeypatch.context() as patch:
        patch.setattr(Slots, "step", None)
        with pytest.raises(EngineFailed, match="tiny broke down. Try again"):
            list(engine.stream(prompt("你好"), GREEDY))
    assert said(engine.stream(prompt("你好"), GREEDY))[0]


def test_without_a_thread_whoever_reads_does_the_work(adapters: dict[str, str]) -> None:
    model = LocalModel(str(TINY), {"one": adapters["one"]}, threads=1, slots=2, inline=True)
    before = threading.active_count()
    engine = make_engine(Worker(model))
    answers = [engine.stream(prompt("你好"), GREEDY, name) for name in ("one", "", "one")]
    assert threading.active_count() == before
    assert [answer.place() for answer in answers] == [(1, None), (2, None), (3, None)]
    texts = [said(answer) for answer in answers]
    assert texts[0] == texts[2] != texts[1] and texts[1][0]


def test_without_a_thread_whoever_waits_moves_the_others_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generation, "LOOK_S", 0.0)
    engine = make_engine(Worker(LocalModel(str(TINY), threads=1, slots=1, inline=True)))
    first, second, third = (engine.stream(prompt("你好"), GREEDY) for _ in range(3))
    places = [place for place, _ in third.waiting()]
    assert places == sorted(places, reverse=True) and set(places) == {2, 1}
    assert first.ended and second.ended and said(third) == said(first) == said(second)


def test_identity_and_counts(worker: Worker, adapters: dict[str, str]) -> None:
    tuned = make_engine(worker, adapter="two")
    answer = tuned.stream(prompt("你好"), GREEDY)
    list(answer)
    identity = answer.identity
    assert (identity.engine, identity.base, identity.adapter) == ("tiny", TINY.name, "two")
    assert identity.base_sha256 == chatglm3.weights_sha256(TINY)
    assert identity.adapter_sha256 == chatglm3.weights_sha256(adapters["two"])
    base = tuned.stream(prompt("你好"), GREEDY, adapter="")
    list(base)
    assert (base.identity.adapter, base.identity.adapter_sha256) == (None, "")
    assert tuned.count("你好") == len(chatglm3.load_tokenizer(TINY).encode("你好"))
    assert (answer.finish, answer.reply_tokens) in [("length", 10), ("stop", answer.reply_tokens)]


def test_the_same_weights_scaled_otherwise_are_another_adapter(
    tmp_path: Path, adapters: dict[str, str]
) -> None:
    louder = Path(shutil.copytree(adapters["one"], tmp_path / "louder"))
    edit_json(louder / "adapter_config.json", lora_alpha=2)
    model = LocalModel(str(TINY), {"one": adapters["one"], "louder": str(louder)}, threads=1)
    engine, messages = make_engine(Worker(model)), prompt("今天吃了什么？")

    def alone() -> str:
        return said(make_engine(Worker(model)).stream(messages, GREEDY, "louder"))[0]

    first = said(engine.stream(messages, GREEDY, "one"))[0]
    for alpha in (2, 90):  # the second time, the files change under a running engine
        edit_json(louder / "adapter_config.json", lora_alpha=alpha)
        answer = engine.stream(messages, GREEDY, "louder")
        text = said(answer)[0]
        assert answer.cached_tokens == 0
        assert text == alone() != first
        assert answer.identity.adapter_sha256 == chatglm3.weights_sha256(adapters["one"])


def test_an_unknown_adapter_is_named(engine: LocalEngine) -> None:
    with pytest.raises(EngineNotFound, match="No adapter named 'tow' on .*Known: two"):
        engine.stream(prompt("你好"), GREEDY, adapter="tow")
    with pytest.raises(EngineNotFound, match="Known: none"):
        Worker(LocalModel(str(TINY))).submit("tiny", prompt("你好"), GREEDY, "one", "")


def test_a_prompt_longer_than_the_context(engine: LocalEngine) -> None:
    with pytest.raises(InputRefused, match="请缩短消息.*tiny reads 8192. Shorten the message"):
        engine.stream(prompt("好" * 100_000), GREEDY)


@pytest.fixture(scope="module")
def busy() -> Worker:
    return Worker(LocalModel(str(TINY), threads=1, max_queue=2, slots=3))


def test_many_threads_load_once(busy: Worker) -> None:
    before = [thread.name for thread in threading.enumerate()]
    with ThreadPoolExecutor(6) as pool:
        loaded = list(pool.map(lambda _: busy.start(), range(6)))
    assert all(one is loaded[0] for one in loaded)
    name = f"engine {TINY.name}"
    assert [thread.name for thread in threading.enumerate()].count(name) == before.count(name) + 1


@pytest.fixture
def full(busy: Worker) -> Iterator[tuple[LocalEngine, list[LocalGeneration]]]:
    """An engine with every place taken and two who wait."""
    engine = make_engine(busy)
    running = []
    while len(running) < busy.model.slots:
        running.append(engine.stream(prompt("占着"), LONG))
        wait_until(lambda: all(answer.reply_tokens for answer in running))
    wait_until(lambda: all(answer.reply_tokens for answer in running))
    waiting = [engine.stream(prompt("排队"), GREEDY) for _ in range(2)]
    yield engine, waiting
    for answer in (*running, *waiting):
        answer.cancel()


def wait_until(true: object, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_full_queue_is_said_kindly(full: tuple[LocalEngine, list[LocalGeneration]]) -> None:
    engine, waiting = full
    with pytest.raises(InputRefused, match="很多人正在聊天.*Many people are talking"):
        engine.stream(prompt("还有我"), GREEDY)
    waiting[0].cancel()  # whoever leaves gives the place to another
    later = engine.stream(prompt("还有我"), GREEDY)
    later.cancel()


def test_a_burst_has_the_free_slots_and_the_queue() -> None:
    worker = Worker(LocalModel(str(TINY), threads=1, max_queue=2, slots=3, inline=True))
    engine = make_engine(worker)  # inline: nobody takes them up meanwhile
    burst = [engine.stream(prompt("一起来"), GREEDY) for _ in range(5)]
    with pytest.raises(InputRefused, match="很多人正在聊天"):
        engine.stream(prompt("还有我"), GREEDY)
    assert len({said(answer) for answer in burst}) == 1


def test_stopping_while_waiting_ends_at_once(
    full: tuple[LocalEngine, list[LocalGeneration]],
) -> None:
    answer, next_one = full[1]
    assert (answer.place()[0], next_one.place()[0]) == (1, 2)
    answer.cancel()
    assert list(answer) == []
    assert (answer.finish, answer.reply_tokens) == ("user_stop", 0)
    place, wait = next_one.place()
    assert (answer.place(), place) == ((0, 0.0), 1) and (wait is None or wait > 0)


def test_a_load_that_failed_is_tried_again(copied: Path) -> None:
    weights = copied / "model.safetensors"
    kept = shutil.move(weights, copied / "elsewhere")
    engine = make_engine(Worker(LocalModel(str(copied), threads=1)))
    failures: queue.Queue[str] = queue.Queue()

    def attempt() -> None:
        try:
            engine.stream(prompt("你好"), GREEDY)
        except EngineUnavailable as error:
            failures.put(str(error))

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [failures.get_nowait() for _ in threads]
    assert all(text.startswith(f"{copied} cannot be loaded: ") for text in texts)
    shutil.move(kept, weights)
    assert said(engine.stream(prompt("你好"), GREEDY))[0]


def test_a_faulty_adapter_leaves_the_others_alone(tmp_path: Path, adapters: dict[str, str]) -> None:
    broken = Path(shutil.copytree(adapters["one"], tmp_path / "broken"))
    (broken / "adapter_model.safetensors").write_bytes(b"no weights")
    model = LocalModel(str(TINY), {"broken": str(broken), "one": adapters["one"]}, threads=1)
    engine = make_engine(Worker(model))
    assert said(engine.stream(prompt("你好"), GREEDY, "one"))[0]
    assert said(engine.stream(prompt("你好"), GREEDY))[0]
    with pytest.raises(EngineUnavailable, match="'broken' cannot speak on .*adapter_model"):
        engine.stream(prompt("你好"), GREEDY, "broken")


def test_an_adapter_of_other_weights_does_not_speak(
    copied: Path, tmp_path: Path, adapters: dict[str, str]
) -> None:
    """Equal in every shape: the record of the adapter tells them apart."""
    tensors = load_file(copied / "model.safetensors")
    louder = {name: one * 1.5 for name, one in tensors.items()}
    save_file(louder, copied / "model.safetensors")
    folders = {}
    for name, base in (("mine", copied), ("theirs", TINY)):
        folders[name] = shutil.copytree(adapters["one"], tmp_path / name)
        told = json.dumps({"base_sha256": chatglm3.weights_sha256(base)})
        (folders[name] / "rolecraft.json").write_text(told, encoding="utf-8")
    folders = {name: str(folder) for name, folder in folders.items()}
    engine = make_engine(Worker(LocalModel(str(copied), folders, threads=1)))
    assert said(engine.stream(prompt("你好"), GREEDY, "mine"))[0]
    with pytest.raises(EngineUnavailable, match="'theirs' cannot speak on .*another base.*anew"):
        engine.stream(prompt("你好"), GREEDY, "theirs")


def scaled(folder: str, to: Path, factor: float) -> str:
    """An adapter whose B matrices are `factor` times as large."""
    path = Path(shutil.copytree(folder, to)) / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({k: v * factor if "lora_B" in k else v for k, v in tensors.items()}, path)
    return str(to)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.0, "leaves every logit as it was"),
        (1e-30, "leaves every logit as it was"),
        (1e30, "makes logits that are no numbers"),
        (float("nan"), "makes logits that are no numbers"),
    ],
)
def test_an_adapter_that_does_not_speak(
    tmp_path: Path, adapters: dict[str, str], reference: Reference, factor: float, words: str
) -> None:
    folders = {"one": adapters["one"], "mute": scaled(adapters["two"], tmp_path / "mute", factor)}
    engine = make_engine(Worker(LocalModel(str(TINY), folders, threads=1, slots=2)))
    for _ in range(2):  # it stays refused
        with pytest.raises((EngineUnavailable, EngineFailed), match=f"mute.* {words}. Train it"):
            list(engine.stream(prompt("你好"), GREEDY, "mute"))
    for name in ("one", ""):  # nor is anything left of it in the slot that it had
        wanted = reference.text(prompt("你好"), name or None)
        assert said(engine.stream(prompt("你好"), GREEDY, name)) == wanted


def test_a_voice_that_is_not_applied_is_noticed(
    adapters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(Worker(LocalModel(str(TINY), {"one": adapters["one"]}, threads=1)))
    with monkeypatch.context() as patch:
        patch.setattr(Applied, "add", lambda self, module, x, y: y)
        with pytest.raises(EngineFailed, match="cannot answer: .*'one' leaves every logit"):
            list(engine.stream(prompt("你好"), GREEDY, "one"))
    assert said(engine.stream(prompt("你好"), GREEDY, "one"))[0]
    assert engine.worker.slots
    [change] = engine.worker.slots.proofs.changes.values()
    assert change > 0.01  # once, for every later reply


def test_a_thread_that_gives_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "PATIENCE_S", 0.05)
    answer = LocalGeneration([1], GREEDY, "", Identity("tiny", "tiny"), silence=lambda: 1.0)
    with pytest.raises(EngineFailed, match="tiny gave no sign"):
        list(answer)
    assert answer.finish == "error"
    signs = iter([0.0, 0.0, 1.0])  # others have their turn, so this one waits on
    patient = LocalGeneration([1], GREEDY, "", Identity("tiny", "tiny"), lambda: next(signs))
    with pytest.raises(EngineFailed):
        list(patient)
    assert next(signs, None) is None
