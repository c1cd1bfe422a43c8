"""Unit-cell program-and-verify: read each cell, pulse those that are off by more than the margin.

Source: Le Gallo 2023, Methods (margin, iterations, pulse law). The gain of the law is not published
and assumed: half of what a device's own SET level says.
"""

from dataclasses import dataclass

from hermesrt.chip.fields import limits
from hermesrt.programming.session import (
    CoreProgramming,
    ProgrammingSession,
    correct,
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
    if not bool(core.open.any()):
        return
    error = missing_counts(session, core)
    core.open &= error.abs() > session.chip.programming_pulses.margin_counts
    give_up(session, core, error)
    correct(session, core, error * options.gain, places(core.open))
