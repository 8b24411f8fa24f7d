"""The processes of one tuning: which share of a step is whose, and the sum of what they found.

Knows no data: every process draws all rows and works on its own. One process is the plain case.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from rolecraft.errors import TrainingError

T = TypeVar("T")


class Processes:
    """This process among those that `accelerate launch` or `torchrun` started, or alone."""

    def __init__(self, device: str) -> None:
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu")
        self.rank, self.count = int(state.process_index), int(state.num_processes)
        self.device = device if device != "cuda" else str(state.device)

    @property
    def first(self) -> bool:
        """Whether this one speaks and writes for all."""
        return self.rank == 0

    def share(self, batches: Sequence[T]) -> list[T]:
        """The batches of this process; all get equally many, as sharded weights need."""
        if len(batches) % self.count:
            raise TrainingError(
                f"A step has {len(batches)} microbatches, which {self.count} processes cannot "
                "share evenly. Make rows_per_step a multiple of rows_per_microbatch times "
                f"{self.count}."
            )
        return list(batches[self.rank :: self.count])

    def sum(self, *values: float) -> list[float]:
        """Each number summed over the processes."""
        if self.count == 1:
            return list(values)
        held = torch.tensor(values, dtype=torch.float64, device=self._place())
        dist.all_reduce(held)
        return [float(value) for value in held]

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """The gradients of all processes, added up in each."""
        if self.count == 1:
            return
        held = [one.grad for one in parameters if one.grad is not None]
        flat = torch.cat([one.flatten() for one in held])
        dist.all_reduce(flat)
        for one, part in zip(held, torch.split(flat, [one.numel() for one in held]), strict=True):
            one.copy_(part.view_as(one))

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    def shard(self, model: Any) -> None:
        """Spread the base's layers over the processes; the adapter stays whole in each.

        The base is frozen, so nothing but its layers' weights travels, one layer at a time.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        if self.count == 1:
            raise TrainingError(
                "shard = true spreads the base over several processes, but there is one. Start "
                "with `accelerate launch --num_processes N -m train adapter …`, or set it to false."
            )
        mesh = init_device_mesh(self.device.split(":")[0], (self.count,))
        whole = {one for one in model.parameters() if one.requires_grad}
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh, ignored_params=whole)
        fully_shard(model.model, mesh=mesh, ignored_params=whole)

    def _place(self) -> str:
        return self.device if self.device.startswith("cuda") else "cpu"
