"""A model on a chip: the cores that it takes, and what one sample of it costs."""

from dataclasses import dataclass
from typing import Any

from torch import nn

import hermesc
from hermes_sim.engine import bounded_cost
from hermesc.pipeline import Options
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.workload import Workload


@dataclass(frozen=True, slots=True)
class MappedModel:
    """A compiled model, whose weights may be any: neither cores nor time depend on them.

    artifact: the program.
    workload: of one sample.
    cost: time and energy of it.
    """

    artifact: Artifact
    workload: Workload
    cost: Cost

    @property
    def cores(self) -> int:
        """Those in use."""
        return len(self.artifact.cores)

    @property
    def weights(self) -> int:
        """Those on crossbars."""
        return sum(m.rows * m.columns for m in self.artifact.manifest.matrices)

    @property
    def latency_ns(self) -> float:
        """Of one sample."""
        return self.cost.latency_ps / 1e3

    @property
    def energy_nj(self) -> float:
        """Of one sample."""
        return self.cost.energy_pj / 1e3


def mapped_model(
    model: nn.Module, inputs: Any, chip: ChipSpec, mode: Mode, options: Options, name: str
) -> MappedModel:
    """The model on that chip, read in that mode.

    Raises: CapacityError on a chip that is too small for it.
    """
    program = hermesc.compile(model, inputs, chip=chip, options=options, name=name)
    workload = program.workload()
    return MappedModel(program.artifact, workload, bounded_cost(chip, workload, mode))
