"""Where the time goes in the rows of the serving benchmark that miss their goals.

    python -m benchmarks.serving_costs [--rounds 20] [--json OUT]

Pairs that differ in one thing take turns; medians of CPU milliseconds. docs/engine.md reads them.
"""

import argparse
import datetime
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import serving_bench as b
from benchmarks.serving_cases import ALL, ATTENTION, Scale, interleaved
from rolecraft.engines.network import Block
from rolecraft.engines.stacks import Applied

RESULT = Path(__file__).parent / "results" / "serving_costs.json"
Costs = dict[str, float]


def milliseconds(rounds: int, **variants: Any) -> Costs:
    """The median CPU time of each."""
    return {name: one["cpu"] * 1000 for name, one in interleaved(rounds, **variants).items()}


def twenty_adapters(rounds: int, folder: Path, scale: Scale) -> Costs:
    """A step of 20 rows: the base, 20 adapters, one for all, and 20 whose memory is one's."""
    bench = b.make_bench(scale.deep, folder, 20, 8, ALL)
    slots = bench.slots(slots=20, cached_tokens=0)
    for row in range(20):
        place = slots.stack.place(bench.loaded.voices.get(f"a{row}"), set())
        slots.stack.seat(row, place or 0)
    ids, mixed = torch.ones(20, dtype=torch.long), slots.stack.mixed(20)
    near = {
        module: {name: rows[:1].expand(rows.shape) for name, rows in parts.items()}
        for module, parts in mixed.modules.items()
    }

    def step(voices: Applied | None) -> Any:
        return slots.network.step(ids, ids * 60, slots.cache[:, :20], 61, voices)

    found = milliseconds(
        rounds,
        base=lambda: step(None),
        adapters=lambda: step(mixed),
        same_memory=lambda: step(Applied(near, alone=False)),
        one_adapter=lambda: step(slots.stack.one(1)),
    )
    return {**found, "copies_mb": 20 * slots.stack.layout.size * 4 / 1e6}


def first_token(rounds: int, folder: Path, scale: Scale) -> Costs:
    """Eight prompts at once: until the worst first token, reading alone, one read as long."""
    bench = b.make_bench(scale.small, folder, 8, 16, ATTENTION)
    slots = bench.slots(slots=8, cached_tokens=0)
    wanted = scale.asks(8, scale.reply, adapters=8)
    short = [replace(ask, count=1) for ask in wanted]
    joined = [token for ask in wanted for token in ask.ids]
    room = slots.network.empty_cache(1, len(joined))[:, 0]
    worst: list[float] = []

    def together() -> None:
        worst.append(max(cpu for cpu, _ in b.serve(bench, slots, wanted).first) * 1000)

    few = max(rounds // 4, 1)
    found = milliseconds(
        few,
        whole=together,
        read_alone=lambda: b.serve(bench, slots, short),
        one_read=lambda: slots.network.read([Block(joined, 0, room, None)]),
        serial_prompt=lambda: b.serve(bench, slots, short[:1]),
    )
    return {**found, "worst_first": sorted(worst[1:])[len(worst[1:]) // 2]}


def fourth_turn(rounds: int, folder: Path, scale: Scale) -> Costs:
    """40 tokens after 480, the same 40 after nothing, all 520, and the turn as it is served."""
    bench = b.make_bench(scale.small, folder, 0, 16, ["q_proj"])
    slots = bench.slots(slots=2)
    talk = scale.asks(1, 1, prompt=scale.talk)[0].ids
    room = slots.network.empty_cache(1, len(talk) + scale.prompt)[:, 0]
    slots.network.read([Block(talk, 0, room, None)])
    b.serve(bench, slots, [b.Ask(talk, 1)])
    last = iter(scale.asks(2 * rounds + 2, 1))
    new = next(last).ids
    return milliseconds(
        rounds,
        served=lambda: b.serve(bench, slots, [b.Ask([*talk, *next(last).ids], 1)]),
        after_talk=lambda: slots.network.read([Block(new, len(talk), room, None)]),
        after_nothing=lambda: slots.network.read([Block(new, 0, room, None)]),
        all_anew=lambda: slots.network.read([Block([*talk, *new], 0, room, None)]),
    )


def thirty_two(rounds: int, folder: Path, scale: Scale) -> Costs:
    """32 requests of many lengths: all of it, the prompts alone, the prompts in one read."""
    bench = b.make_bench(scale.small, folder, 0, 16, ["q_proj"])
    slots = bench.slots(slots=32, cached_tokens=0)
    many = b.mixed(scale.asks(32, 64, prompt=64))
    joined = [token for ask in many for token in ask.ids]
    room = slots.network.empty_cache(1, len(joined))[:, 0]
    return milliseconds(
        max(rounds // 4, 1),
        whole=lambda: b.serve(bench, slots, many),
        prompts=lambda: b.serve(bench, slots, [replace(ask, count=1) for ask in many]),
        one_read=lambda: slots.network.read([Block(joined, 0, room, None)]),
    )


COSTS = (twenty_adapters, first_token, fourth_turn, thirty_two)


def main(arguments: Sequence[str] | None = None, scale: Scale | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found: dict[str, Costs] = {}
    for work in COSTS:
        with tempfile.TemporaryDirectory() as folder:
            costs = _measured(work, options.rounds, Path(folder), scale or Scale())
        found[work.__name__] = {name: round(one, 2) for name, one in costs.items()}
    result = {
        "measured": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.serving_costs --rounds {options.rounds}",
        "milliseconds": found,
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def _measured(work: Any, rounds: int, folder: Path, scale: Scale) -> Costs:
    with torch.no_grad():
        return work(rounds, folder, scale)


if __name__ == "__main__":
    raise SystemExit(main())
