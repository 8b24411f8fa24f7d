"""ZeroGPU's mark for functions that need its GPU. Imports nothing before it is asked."""

import importlib
from typing import Any

from rolecraft.errors import ConfigurationError


def borrow() -> Any:
    """`spaces.GPU`. To be called before anything asks for CUDA: the package then stands in for it.

    Raises ConfigurationError where the package is not installed.
    """
    try:
        return importlib.import_module("spaces").GPU
    except ImportError as error:
        raise ConfigurationError(
            "SPACES_ZERO_GPU is set, but the package spaces, which every ZeroGPU Space has, cannot "
            f"be imported ({error}). Unset SPACES_ZERO_GPU, or: pip install spaces"
        ) from error
