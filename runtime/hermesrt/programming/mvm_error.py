"""How far a programmed chip's products are from the exact ones, core by core."""

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Device
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


def count_target(device: Device, target: CoreTarget) -> Float[Tensor, "rows columns"]:
    """What a core's cells should add to the raw counts for an input of 1."""
    return target.siemens / device.chip.adc_count.count_siemens


def core_error(
    device: Device, target: CoreTarget, x: Float[Tensor, "vectors rows"], index: int
) -> float:
    """||y - W x|| / ||W x|| of one core in counts, its columns corrected as the LDPU does it.

    Rows that are not in use get no input.
    """
    x = x * target.rows
    wanted = x @ count_target(device, target)
    measured = device.mvm_core(target.core, x, index)
    return relative_error(corrected(device.chip, measured, wanted, target).sub_(wanted), wanted)


def corrected(chip: ChipSpec, measured: Sums, wanted: Sums, target: CoreTarget) -> Sums:
    """Measured counts after the columns' correction, if the chip makes one; zero where a column is
    not in use."""
    if not chip.effects.column_correction:
        return measured * target.columns
    gain, offset = column_fit(measured, wanted)
    return torch.addcmul(offset * target.columns, measured, gain * target.columns)


def relative_error(wrong: Sums, wanted: Sums) -> float:
    """||wrong|| / ||wanted||, 0 where nothing is wanted."""
    whole = float(wanted.norm())
    return float(wrong.norm()) / whole if whole else 0.0


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
