"""What calibration data tell of one MVM's inputs, and what those clip at.

In: an MVM and its inputs, in parts of any size. Out: the number above which a magnitude clips: the
largest one, a percentile, or a number of standard deviations (about zero, as the range lies). A
percentile looks at a random sample, in which every value has the same chance. Cost: a few passes
over the inputs.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from hermesc.ir.ops import Mvm
from hermesrt.errors import ModelError
from hermesrt.ops.window import vector_count

RangeKind = Literal["max", "percentile", "deviations"]
SMALLEST = 2.0**-118  # range: the inverse of its steps is far from the end of FP32
_SAMPLED = 2**20  # values of an input that a percentile looks at


@dataclass(slots=True)
class CalibratedInputs:
    """What is known of one MVM's inputs so far.

    op: the MVM.
    count: of numbers.
    vectors: of input vectors.
    largest: magnitude.
    lowest: magnitude.
    square: sum of all squares.
    rate: the share of values that is kept.
    kept: some magnitudes.
    chance: which ones.
    """

    op: Mvm
    count: int = 0
    vectors: int = 0
    largest: float = 0.0
    lowest: float = math.inf
    square: float = 0.0
    rate: float = 1.0
    kept: list[Tensor] = field(default_factory=list)
    chance: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def update(self, x: Tensor) -> None:
        """More inputs.

        Raises: ModelError for one that is not finite.
        """
        self.vectors += vector_count(self.op.window, tuple(x.shape))
        x = x.to(torch.float32)
        if not bool(torch.isfinite(x).all()):
            raise ModelError(
                f"{self.op.location}: the input of {self.op.label} is not finite on the "
                "calibration data; check the model and calibration_inputs for NaN and infinity"
            )
        if not x.numel():
            return
        size = x.abs()
        self.count += x.numel()
        self.largest = max(self.largest, float(size.amax()))
        self.lowest = min(self.lowest, float(size.amin()))
        self.square += float(x.double().square().sum())
        self._keep(size.flatten())

    def _keep(self, values: Tensor) -> None:
        """A random sample, every value with the same chance, whenever it comes."""
        self.kept.append(self._some(values, self.rate))
        while sum(k.numel() for k in self.kept) > _SAMPLED:
            self.kept, self.rate = [self._some(torch.cat(self.kept), 0.5)], self.rate / 2

    def _some(self, values: Tensor, share: float) -> Tensor:
        if share == 1:
            return values
        return values[torch.rand(values.shape, generator=self.chance) < share]

    def limit(self, kind: RangeKind, percentile: float, deviations: float) -> float:
        """What the input clips at, above zero even for inputs that are all zero."""
        if not self.count or not self.largest:
            return 1.0
        match kind:
            case "max":
                chosen = self.largest
            case "percentile":
                values = torch.cat(self.kept).sort().values
                place = round(percentile / 100 * (len(values) - 1))
                chosen = float(values[place])
            case "deviations":
                chosen = deviations * (self.square / self.count) ** 0.5
        return max(min(chosen, self.largest) or self.largest, SMALLEST)
