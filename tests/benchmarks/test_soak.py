"""The short form of the soak: every slot comes back and nothing breaks."""

from benchmarks.soak import Crowd, Outcome
from rolecraft.engines.loading import LocalModel
from rolecraft.engines.local import Worker
from tests.engines.checkpoints import TINY


def test_a_crowd_leaves_nothing_behind() -> None:
    model = LocalModel(
        str(TINY), {"a": str(TINY / "adapter")}, threads=1, slots=3, cached_tokens=256, max_queue=4
    )
    worker = Worker(model)
    worker.start()
    outcome = Crowd(worker, streams=6, tokens=12).run(seconds=4.0, every=1.0)
    assert not outcome.broken and not outcome.stuck
    assert outcome.replies > 3
    assert worker.slots is not None and worker.slots.prefixes.tokens <= 256


def test_growth_is_told() -> None:
    assert round(Outcome(memory_mb=[50.0, 100.0, 104.0]).growth, 2) == 1.08
    steady = Outcome(memory_mb=[100.0] * 20 + [104.0])
    assert steady.ok and not Outcome(memory_mb=[100.0] * 20 + [106.0]).ok
    assert not Outcome(stuck=1).ok
