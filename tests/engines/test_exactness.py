"""Every request says what it would say alone, whatever comes, goes and is remembered beside it."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import GlmForCausalLM

from rolecraft.conversation import Identity, Sampling
from rolecraft.engines import chatglm3
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.graphs import Graphs
from rolecraft.engines.loading import Loaded, LocalModel, load
from rolecraft.engines.row import spoken
from rolecraft.engines.slots import Slots
from tests.engines.checkpoints import TINY, edit_json

ADAPTERS = {
    "narrow": {"r": 2, "target_modules": ["q_proj", "v_proj"]},
    "wide": {"r": 6, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"]},
    "mlp": {"r": 4, "target_modules": ["gate_up_proj", "down_proj"], "use_rslora": True},
    "dora": {"r": 3, "target_modules": ["k_proj", "o_proj"], "use_dora": True},
}
LOUDER = "narrow-louder"  # the weights of "narrow", scaled otherwise
NAMES = (None, *ADAPTERS, LOUDER)
PERSONA = [*range(300, 340)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Adapters of several ranks, targets and kinds, that PEFT itself made and saved."""
    root = tmp_path_factory.mktemp("adapters")
    for seed, (name, options) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed)
        config = LoraConfig(
            lora_alpha=16, init_lora_weights=False, task_type="CAUSAL_LM", **options
        )
        model = get_peft_model(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), config)
        model.save_pretrained(root / name)
    shutil.copytree(root / "narrow", root / LOUDER)
    edit_json(root / LOUDER / "adapter_config.json", lora_alpha=48)
    return {name: str(root / name) for name in (*ADAPTERS, LOUDER)}


class Alone:
    """PEFT's own model, which answers one request at a time and remembers nothing."""

    def __init__(self, folders: dict[str, str], loaded: Loaded) -> None:
        base = chatglm3.load_model(TINY, dtype="fp32", device="cpu")
        first, *others = folders
        self.model = PeftModel.from_pretrained(base, folders[first], first).eval()
        for name in others:
            self.model.load_adapter(folders[name], name)
        self.tokenizer, self.vocabulary = loaded.tokenizer, loaded.vocabulary

    def logits(self, ids: list[int], adapter: str | None) -> torch.Tensor:
        if adapter is None:
            with self.model.disable_adapter():
                return self.model(input_ids=torch.tensor([ids])).logits[0]
        self.model.set_adapter(adapter)
        return self.model(input_ids=torch.tensor([ids])).logits[0]

    @torch.inference_mode()
    def check(self, request: LocalGeneration, tokens: list[int], adapter: str | None) -> None:
        """Each greedy token is the likeliest after those before it, with its log-probability."""
        logits = self.logits([*request.ids, *tokens], adapter)[len(request.ids) - 1 :]
        logprobs = torch.log_softmax(logits, dim=-1)
        decoder, text = self.tokenizer.decoder(), ""
        for place, token in enumerate(tokens):
            assert abs(float(logprobs[place, token]) - request.logprobs[place]) < 1e-4
            assert self.likeliest(logits[place], place, text) == token, (place, tokens)
            text += decoder.push(token)
        if request.finish == "stop":
            likeliest = self.likeliest(logits[-1], len(tokens), text)
            assert likeliest in self.tokenizer.stop_ids

    def likeliest(self, logits: torch.Tensor, place: int, text: str) -> int:
        scores = logits + self.vocabulary.allowed
        if not spoken(text, labelled=False):
            scores[self.vocabulary.stops] = -torch.inf
            if place:
                scores[self.vocabulary.blank] = -torch.inf
        return int(scores.argmax())


@pytest.fixture(scope="module")
def loaded(folders: dict[str, str]) -> Loaded:
    return load(LocalModel(str(TINY), folders, threads=1))


@pytest.fixture(scope="module")
def alone(folders: dict[str, str], loaded: Loaded) -> Alone:
    return Alone(folders, loaded)


@pytest.fixture(scope="module")
def slots(folders: dict[str, str], loaded: Loaded) -> Slots:
    """Few slots, few places, short pages of memory: everything has to make room all the time."""
    model = LocalModel(str(TINY), folders, threads=1, slots=3, block=8, cached_tokens=160)
    with torch.inference_mode():
        made = Slots(loaded, model)
    return made


EXAMPLES = int(os.environ.get("EXACTNESS_EXAMPLES", "200"))
EXACTLY = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
VISIT = st.fixed_dictionaries(
    {
        "adapter": st.sampled_from(NAMES),
        "persona": st.booleans(),
        "words": st.lists(st.integers(20, 60), min_size=1, max_size=40),
        "length": st.integers(1, 12),
        "after": st.integers(0, 6),  # steps of the others before it comes
        "leaves": st.none() | st.integers(0, 10),  # steps until it is cancelled
        "continues": st.none() | st.integers(0, 60),  # a second turn; an edit cuts the first there
    }
)


class Visit:
    """One visitor: comes, may leave, may speak again or edit what was said."""

    def __init__(self, loaded: Loaded, facts: dict[str, object], sampling: Sampling) -> None:
        self.facts, self.loaded, self.sampling = facts, loaded, sampling
        self.ids = [*(PERSONA if facts["persona"] else []), *facts["words"]]  # type: ignore[misc]
        self.done: list[tuple[LocalGeneration, list[int]]] = []
        self.tokens: list[int] = []
        self.steps = 0

    def ask(self) -> LocalGeneration:
        adapter = self.facts["adapter"]
        voice = self.loaded.voices.get(adapter) if adapter else None  # type: ignore[arg-type]
        identity = Identity("tiny", "tiny", "", adapter)  # type: ignore[arg-type]
        return LocalGeneration(self.ids, self.sampling, "", identity, lambda: 0.0, voice)

    def next_turn(self, said: list[int]) -> bool:
        cut = self.facts["continues"]
        if cut is None or len(self.done) > 1:
            return False
        whole = [*self.ids, *said, *range(70, 75)]
        self.ids = whole if cut == 0 else [*whole[: max(1, len(whole) - cut)], 77]  # type: ignore[operator]
        return True


def run(slots: Slots, visits: list[Visit]) -> None:
    """Let them come as they like and serve them until all are done."""
    waiting = [(visit.facts["after"], visit, visit.ask()) for visit in visits]
    running: list[tuple[Visit, LocalGeneration]] = []
    step = 0
    while waiting or slots.requests:
        for entry in list(waiting):
            come, visit, request = entry
            if come <= step and slots.free and request.begin() and slots.begin(request):  # type: ignore[operator]
                waiting.remove(entry)
                running.append((visit, request))
                visit.steps = 0
        tokens = {row.request: row.tokens for row in (*slots.rows, *slots.readers)}
        slots.step()
        step += 1
        for visit, request in list(running):
            visit.steps += 1
            if visit.steps == visit.facts["leaves"]:
                request.cancel()
            if request.ended:
                running.remove((visit, request))
                said = tokens[request]
                visit.done.append((request, said))
                if visit.next_turn(said):
                    waiting.append((step, visit, visit.ask()))
    assert slots.free == slots.count and not running


@pytest.mark.timeout(900)  # half a minute of work, on a machine that may be busy
def test_greedy_equals_peft_one_at_a_time(slots: Slots, loaded: Loaded, alone: Alone) -> None:
    check_interleavings(slots, loaded, alone, EXAMPLES)


@pytest.mark.timeout(900)
def test_the_fixed_shapes_of_a_gpu_say_the_same(
    slots: Slots, loaded: Loaded, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = Graphs(slots.network, slots.cache, slots.stack, capture=False)
    monkeypatch.setattr(slots, "_graphs", fixed)
    check_interleavings(slots, loaded, alone, EXAMPLES // 4)


def check_interleavings(slots: Slots, loaded: Loaded, alone: Alone, examples: int) -> None:
    seen: Counter[str] = Counter()

    @settings(EXACTLY, max_examples=examples)
    @given(facts=st.lists(VISIT, min_size=1, max_size=7))
    def equal(facts: list[dict[str, object]]) -> None:
        visits = [
            Visit(loaded, one, Sampling(temperature=0.0, max_new_tokens=one["length"]))  # type: ignore[arg-type]
            for one in facts
        ]
        with torch.inference_mode():
            run(slots, visits)
        for visit in visits:
            assert visit.done
            for request, tokens in visit.done:
                assert request.finish in ("length", "stop", "user_stop")
                seen[request.finish] += 1
                seen["remembered"] += request.cached_tokens > 0
                seen[f"by {visit.facts['adapter']}"] += bool(tokens)
                if tokens:
                    alone.check(request, tokens, visit.facts["adapter"])  # type: ignore[arg-type]

    equal()
    # More adapters than places, so each had to leave for others; and nothing was proven of nothing.
    assert all(seen[f"by {name}"] > examples / 10 for name in NAMES) and slots.plan.places == 3
    assert seen["remembered"] > examples / 2 and seen["user_stop"] > examples / 10


@pytest.mark.timeout(900)
@settings(EXACTLY, max_examples=max(1, EXAMPLES // 4))
@given(facts=st.lists(VISIT, min_size=2, max_size=6), seed=st.integers(0, 9))
def test_a_seed_is_a_reply_whatever_else_runs(
    slots: Slots, loaded: Loaded, facts: list[dict[str, object]], seed: int
) -> None:
    def said(together: list[dict[str, object]]) -> list[int]:
        visits = [
            Visit(loaded, {**one, "continues": None}, Sampling(
                temperature=1.3, top_p=0.95, max_new_tokens=one["length"], seed=seed + place,  # type: ignore
            ))
            for place, one in enumerate(together)
        ]  # fmt: skip
        run(slots, visits)
        return visits[0].done[0][1]

    facts[0] = {**facts[0], "leaves": None}
    with torch.inference_mode():
        together = said(facts)
        slots.prefixes.clear()
        assert said(facts[:1]) == together


def test_the_reference_is_peft_on_transformers(alone: Alone) -> None:
    assert isinstance(alone.model.get_base_model(), GlmForCausalLM)
    ids = [*range(20, 60)]
    logits = [alone.logits(ids, name) for name in NAMES]
    for place, one in enumerate(logits):
        assert all((one - other).abs().max() > 1e-3 for other in logits[place + 1 :])
    assert Path(TINY).exists()
