"""The models that ship: small enough to be cloned, in half precision, of the promised sizes."""

from math import prod
from pathlib import Path

from rolecraft.engines.shards import verify

MINI = Path(__file__).parents[1] / "models" / "mini"
MB = 1e6


def numbers(path: Path) -> int:
    """Parameters of a safetensors file, all of which are in half precision."""
    tensors = verify(path).values()
    assert {str(held.stored) for held in tensors} <= {"torch.float16", "torch.bfloat16"}, path
    return sum(prod(held.shape) for held in tensors)


def test_everything_together_is_small() -> None:
    files = [path for path in MINI.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 80 * MB
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")]


def test_the_base_and_the_encoder_have_their_sizes() -> None:
    assert 10e6 <= numbers(MINI / "model.safetensors") <= 25e6
    [encoder] = (MINI / "encoder").glob("*.safetensors")
    assert numbers(encoder) <= 8e6


def test_the_adapters_are_in_half_precision() -> None:
    adapters = list(MINI.glob("adapters/*/adapter_model.safetensors"))
    assert adapters and all(0 < numbers(path) < 2e6 for path in adapters)
