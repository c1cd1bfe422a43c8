"""How far a programmed chip's products are from the exact ones, core by core."""

import ctypes
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Device
from hermesrt.programming.compiled import functions
from hermesrt.programming.corrections import deepest_correction, written_targets
from hermesrt.programming.targets import CoreTarget

_VECTORS = 256
_SEED = 0
_INDEX = -1  # of the noise of these reads

Sums = Float[Tensor, "vectors columns"]
Columns = Float[Tensor, " columns"]


def column_fit(measured: Sums, wanted: Sums) -> tuple[Columns, Columns]:
    """Gain and offset by column that turn measured counts into wanted ones.

    The counts are fitted as slope * wanted + zero by least squares, for the errors are in them, and
    the line is inverted: a fit the other way round would shrink noisy outputs. A column that says
    nothing of its slope (constant, or noise: below a half or above two) gets an offset alone.
    Source: Khaddam-Aljameh 2022 (the LDPU removes each converter's gain and offset).
    """
    middle, centre = measured.mean(0), wanted.mean(0)
    away = wanted - centre
    spread = away.square().sum(0)
    slope = (away * (measured - middle)).sum(0) / spread
    gain = torch.where((slope > 0.5) & (slope < 2), 1 / slope, 1.0)
    return gain, centre - gain * middle


@dataclass(frozen=True, slots=True)
class Units:
    """What products are given in.

    measured: of measured counts, in counts of an error.
    wanted: of a count of an error, in what is wanted.
    """

    measured: float = 1.0
    wanted: float = 1.0


def core_error(
    device: Device, target: CoreTarget, x: Float[Tensor, "vectors rows"], index: int
) -> float:
    """||y - W x|| / ||W x|| of one core in counts, its columns corrected as the LDPU does it.

    Rows that are not in use get no input.
    """
    if not target.whole:
        x = x * target.rows
    measured, units = device.mvm_core(target.core, x, index), Units(wanted=_count(device.chip))
    return fitted(device.chip, measured, x @ target.siemens, target, units)[1]


def _count(chip: ChipSpec) -> float:
    return chip.adc_count.count_siemens


def fitted(
    chip: ChipSpec, measured: Sums, wanted: Sums, target: CoreTarget, units: Units
) -> tuple[Sums, float]:
    """The errors of measured counts after the columns' correction, if the chip makes one, in their
    place; where a column is not in use, nothing was measured. And ||error|| / ||wanted||, 0 where
    nothing is wanted. `wanted` is changed too."""
    library, measured = functions(), measured.float().contiguous()
    if library is None:
        measured.mul_(units.measured)
        wanted.div_(units.wanted)
        squares = errors_of(chip, measured.numpy(), wanted.numpy(), target.columns.numpy())
    else:
        squares = _compiled(library, chip, measured, wanted.contiguous(), target.columns, units)
    wrong, whole = np.sqrt(squares.sum(1, dtype=np.float64)).tolist()
    return measured, wrong / whole if whole else 0.0


def errors_of(
    chip: ChipSpec,
    measured: NDArray[np.float32],
    wanted: NDArray[np.float32],
    used: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Without the compiled function; its definition. The sums of squares of errors and of what is
    wanted, [2, columns]."""
    gain, offset = np.ones_like(used), np.zeros_like(used)
    if chip.effects.column_correction:
        count = np.float32(len(wanted))
        middle, centre = _added(measured) / count, _added(wanted) / count
        away = wanted - centre
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = _added(away * (measured - middle)) / _added(np.square(away))
            gain = np.where((slope > 0.5) & (slope < 2), 1 / slope, np.float32(1))
        offset = centre - gain * middle
    measured *= gain * used
    measured += offset * used
    measured -= wanted
    return np.stack([_added(np.square(measured)), _added(np.square(wanted))])


def _added(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of columns, row after row; numpy's own sum adds a single column in another order."""
    found: NDArray[np.float32] = np.add.accumulate(values, 0)[-1]
    return found


def _compiled(
    library: ctypes.CDLL,
    chip: ChipSpec,
    measured: Sums,
    wanted: Sums,
    used: Columns,
    units: Units,
) -> NDArray[np.float32]:
    vectors, columns = wanted.shape
    sums, correct = torch.zeros(6, columns), chip.effects.column_correction
    places = (tensor.data_ptr() for tensor in (measured, wanted, used))
    numbers = vectors, columns, correct, units.measured, units.wanted
    library.hermes_fitted(*places, *numbers, sums.data_ptr())
    found: NDArray[np.float32] = sums[4:].numpy()
    return found


def mvm_errors(device: Device, artifact: Artifact) -> dict[int, float]:
    """The MVM error of each core for inputs uniform in [-1, 1] at the rows in use.

    Measured with MVMs of the device as it is read now: programming error, drift, read noise and
    converters together (eps_total of Le Gallo 2023, Fig. 2).
    """
    draw = torch.Generator().manual_seed(_SEED)
    errors = {}
    cells = device.state().arrays if deepest_correction(artifact) else {}
    for target in written_targets(artifact, cells):
        x = torch.rand(_VECTORS, target.used.shape[0], generator=draw) * 2 - 1
        errors[target.core] = core_error(device, target, x, _INDEX)
    return errors
