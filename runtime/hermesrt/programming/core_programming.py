"""What the host knows of one core while it programs it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int8
from torch import Tensor

from hermesrt.programming.targets import CoreTarget

FIELDS = ("device", "ampere", "slope", "pending", "tuned", "open", "saturated")  # beside the target
RECORD = 3  # FP32 numbers of a cell's record
_BYTES = 8  # where its bytes begin


@dataclass(slots=True)
class CoreProgramming:
    """One core under programming.

    target: what it is to hold.
    pending: the correction that is still to be made, [rows, columns], counts.
    record: all else that is known of a cell together, for pulses find few cells at a time.
    index: the number of the last pulse or read that it got.
    """

    target: CoreTarget
    pending: Float[Tensor, "rows columns"]
    record: Float32[Tensor, "rows columns 3"]
    index: int

    @classmethod
    def of(
        cls, target: CoreTarget, fields: Mapping[str, Tensor], index: int = 0
    ) -> "CoreProgramming":
        """With each of `FIELDS`, which are copied."""
        pending = fields["pending"]
        made = cls(target, pending.clone(), torch.empty(*pending.shape, RECORD), index)
        for name in FIELDS:
            getattr(made, name).copy_(fields[name])
        return made

    def move(self, room: Float32[Tensor, "4 rows columns"]) -> None:
        """To other memory."""
        pending, record = room[0], room[1:].view(self.record.shape)
        self.pending, self.record = pending.copy_(self.pending), record.copy_(self.record)

    @property
    def ampere(self) -> Float[Tensor, "rows columns"]:
        """Current of each tuned device's last pulse, A."""
        return self.record[..., 0]

    @property
    def slope(self) -> Float[Tensor, "rows columns"]:
        """How much more current one count less needs, A."""
        return self.record[..., 1]

    @property
    def device(self) -> Int8[Tensor, "rows columns"]:
        """The tuned device of each cell."""
        return self.record.view(torch.int8)[..., _BYTES]

    @property
    def tuned(self) -> Bool[Tensor, "rows columns"]:
        """The cells that are tuned at all."""
        return self.record.view(torch.bool)[..., _BYTES + 1]

    @property
    def saturated(self) -> Int8[Tensor, "rows columns"]:
        """How often in a row a cell got the last current that there is and asked for more."""
        return self.record.view(torch.int8)[..., _BYTES + 2]

    @property
    def open(self) -> Bool[Tensor, "rows columns"]:
        """The cells that verify has not found within its margin yet."""
        return self.record.view(torch.bool)[..., _BYTES + 3]
