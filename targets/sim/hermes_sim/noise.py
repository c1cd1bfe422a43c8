"""Normal numbers for reads, cheap and repeatable."""

from functools import cache

import torch
from torch import Tensor

from hermesrt.seeds import generator

_TABLE_BITS = 16


class ReadNoise:
    """Normal numbers for the reads of one call: a stream of its own for each row block.

    Each is one of 65,536 equally likely quantiles, which end at 4.3 standard deviations: fine
    enough under an 8-bit output code, and a third cheaper than torch.randn.
    """

    def __init__(self, seed: int, *name: str | int) -> None:
        self._seed, self._name = seed, name
        self._streams: dict[int, torch.Generator] = {}
        self._words = torch.empty(0, dtype=torch.int64)
        self._places = torch.empty(0, dtype=torch.int32)

    def __call__(self, stage: int, out: Tensor) -> Tensor:
        """Fill with normal numbers, the next of the stage's stream; `out` is contiguous."""
        stream = self._streams.get(stage)
        if stream is None:
            stream = self._streams[stage] = generator(self._seed, *self._name, stage)
        count = out.numel()
        if self._places.numel() != count:
            self._words = torch.empty((count + 3) // 4, dtype=torch.int64)
            self._places = torch.empty(count, dtype=torch.int32)
        self._words.random_(-(2**63), None, generator=stream)
        self._places.copy_(self._words.view(torch.uint16)[:count])
        torch.index_select(_quantiles(), 0, self._places, out=out.view(-1))
        return out


@cache
def _quantiles() -> Tensor:
    middle = (torch.arange(2**_TABLE_BITS, dtype=torch.float64) + 0.5) / 2**_TABLE_BITS
    table: Tensor = torch.special.ndtri(middle)
    return table.float()
