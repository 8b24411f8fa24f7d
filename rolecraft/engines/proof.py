"""Proof that the network which serves lets each adapter speak."""

import torch

from rolecraft.engines.network import Block, Network
from rolecraft.engines.probe import check_change, probe_ids
from rolecraft.engines.stacks import Applied
from rolecraft.engines.voices import Voice


class Proofs:
    """What the network that serves makes of each voice. For the engine's thread."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._ids = probe_ids(network.vocab_size, network.device).tolist()
        self._alone: torch.Tensor | None = None  # the base's own logits
        self.changes: dict[str, float] = {}  # by revision, of those that speak

    def prove(self, voice: Voice, applied: Applied | None, room: torch.Tensor) -> None:
        """Read the fixed prompt once for each voice; `room` is the cache of a free slot.

        Raises CheckpointError for a voice that changes nothing or makes what is no number.
        """
        key = voice.revision
        if key in self.changes:
            return
        if self._alone is None:
            self._alone = self._logits(None, room)
        change = float((self._logits(applied, room) - self._alone).abs().max())
        room.zero_()  # what is no number outlasts a mask
        check_change(repr(voice.name), change)
        self.changes[key] = change

    def _logits(self, applied: Applied | None, room: torch.Tensor) -> torch.Tensor:
        hidden = self._network.read([Block(self._ids, 0, room, applied)])
        return self._network.logits(hidden[-1:], applied)[0].float()
