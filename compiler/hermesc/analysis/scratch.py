"""Memory of intermediate results that is used again for the next matrix.

Fresh memory of each costs more than what is done with it, for the system gives it page by page; and
it would lie between what is kept of the matrices, and leave holes that nothing fits.
"""

import math

import torch
from torch import Tensor


class Scratch:
    """Pieces of memory by name."""

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def of(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """A tensor of that shape with any values; it is the same memory for the same name."""
        count = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.numel() < count:
            held = self._held[name] = torch.empty(count, dtype=dtype)
        return held[:count].view(shape)
