"""What a programmed chip tells of itself, for views."""

from collections.abc import Mapping
from dataclasses import dataclass

from hermesrt.device import Method
from hermesrt.program import Chip
from hermesrt.programming.conductances import ReadConductances, core_cells
from hermesrt.programming.loop import Iteration
from hermesrt.programming.mvm_error import mvm_errors


@dataclass(frozen=True)
class ProgrammingSnapshot:
    """Cells of every core, MVM errors by core, and how programming went."""

    method: Method
    seed: int
    cells: ReadConductances
    errors: Mapping[int, float]
    iterations: tuple[Iteration, ...]


def snapshot(chip: Chip) -> ProgrammingSnapshot:
    """The chip as its cells were written, before any drift."""
    artifact, state = chip.compiled.artifact, chip.device.state()
    return ProgrammingSnapshot(
        method=chip.method,
        seed=chip.device.seed,
        cells=lambda: core_cells(artifact, state),
        errors=mvm_errors(chip.device, artifact),
        iterations=chip.iterations,
    )
