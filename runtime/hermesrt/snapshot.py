"""What a programmed chip tells of itself, for views."""

from dataclasses import dataclass

from hermesrt.program import Chip
from hermesrt.programming.conductances import ReadConductances, core_cells
from hermesrt.programming.mvm_error import mvm_errors
from hermesrt.programming.outcome import ProgrammingOutcome
from hermesrt.programming_report import outcome_of


@dataclass(frozen=True)
class ProgrammingSnapshot:
    """A programmed chip, looked into.

    outcome: MVM errors by core, and how programming went.
    cells: the conductances of every core, read when asked for.
    """

    outcome: ProgrammingOutcome
    cells: ReadConductances


def snapshot(chip: Chip) -> ProgrammingSnapshot:
    """The chip as its cells were written, before any drift."""
    artifact, state = chip.compiled.artifact, chip.device.state()
    return ProgrammingSnapshot(
        outcome=outcome_of(chip, mvm_errors(chip.device, artifact)),
        cells=lambda: core_cells(artifact, state),
    )
