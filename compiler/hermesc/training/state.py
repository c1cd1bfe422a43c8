"""What a hardened model has besides the user's: the step, learned ranges, the chip to evaluate on.

It is a module of the model, so that optimizers, `.to`, DDP and FSDP2 see its tensors, and it hides
from `state_dict`, so that weights load into the plain model and back. Learned ranges travel in the
dictionary's metadata, which torch.save keeps.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from hermesc.training.plan import ProductPlan

METADATA = "_hermesc"


class TrainingState(nn.Module):
    """The hidden module."""

    step: Tensor

    def __init__(
        self, products: Sequence[ProductPlan], *, learned: bool, redraw_every: int = 0
    ) -> None:
        super().__init__()
        self.redraw_every, self.redraw_until = redraw_every, sys.maxsize
        self.register_buffer("step", torch.zeros((), dtype=torch.int64), persistent=False)
        self.slots = tuple(plan.slots for plan in products)
        self.learned = learned
        for i, plan in enumerate(products):
            limit = torch.tensor(plan.limits)
            if learned:
                self.register_parameter(f"limit_{i}", nn.Parameter(limit))
            else:
                self.register_buffer(f"limit_{i}", limit, persistent=False)

    def forward(self, x: Any) -> Any:
        """x: a container such as nn.Sequential runs all its modules."""
        return x

    @property
    def limits(self) -> list[Tensor]:
        """The ranges of each product's matrices."""
        return [getattr(self, f"limit_{i}") for i in range(len(self.slots))]

    def ranges(self) -> dict[str, float]:
        """Learned ranges by slot; none where nothing is learned."""
        if not self.learned:
            return {}
        found = {}
        for slots, limit in zip(self.slots, self.limits, strict=True):
            values = limit.full_tensor() if isinstance(limit, DTensor) else limit
            for slot, value in zip(slots, values.detach().tolist(), strict=True):
                found[slot] = abs(float(value))
        return found

    def take(self, ranges: Mapping[str, float]) -> None:
        """Ranges that were learned before."""
        with torch.no_grad():
            for slots, limit in zip(self.slots, self.limits, strict=True):
                for i, slot in enumerate(slots):
                    if slot in ranges:
                        limit[i] = ranges[slot]

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = METADATA, **_: Any
    ) -> Any:
        """Nothing but the ranges, in the metadata."""
        destination = args[0] if args else destination
        metadata = getattr(destination, "_metadata", None)
        sharded = any(isinstance(limit, DTensor) for limit in self.limits)
        if metadata is not None and self.learned and not sharded:
            metadata[prefix.removesuffix(".")] = {"version": 1, "input_ranges": self.ranges()}
        return destination

    def _load_from_state_dict(self, *args: Any) -> None:
        ranges = args[2].get("input_ranges") if isinstance(args[2], Mapping) else None
        if isinstance(ranges, Mapping) and self.learned:
            self.take(ranges)
