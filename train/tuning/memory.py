"""Names a shortage of memory and the settings that lower the need."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rolecraft.errors import TrainingError
from train.tuning.config import Config

_CPU_SIGNS = ("can't allocate memory", "not enough memory", "DefaultCPUAllocator")


@contextmanager
def named(config: Config) -> Iterator[None]:
    """Turn a shortage inside into a TrainingError that says what to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        short = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not short and not any(sign in str(error) for sign in _CPU_SIGNS):
            raise
        raise TrainingError(
            f"The memory of {config.device} does not suffice ({str(error).splitlines()[0][:120]}). "
            f"{_cures(config)}. The last checkpoint in {config.work_dir} is kept; the rows of a "
            "step stay the same when rows_per_microbatch alone is lowered."
        ) from error


def _cures(config: Config) -> str:
    cures = []
    if config.rows_per_microbatch > 1:
        cures.append(f"lower rows_per_microbatch (now {config.rows_per_microbatch})")
    cures.append(f"lower row_tokens (now {config.row_tokens})")
    if not config.gradient_checkpointing:
        cures.append("set gradient_checkpointing = true")
    if config.dtype == "fp32" and not config.quantization:
        cures.append('set dtype = "bf16"')
    if config.quantization != "nf4":
        cures.append('set quantization = "nf4"')
    text = ", or ".join(cures)
    return text[0].upper() + text[1:]
