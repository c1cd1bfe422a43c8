"""The error of one full crossbar's products against its age, and what bits that is worth.

The test of Le Gallo 2023, Fig. 2: uniform weights and 2,048 uniform inputs, 30 % of both zero, on
one core; ODP and TDP are one and two devices a polarity. The targets are the published device
statistics (IBM aihwkit) with 8-bit inputs and outputs, computed without the converters' limit of
current, their spread and its correction; so the chip is read as built and without these.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

import hermesc
from hermesc.studies.experiment.measure import ProjectionModule
from hermesrt.chip.load import changed
from hermesrt.chip.spec import ChipSpec

AGES_S = (0.0, 60.0, 3600.0, 86400.0, 30 * 86400.0, 360 * 86400.0)
_TARGETS = {
    "ODP": (0.161, 0.162, 0.172, 0.199, 0.241, 0.276),
    "TDP": (0.101, 0.101, 0.112, 0.143, 0.188, 0.225),
}
_DEVICES = "unit_cell.devices_per_polarity"
_CELLS = {"ODP": (_DEVICES, "1"), "TDP": (_DEVICES, "2")}
_EQUATIONS = (  # as the published targets have it
    ("read_statistics.read_noise", "added"),
    ("drift_reference.reference", "magnitude"),
)
_STATISTICS = (
    ("adc.saturation_ampere", "1e-3"),
    ("effects.saturation", "off"),
    ("effects.converter_spread", "off"),
    ("effects.column_correction", "off"),
    ("ldpu_code.rounding", "nearest"),
)
_VECTORS, _ZEROS, _SEED = 2048, 0.3, 0
_BITS = tuple(range(2, 9))
_LEVELS = 127  # of 8-bit inputs and outputs


@dataclass(frozen=True, slots=True)
class Ageing:
    """Relative errors (L2) at AGES_S of one kind of cell, and the equivalent weight bits."""

    cells: str
    targets: tuple[float, ...]
    as_built: tuple[float, ...]
    lifted: tuple[float, ...]
    bits_as_built: tuple[float, ...]
    bits_lifted: tuple[float, ...]


def ageing(chip: ChipSpec) -> tuple[Ageing, ...]:
    """ODP and TDP of a chip.

    Raises: ChipError, OptionError.
    """
    curve = ideal_errors()
    found = []
    for cells, devices in _CELLS.items():
        as_published = changed(chip, [*_EQUATIONS, devices])
        as_built = _errors(as_published)
        lifted = _errors(changed(as_published, _STATISTICS))
        bits = [tuple(equivalent_bits(e, curve) for e in errors) for errors in (as_built, lifted)]
        found.append(Ageing(cells, _TARGETS[cells], as_built, lifted, *bits))
    return tuple(found)


def ideal_errors(rows: int = 256, columns: int = 256) -> dict[int, float]:
    """Errors of ideal symmetric weights of 2 to 8 bits, with 8-bit inputs and outputs."""
    weights, x = _test_case(rows, columns)
    exact = x @ weights
    codes = _quantised(x, _LEVELS)
    found = {}
    for bits in _BITS:
        y = codes @ _quantised(weights, 2 ** (bits - 1) - 1)
        found[bits] = _relative(_quantised(y, _LEVELS), exact)
    return found


def equivalent_bits(error: float, curve: dict[int, float]) -> float:
    """The bits (interpolated, logarithm of the error) whose ideal weights have this error.

    NaN outside of the curve.
    """
    for low, high in pairwise(_BITS):
        if curve[high] <= error <= curve[low]:
            share = math.log(curve[low] / error) / math.log(curve[low] / curve[high])
            return low + share
    return math.nan


def _errors(chip: ChipSpec) -> tuple[float, ...]:
    weights, x = _test_case(chip.crossbar.rows, chip.crossbar.columns)
    program = hermesc.compile(ProjectionModule(weights), x[:8], chip=chip, calibration=x)
    deployed = program.deploy(hermesc.simulate(chip, seed=_SEED))
    exact = x @ weights
    return tuple(_relative(deployed.configure(age_s=age)(x), exact) for age in AGES_S)


def _test_case(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(_SEED)
    weights, x = (
        (torch.rand(shape, generator=draw) * 2 - 1) * (torch.rand(shape, generator=draw) >= _ZEROS)
        for shape in ((rows, columns), (_VECTORS, rows))
    )
    return weights, x


def _quantised(values: Tensor, levels: int) -> Tensor:
    step = values.abs().max() / levels
    return (values / step).round() * step


def _relative(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())
