"""The benchmark of tuning measures what it says and tells a missed bar."""

import random
import statistics
from pathlib import Path

from benchmarks.tuning import lengths, table
from benchmarks.tuning_gpu import BASES, measure, write_base


def test_lengths_are_like_the_published_ones() -> None:
    drawn = lengths(random.Random(1), 4000)
    assert len(drawn) == 4000 and max(drawn) <= 365 and 88 < statistics.fmean(drawn) < 100


def test_a_missed_bar_is_told() -> None:
    result = {
        "packing": {"ratio": 2.2}, "sharing": {"ratio": 3.4}, "trainer": {"ratio": 1.3},
        "resumed": 0.0,
    }  # fmt: skip
    lines, reached = table(result)
    assert not reached
    assert [line.split()[0] for line in lines if line.endswith("missed")] == ["samples"]
    assert table({**result, "sharing": {"ratio": 3.6}})[1]


def test_the_gpu_s_benchmark_runs_on_a_small_base(tmp_path: Path) -> None:
    sizes = {
        "vocab_size": 8064, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
    }  # fmt: skip
    base = write_base(tmp_path, sizes, "cpu")
    for settings in BASES.values():
        told = measure(base, "cpu", 256, 1, 0.01, **settings)
        assert told["tokens_per_second"] > 0 and told["share_of_limit"] > 0
