"""The short form of the soak: every slot comes back and nothing breaks."""

import json

from benchmarks.soak import RESULT, Crowd, Outcome
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
    rising = Outcome(replies=1, memory_mb=[50.0, 100.0, 104.0, *[108.0] * 7])
    assert round(rising.growth, 2) == 0.08 and not rising.ok
    # one sample that is high or low says nothing
    sawtooth = [[100.0, 100.0, 140.0], [100.0, 60.0, 100.0]] * 5
    steady = Outcome(replies=1, memory_mb=[one for tenth in sawtooth for one in tenth])
    assert steady.growth == 0.0 and steady.ok
    # what has gone up in the middle has grown, wherever it ends
    bulge = Outcome(replies=1, memory_mb=[100.0] * 10 + [110.0] * 5 + [100.0] * 5)
    assert round(bulge.growth, 2) == 0.1 and not bulge.ok
    assert Outcome(replies=1).growth == 0.0


def test_a_soak_without_a_reply_proves_nothing() -> None:
    assert not Outcome(memory_mb=[100.0] * 20).ok
    assert not Outcome(replies=9, stuck=1).ok and not Outcome(replies=9, broken=["x"]).ok


def test_the_soak_that_was_run_kept_its_memory() -> None:
    told = json.loads(RESULT.read_text("utf-8"))
    names = ("replies", "stopped", "refused", "tokens", "broken", "memory_mb", "stuck")
    outcome = Outcome(**{name: told[name] for name in names})
    assert outcome.ok and told["ok"] and told["growth"] == round(outcome.growth, 4)
    shown = f"{told['replies']:,} replies"
    assert shown in (RESULT.parents[2] / "docs" / "engine.md").read_text("utf-8")
