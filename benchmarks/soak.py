"""Many visitors for a long time: does the engine's memory stay, does every slot come back?

    python -m benchmarks.soak [--minutes 30] [--streams 32] [--base models/mini] [--json OUT]

Visitors talk, wait, stop in the middle, go away, edit and come back with another adapter. Exit 1
when memory grew by more than a twentieth after the first tenth of the time, a slot is stuck, a
request failed, or nobody was answered.
"""

import argparse
import datetime
import json
import random
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rolecraft.conversation import Message, Sampling
from rolecraft.engines.loading import LocalModel
from rolecraft.engines.local import Worker
from rolecraft.errors import InputRefused

RESULT = Path(__file__).parent / "results" / "soak.json"
WORDS = "今天天气很好我们去河边走走吧你吃饭了吗我想听你说说家乡的事情"
GROWTH = 0.05
PATIENCE_S = 60.0


@dataclass
class Outcome:
    """What happened."""

    replies: int = 0
    stopped: int = 0
    refused: int = 0
    tokens: int = 0
    broken: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    stuck: int = 0

    @property
    def tenths(self) -> list[float]:
        """The median memory of each tenth of the time: one sample says little of a sawtooth."""
        count = len(self.memory_mb)
        cuts = [count * number // 10 for number in range(11)]
        parts = [self.memory_mb[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
        return [statistics.median(part) for part in parts if part]

    @property
    def growth(self) -> float:
        """How much memory grew from the second tenth, when all is warm, to the highest after it."""
        warm = self.tenths[1:]
        return max(warm) / warm[0] - 1.0 if warm else 0.0

    @property
    def ok(self) -> bool:
        return self.replies > 0 and not self.broken and not self.stuck and self.growth <= GROWTH

    def facts(self, minutes: float, streams: int) -> dict[str, Any]:
        """What is written down of a run."""
        return {
            "measured": datetime.date.today().isoformat(),
            "command": f"python -m benchmarks.soak --minutes {minutes:g} --streams {streams}",
            "ok": self.ok,
            "growth": round(self.growth, 4),
            "tenths_mb": [round(one, 1) for one in self.tenths],
            **asdict(self),
        }


def memory_mb() -> float:
    """What this process holds of the machine's memory."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Crowd:
    """Visitors of one worker."""

    def __init__(self, worker: Worker, streams: int, tokens: int) -> None:
        self.worker, self.tokens = worker, tokens
        self.outcome = Outcome()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._visitors = [
            threading.Thread(target=self._visit, args=(random.Random(seed),), daemon=True)
            for seed in range(streams)
        ]

    def run(self, seconds: float, every: float) -> Outcome:
        """Let them talk for so long; memory is looked at now and then."""
        end = time.monotonic() + seconds
        for visitor in self._visitors:
            visitor.start()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(every, left))
            self.outcome.memory_mb.append(memory_mb())
        self._over.set()
        for visitor in self._visitors:
            visitor.join(PATIENCE_S)
        slots = self.worker.slots
        for _ in range(100):
            if slots is None or slots.free == slots.count:
                break
            time.sleep(0.1)
        self.outcome.stuck = 0 if slots is None else slots.count - slots.free
        self.outcome.stuck += sum(visitor.is_alive() for visitor in self._visitors)
        return self.outcome

    def _visit(self, dice: random.Random) -> None:
        names = [None, *self.worker.model.adapters]
        while not self._over.is_set():
            adapter = dice.choice(names)
            talk = [Message("system", f"你是{adapter or '桃子'}。" * dice.randint(1, 8))]
            for _ in range(dice.randint(1, 4)):
                said = "".join(dice.choices(WORDS, k=dice.randint(2, 30)))
                talk.append(Message("user", said))
                talk.append(Message("assistant", self._turn(talk, adapter, dice) or "嗯。"))
                if dice.random() < 0.2:
                    del talk[dice.randrange(1, len(talk)) :]
                    talk += [Message("user", "换个话题吧。"), Message("assistant", "好呀。")]

    def _turn(self, talk: Sequence[Message], adapter: str | None, dice: random.Random) -> str:
        sampling = Sampling(max_new_tokens=dice.randint(1, self.tokens), seed=dice.randrange(99))
        leaves = dice.randint(1, 10) if dice.random() < 0.2 else 0
        pieces: list[str] = []
        try:
            answer = self.worker.submit("soak", talk, sampling, adapter, "")
            for piece in answer:
                pieces.append(piece)
                if len(pieces) == leaves:
                    break  # as a closed page does
        except InputRefused:
            time.sleep(0.2)
            self._count(refused=1)
            return ""
        except Exception as error:
            with self._lock:
                self.outcome.broken.append(f"{type(error).__name__}: {error}")
            return ""
        self._count(replies=1, stopped=bool(leaves), tokens=answer.reply_tokens)
        return "".join(pieces)

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                setattr(self.outcome, name, getattr(self.outcome, name) + number)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--base", type=Path, default=Path("models/mini"))
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    found = sorted((options.base / "adapters").glob("*/adapter_config.json"))
    adapters = {path.parent.name: str(path.parent) for path in found}
    model = LocalModel(str(options.base), adapters, slots=options.streams, max_queue=64)
    worker = Worker(model)
    worker.start()
    outcome = Crowd(worker, options.streams, 64).run(options.minutes * 60, every=15.0)
    told = json.dumps(outcome.facts(options.minutes, options.streams), indent=2)
    print(told)
    options.json.write_text(told + "\n", encoding="utf-8")
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
