"""The cases of the serving benchmark: each measures the engine beside its rivals.

Variants of a case take turns in one run. Whatever a rival answers is compared with what the engine
answers, and where a token differs nothing is measured: `Differs`.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import serving_bench as b
from benchmarks import serving_rivals as rivals

Work = Callable[[], Any]
Measured = dict[str, dict[str, float]]
ATTENTION, ALL = (
    ("q_proj", "k_proj", "v_proj"),
    ("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"),
)


class Differs(Exception):
    """The engine and a rival answered the same request with different tokens."""


@dataclass(frozen=True)
class Scale:
    """How large everything is that is measured. The lengths are in tokens."""

    small: Mapping[str, int] = field(default_factory=lambda: b.SMALL)
    deep: Mapping[str, int] = field(default_factory=lambda: b.TOY)  # of ChatGLM3's depth
    prompt: int = 40
    reply: int = 48
    talk: int = 480  # read before the fourth turn
    page: int = 256  # a reply on the page
    visitors: int = 8

    def asks(
        self, count: int, tokens: int, adapters: int = 0, prompt: int = 0, deep: bool = False
    ) -> list[b.Ask]:
        """`count` requests over the vocabulary of the model that is meant."""
        sizes = self.deep if deep else self.small
        return b.asks(count, prompt or self.prompt, tokens, adapters, sizes["vocab_size"])


def timed(work: Work) -> tuple[float, float]:
    """CPU and wall seconds of one run."""
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return time.process_time() - cpu, time.monotonic() - wall


def medians(runs: list[tuple[float, float]]) -> dict[str, float]:
    """Of CPU and wall seconds."""
    return {
        "cpu": statistics.median(cpu for cpu, _ in runs),
        "wall": statistics.median(wall for _, wall in runs),
    }


def interleaved(rounds: int, **variants: Work) -> Measured:
    """Median CPU and wall seconds of each variant; they take turns, after one run for warmth."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for work in variants.values():
        work()
    for _ in range(rounds):
        for name, work in variants.items():
            runs[name].append(timed(work))
    return {name: medians(found) for name, found in runs.items()}


def ratio(measured: Measured, slow: str, fast: str) -> dict[str, Any]:
    """How many times faster `fast` is."""
    return {
        "ratio": measured[slow]["cpu"] / measured[fast]["cpu"],
        "wall_ratio": measured[slow]["wall"] / measured[fast]["wall"],
        "seconds": {name: measured[name]["cpu"] for name in (slow, fast)},
        "wall_seconds": {name: measured[name]["wall"] for name in (slow, fast)},
    }


def same(what: str, engine: object, rival: object) -> None:
    """Raises Differs, naming the rival."""
    if engine != rival:
        raise Differs(f"The engine's tokens differ from those of {what}.")


def measure_streams(rounds: int, folder: Path, scale: Scale) -> dict[str, Any]:
    """One stream, and 32 of many lengths, against generate and continuous batching."""
    bench = b.make_bench(scale.small, folder, 0, 16, ["q_proj"])
    slots = bench.slots(slots=32, cached_tokens=0)
    one, many = scale.asks(1, scale.reply), b.mixed(scale.asks(32, 64, prompt=64))
    served = b.serve(bench, slots, many).tokens
    same("generate", served, [rivals.generate(bench.net, ask) for ask in many])
    single = interleaved(
        rounds,
        generate=lambda: rivals.generate(bench.net, one[0]),
        engine=lambda: b.serve(bench, slots, one),
    )
    several = interleaved(
        rounds,
        serial=lambda: [rivals.generate(bench.net, ask) for ask in many],
        engine=lambda: b.serve(bench, slots, many),
    )
    return {
        "one_stream": ratio(single, "generate", "engine"),
        "thirty_two": ratio(several, "serial", "engine"),
    }


def measure_continuous(rounds: int, folder: Path, scale: Scale) -> dict[str, Any]:
    """The same 32 requests against transformers' continuous batching."""
    bench = b.make_bench(scale.small, folder, 0, 16, ["q_proj"])
    slots = bench.slots(slots=32, cached_tokens=0)
    many = b.mixed(scale.asks(32, 64, prompt=64))
    with rivals.Continuous(bench.net) as continuous:
        served = b.serve(bench, slots, many).tokens
        same("continuous batching", served, continuous.answer(many))
        measured = interleaved(
            rounds,
            continuous=lambda: continuous.answer(many),
            engine=lambda: b.serve(bench, slots, many),
        )
    return {"continuous": ratio(measured, "continuous", "engine")}


def measure_adapters(rounds: int, folder: Path, scale: Scale) -> dict[str, Any]:
    """Eight visitors with eight adapters of rank 16 on q, k and v."""
    bench = b.make_bench(scale.small, folder, 8, 16, ATTENTION)
    slots = bench.slots(slots=8, cached_tokens=0)
    wanted, plain = scale.asks(8, scale.reply, adapters=8), scale.asks(8, scale.reply)
    served = b.serve(bench, slots, wanted).tokens
    same("set_adapter and generate", served, rivals.generate_switching(bench.peft, wanted))
    same("PEFT's adapter_names", served, rivals.generate_named(bench.peft, wanted))
    queue: list[tuple[float, float]] = []
    worst: list[tuple[float, float]] = []

    def one_by_one() -> None:
        queue.append(rivals.wait_in_line(bench.peft, wanted))

    def together() -> None:
        first = b.serve(bench, slots, wanted).first
        worst.append((max(cpu for cpu, _ in first), max(wall for _, wall in first)))

    measured = interleaved(
        rounds,
        serial=one_by_one,
        named=lambda: rivals.generate_named(bench.peft, wanted),
        engine=together,
        plain=lambda: b.serve(bench, slots, plain),
    )
    waited = {"serial": medians(queue[1:]), "engine": medians(worst[1:])}  # without the warm run
    return {
        "eight_adapters": ratio(measured, "serial", "engine"),
        "eight_peft_batch": ratio(measured, "named", "engine"),
        "adapters_cost": ratio(measured, "plain", "engine"),
        "first_token": ratio(waited, "serial", "engine"),
        "switch": _switch(slots, rounds),
    }


def _switch(slots: Any, rounds: int) -> dict[str, Any]:
    """A row that changes to another adapter, in steps of a batch of eight."""
    ids = torch.ones(8, dtype=torch.long)
    with torch.inference_mode():
        measured = interleaved(
            rounds * 20,
            step=lambda: slots.network.step(ids, ids * 60, slots.cache[:, :8], 61, None),
            switch=lambda: slots.stack.seat(0, 1 + slots.stack.seated[0] % 8),
        )
    found = ratio(measured, "switch", "step")
    found["milliseconds"] = measured["switch"]["cpu"] * 1000
    return found


def measure_twenty(rounds: int, folder: Path, scale: Scale) -> dict[str, Any]:
    """A decode step of 20 rows on a toy of ChatGLM3's depth, every linear layer adapted."""
    bench = b.make_bench(scale.deep, folder, 20, 8, ALL)
    slots = bench.slots(slots=20, cached_tokens=0)
    few = scale.asks(20, 4, adapters=20, deep=True)
    served = b.serve(bench, slots, few).tokens
    same("set_adapter and generate", served, rivals.generate_switching(bench.peft, few))
    ids = torch.ones(20, dtype=torch.long)
    with torch.inference_mode():
        for row in range(20):
            place = slots.stack.place(bench.loaded.voices.get(f"a{row}"), set())
            slots.stack.seat(row, place or 0)

        def step(voices: Any) -> None:
            slots.network.step(ids, ids * 60, slots.cache[:, :20], 61, voices)

        measured = interleaved(
            rounds * 40,
            base=lambda: step(None),
            adapters=lambda: step(slots.stack.applied(20)),
        )
    return {"twenty_adapters": ratio(measured, "adapters", "base")}


def measure_turns(rounds: int, folder: Path, scale: Scale) -> dict[str, Any]:
    """The first token of a fourth turn, with and without what was read before."""
    bench = b.make_bench(scale.small, folder, 0, 16, ["q_proj"])
    kept, anew = bench.slots(slots=2), bench.slots(slots=2, cached_tokens=0)
    talk = scale.asks(1, 1, prompt=scale.talk)[0].ids
    b.serve(bench, kept, [b.Ask(talk, 1)])
    last = scale.asks(2 * (2 * rounds + 1), 1)
    asked = {"kept": iter(last), "anew": iter(last)}  # the same turns for both
    tokens: dict[str, list[list[int]]] = {"kept": [], "anew": []}

    def turn(name: str, slots: Any) -> None:
        ask = b.Ask([*talk, *next(asked[name]).ids], 1)
        tokens[name] += b.serve(bench, slots, [ask]).tokens

    measured = interleaved(
        rounds * 2, anew=lambda: turn("anew", anew), kept=lambda: turn("kept", kept)
    )
    same("a talk that is read anew", tokens["kept"], tokens["anew"])
    return {"fourth_turn": ratio(measured, "anew", "kept")}


def measure_page(rounds: int, folder: Path, scale: Scale) -> dict[str, Any]:
    """A visitor's message until its answer is there, beside the same answer from the engine."""
    from benchmarks.serving_page import opened_page

    found: dict[str, Any] = {}
    with opened_page(folder, scale.small, scale.page) as page:
        for name, visitors in (("page", 1), ("page_full", scale.visitors)):
            page.say(visitors)
            asked = page.replies
            told = len(page.told)

            def alone(asked: Any = asked) -> None:
                same("the page", page.answer(asked), [reply.text for reply in asked])

            def on_the_page(visitors: int = visitors, asked: Any = asked) -> None:
                page.say(visitors)
                texts = [reply.text for reply in page.replies]
                same("the page before", texts, [reply.text for reply in asked])

            measured = interleaved(rounds, engine=alone, page=on_the_page)
            found[name] = ratio(measured, "engine", "page")
            turns = [turn for one in page.told[told + 1 :] for turn in one]
            found[name] |= {
                "tokens": asked[0].reply_tokens,
                "first_words_s": statistics.median(turn["first"] for turn in turns),
                "steps": statistics.median(turn["steps"] for turn in turns),
            }
    return found


MEASURES = (
    measure_turns,
    measure_adapters,
    measure_streams,
    measure_continuous,
    measure_twenty,
    measure_page,
)
