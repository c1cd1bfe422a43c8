"""Unit-cell program-and-verify: read each cell, pulse those that are off by more than the margin.

Source: Le Gallo 2023, Methods (margin, iterations, pulse law). The gain of the law is not published
and assumed: half of what a device's own SET level says.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.fields import limits
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Pulses
from hermesrt.programming.compiled import CoreFields, functions
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.session import (
    FAR,
    PATIENCE,
    ProgrammingSession,
    corrections,
    give_up,
    missing_counts,
    places,
)


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The setting of program-and-verify, assumed.

    gain: share of the error that one pulse is to remove.
    """

    gain: float = limits(1e-3, 2.0, 0.5)


def verify(session: ProgrammingSession, core: CoreProgramming, options: VerifyOptions) -> None:
    """One iteration; a cell that was once within the margin is done, and one that does not
    respond is given up."""
    if not core.open.numpy().any():  # it ends at the first
        return
    read = session.read(core.target.core, (0, 1))
    session.send(core.target.core, verify_pulses(session.chip, core, read, options.gain))


def verify_pulses(
    chip: ChipSpec,
    core: CoreProgramming,
    read: Float[Tensor, "polarity rows columns"],
    gain: float,
) -> Pulses:
    """Pulses for the open cells that a read finds off by more than the margin."""
    library, count = functions(), chip.verify_count.count_siemens
    if library is None:
        return chosen(chip, core, read, gain)
    margin, read = chip.programming_pulses.margin_counts, read.contiguous()
    numbers = read.data_ptr(), count, margin, FAR * margin, gain
    return CoreFields.of(chip, core, PATIENCE).pulses(library.hermes_verification, *numbers)


def chosen(
    chip: ChipSpec,
    core: CoreProgramming,
    read: Float[Tensor, "polarity rows columns"],
    gain: float,
) -> Pulses:
    """Without the compiled function; its definition."""
    error = missing_counts(chip, core.target, read)
    core.open.logical_and_(error.abs() > chip.programming_pulses.margin_counts)
    give_up(chip, core, error)
    return corrections(chip, core, error * gain, places(core.open))
