"""What a user may see beside time and energy: digital machines, and assumed constants moved."""

from dataclasses import dataclass
from typing import Any

from hermes_sim.sensitivity import sensitivity as moved_constants
from hermesrt.chip.machine import load_machines
from hermesrt.chip.spec import Mode
from hermesrt.comparison import comparison_json, sensitivity_json
from hermesrt.cost import Cost, Moved
from hermesrt.report.text.comparison import comparison_text, sensitivity_text
from hermesrt.roofline import MachineEstimate, estimates
from hermesrt.workload import Workload


@dataclass(frozen=True, slots=True)
class Beside:
    """What was asked for beside time and energy; None for what was not.

    machines: the same work on digital machines.
    moved: latency and energy with each assumed constant halved and doubled.
    """

    machines: tuple[MachineEstimate, ...] | None
    moved: tuple[Moved, ...] | None

    def to_json(self, cost: Cost) -> dict[str, Any]:
        """Further keys of a command's JSON."""
        found: dict[str, Any] = {}
        if self.machines is not None:
            found["compare"] = comparison_json(cost, self.machines)
        if self.moved is not None:
            found["sensitivity"] = sensitivity_json(self.moved)
        return found

    def tables(self, cost: Cost) -> list[str]:
        """Further tables of a command's text."""
        found = []
        if self.machines is not None:
            found.append(comparison_text(cost, self.machines))
        if self.moved is not None:
            found.append(sensitivity_text(cost, self.moved))
        return found


def beside(workload: Workload, mode: Mode | None, compare: str | None, *, moved: bool) -> Beside:
    """Estimates on the machines that `compare` names, and the strength of assumed constants.

    Raises: OptionError, ChipError for a machine that does not exist.
    """
    chip = workload.artifact.chip
    return Beside(
        estimates(load_machines(compare), workload) if compare is not None else None,
        moved_constants(chip, workload, mode) if moved else None,
    )
