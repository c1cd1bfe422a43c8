"""Gradient-descent-based programming: minimise the MVM error itself, with synthetic inputs.

Each iteration multiplies a batch of random inputs on the device, compares with the wanted products
after an affine fit by output, and takes the gradient of the squared error with respect to the
conductances. What it asks of a cell is added up until it is worth a pulse; cells of weight zero are
tuned too, once they need it.
Source: Buechel et al., IEDM 2022 33.1 and JETCAS 2023 (the method); US 12,417,124 claims 1-4 (the
fit in each iteration). Batch, rate, threshold and inputs are not published: assumed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.fields import limits
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.descent_pulses import descent_pulses
from hermesrt.programming.mvm_error import Units, fitted
from hermesrt.programming.session import ProgrammingSession


@dataclass(frozen=True, slots=True)
class GdpOptions:
    """The settings of gradient descent, all assumed.

    verify_iterations: program-and-verify iterations to start from.
    iterations: descents after them.
    batch: inputs of a descent.
    zeros: share of the inputs that is zero, 0 to 1.
    learning_rate: share of the gradient's estimate that is taken at once.
    threshold_counts: verify counts that must have gathered for a pulse.
    """

    verify_iterations: int = limits(0, 10_000, 10)
    iterations: int = limits(0, 100_000, 100)
    batch: int = limits(2, 65_536, 128)
    zeros: float = limits(0.0, 0.99, 0.4)
    learning_rate: float = limits(1e-6, 10.0, 0.05)
    threshold_counts: float = limits(0.0, 1e9, 1.5)


def inputs(options: GdpOptions, rows: int, draw: torch.Generator) -> Float[Tensor, "batch rows"]:
    """A batch of synthetic inputs, uniform in [-1, 1] with zeros."""
    x = torch.rand(options.batch, rows, generator=draw).mul_(2).sub_(1)
    return x.mul_(torch.rand(x.shape, generator=draw) >= options.zeros)


def descend(
    session: ProgrammingSession,
    core: CoreProgramming,
    x: Float[Tensor, "batch rows"],
    options: GdpOptions,
) -> float:
    """One iteration; returns the MVM error before its pulses, as measured on the batch."""
    target = core.target
    count = session.chip.verify_count.count_siemens  # of a verify read, as corrections are
    if not target.whole:
        x = x * target.rows
    units = Units(session.chip.adc_count.count_siemens / count, count)
    measured, wanted = session.multiply(target.core, x), x @ target.siemens
    error, relative = fitted(session.chip, measured, wanted, target, units)
    power = x.shape[0] * (1 - options.zeros) / 3  # of a row's inputs over the batch
    core.pending.addmm_(x.T, error, alpha=-options.learning_rate / power)
    pulses = descent_pulses(session.chip, core, options.threshold_counts)
    session.send(target.core, pulses)
    return relative
