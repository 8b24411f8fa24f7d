"""Muon: momentum whose update is orthogonalised, for the matrices inside a transformer.

Method of Jordan et al., 2024 (kellerjordan.github.io/posts/muon). torch.optim.Muon is the same but
orthogonalises in bfloat16, which a CPU without AVX-512 multiplies about 40 times slower than
float32; this one stays in the parameters' own precision.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

# Quintic Newton–Schulz coefficients of the method's authors: fastest rise near zero.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, approximately: [rows, columns] in and out."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = _A * x + (_B * square + _C * square @ square) @ x
    found: torch.Tensor = x.mT if tall else x
    return found


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; the learning rate is per unit of spectral norm.

    Matrices are updated on `threads` threads, one core each.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        threads: int = 1,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._pool = ThreadPoolExecutor(threads)

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            matrices = [parameter for parameter in group["params"] if parameter.grad is not None]
            list(self._pool.map(lambda parameter: self._update(parameter, group), matrices))  # noqa: B023

    @torch.no_grad()
    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        velocity = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
        update = orthogonalise(parameter.grad + group["momentum"] * velocity)
        scale = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * scale)
