"""What a programmed chip tells of itself, for views."""

from collections.abc import Mapping
from dataclasses import dataclass

from hermesrt.device import Method
from hermesrt.program import Chip
from hermesrt.programming.cells import core_cells
from hermesrt.programming.drive import Iteration
from hermesrt.programming.error import mvm_errors
from hermesrt.report.heatmap import Cells


@dataclass(frozen=True)
class Programmed:
    """Cells of every core, MVM errors by core, and how programming went, where it left a curve."""

    method: Method
    seed: int
    cells: Cells
    errors: Mapping[int, float]
    iterations: tuple[Iteration, ...]


def programmed(chip: Chip) -> Programmed:
    """The chip as its cells were written, before any drift."""
    artifact, state = chip.compiled.artifact, chip.device.state()
    return Programmed(
        method=chip.method,
        seed=chip.device.seed,
        cells=lambda: core_cells(artifact, state),
        errors=mvm_errors(chip.device, artifact),
        iterations=chip.iterations,
    )
