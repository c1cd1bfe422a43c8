"""What the user should know of weights and calibration data that a crossbar takes badly.

In: the stored matrices and what is known of the inputs. Out: sentences. A column whose largest
weight is far above the others leaves these few of the conductances' steps. Cost: two passes over
the weights.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from hermesc.analysis.calibrated_inputs import SMALLEST, CalibratedInputs
from hermesc.analysis.scratch import Scratch
from hermesc.ir.graph import Weights
from hermesc.ir.stages import Tiled
from hermesrt.units import plural

_OUTLIER = 16.0  # times the others' rms; a normal column of 256 has 3.5


def calibration_notes(
    tiled: Tiled,
    weights: Weights,
    column_max: Mapping[str, Tensor],
    inputs: Mapping[str, CalibratedInputs],
    scratch: Scratch,
) -> Iterator[str]:
    """Sentences on matrices, then on inputs; `column_max` are the largest magnitudes of each
    matrix's columns."""
    for matrix in tiled.matrices:
        stored = weights[matrix.matrix].to(torch.float32)
        largest = column_max[matrix.matrix]
        yield from _outliers(matrix.label, stored, largest, scratch)
        if not float(largest.amax()):
            yield f"{matrix.label}: all weights are zero"
    for op in tiled.graph.mvms:
        x = inputs[op.name]
        if 0 < x.largest < SMALLEST:
            yield (
                f"{op.label}: its input is at most {x.largest:.3g} on calibration data and the "
                f"smallest range is {SMALLEST:.3g}: the chip sees zeros; scale the inputs up"
            )
        if x.count > 1 and x.largest == x.lowest:
            yield f"{op.label}: its input has one magnitude, {x.largest:.3g}, on calibration data"


def _outliers(
    label: str, stored: Tensor, column_largest: Tensor, scratch: Scratch
) -> Iterator[str]:
    """The column whose largest weight leaves least of the others."""
    columns = _suspects(stored, column_largest.square(), scratch)
    if not len(columns):
        return
    size = stored[:, columns].abs()
    largest, row = size.max(0)
    others = (size > 0).sum(0) - 1
    rest = size.scatter(0, row[None], 0.0)  # to take the largest from a sum would leave round-off
    rms = rest.square().sum(0).div(others.clamp(min=1)).sqrt()
    ratio = torch.where((others > 0) & (rms > 0), largest / rms, 0.0)
    worst = int(ratio.argmax())
    if float(ratio[worst]) <= _OUTLIER:
        return
    factor = float(ratio[worst])
    lost = torch.log2(ratio[worst] / 3.5)
    yield (
        f"{label}: the weight of input {int(row[worst])} in output {int(columns[worst])} is "
        f"{factor:.3g} times the rms of the others in its column and costs them "
        f"{float(lost):.1f} bits of precision; "
        f"{plural(int((ratio > _OUTLIER).sum()), 'column')} with such an outlier"
    )


def _suspects(stored: Tensor, largest: Tensor, scratch: Scratch) -> Tensor:
    """The columns that may hold an outlier, for little: squares without the largest, to within
    round-off, are less than twice what an outlier leaves; `largest` are the columns' largest
    squares."""
    squares = torch.square(stored, out=scratch.of("squares", *stored.shape))
    rest = stored.new_ones(stored.shape[0]) @ squares - largest
    harmless = 2 * stored.shape[0] * largest <= _OUTLIER**2 * rest  # false where squares overflow
    return (~harmless).nonzero()[:, 0]
