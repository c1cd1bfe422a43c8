"""Sequences of several lengths as padded data, with torch functions that keep sizes symbolic."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermesrt.errors import ModelError


@dataclass(frozen=True)
class Padded:
    """What stands for a packed sequence.

    rows: [batch, time, ...].
    lengths: of the sequences, [batch].
    """

    rows: Tensor
    lengths: Tensor

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModelError(
            f"the model takes `{name}` of a packed sequence, which has no fixed size; use "
            "pad_packed_sequence instead"
        )

    @property
    def time(self) -> Tensor:
        """The numbers of the time steps, [time]."""
        return torch.arange(self.rows.shape[1])

    def filled(self, value: float) -> Tensor:
        """The rows with a value behind each sequence's end."""
        inside = (self.time < self.lengths[:, None])[..., None]
        return torch.where(inside, self.rows, value)

    def turned(self) -> "Padded":
        """Each sequence with its last row first."""
        back = self.lengths[:, None] - 1 - self.time
        places = torch.where(back >= 0, back, self.time)[..., None]
        return Padded(self.rows.gather(1, places.expand(self.rows.shape)), self.lengths)

    def last(self) -> Tensor:
        """The row at each sequence's end, [batch, ...], the first one of a sequence of none."""
        ends = (self.lengths - 1).clamp(min=0)
        places = ends[:, None, None].expand(-1, 1, self.rows.shape[2])
        return self.rows.gather(1, places)[:, 0]
