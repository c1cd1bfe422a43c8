"""Where a task's model lies and what one example costs, with an A100 beside.

Three placements: the random projections of attention alone; every stationary weight on as few cores
as it takes; and, where the published mapping spreads the layers over eight cores, the same for the
least latency without copies. Lengths are the benchmark's; weights are drawn, for neither cores nor
time depend on them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from hermesc.pipeline import parse_options
from hermesc.studies.lra.examples import INPUTS
from hermesc.studies.lra.parts import SCOPES, network
from hermesc.studies.lra.tasks import ARENA, SizeName, Task
from hermesc.studies.mapped_model import mapped_model
from hermesrt.chip.machine import load_machines
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.roofline import estimates, in_int8

Placement = Literal["attention", "all", "spread"]
_SETTINGS = {
    "attention": SCOPES["projections"],
    "all": SCOPES["all"],
    "spread": (("place.objective", "latency"), ("place.copies", "1")),
}
_FEW = 2  # published cores of a mapping that is not spread


@dataclass(frozen=True, slots=True)
class MappingLine:
    """One placement of a task's model.

    task: of the arena.
    length: tokens of a sequence.
    placement: what is on crossbars.
    cores, published_cores: used; 0 where nothing is published.
    weights: on crossbars.
    analog_share: of the multiply-adds.
    latency_ns, energy_nj: of one example.
    unit_ns, unit_nj: with the digital part in a vector unit that the chip does not have.
    mvms_ns, mvms_nj: of crossbars and converters alone.
    a100_ns, a100_nj: of the same work on an A100 in INT8, one example at a time.
    a100_peak_ns, a100_peak_nj: at its peak rate.
    """

    task: Task
    length: int
    placement: Placement
    cores: int
    published_cores: int
    weights: int
    analog_share: float
    latency_ns: float
    energy_nj: float
    unit_ns: float
    unit_nj: float
    mvms_ns: float
    mvms_nj: float
    a100_ns: float
    a100_nj: float
    a100_peak_ns: float
    a100_peak_nj: float


def mapped(task: Task, size: SizeName, chip: ChipSpec, mode: Mode) -> Iterator[MappingLine]:
    """The placements of a task's model.

    Raises: CapacityError on a chip that is too small.
    """
    arena = ARENA[task]
    placements: tuple[tuple[Placement, int], ...] = (
        ("attention", arena.cores[0]), ("all", arena.cores[1] if arena.cores[1] <= _FEW else 0),
    )  # fmt: skip
    if arena.cores[1] > _FEW:
        placements += (("spread", arena.cores[1]),)
    for placement, published in placements:
        yield _line(task, size, placement, published, chip, mode)


def _line(
    task: Task, size: SizeName, placement: Placement, published: int, chip: ChipSpec, mode: Mode
) -> MappingLine:
    length, patch = ARENA[task].sizes[size].length, ARENA[task].sizes[size].patch
    shape = (2, length) if patch == 1 else (2, length, patch**2)
    draw = torch.Generator().manual_seed(0)
    inputs = {
        name: torch.randint(1, ARENA[task].vocabulary, shape, generator=draw)
        for name in INPUTS[ARENA[task].inputs - 1]
    }
    model, options = network(task, length, patch, 0).eval(), parse_options(_SETTINGS[placement])
    found = mapped_model(model, inputs, chip, mode, options, task)
    gpu = in_int8(estimates(load_machines("a100"), found.workload))
    unit = next((b for b in found.cost.bounds if b.place == "vector_unit"), None)
    alone = found.cost.mvms_alone
    return MappingLine(
        task=task,
        length=length,
        placement=placement,
        cores=found.cores,
        published_cores=published,
        weights=found.weights,
        analog_share=found.workload.analog_mac_share,
        latency_ns=found.latency_ns,
        energy_nj=found.energy_nj,
        unit_ns=unit.latency_ps / 1e3 if unit else math.nan,
        unit_nj=unit.energy_pj / 1e3 if unit else math.nan,
        mvms_ns=alone.time_ps / 1e3,
        mvms_nj=alone.energy_pj / 1e3,
        a100_ns=gpu.latency_ns,
        a100_nj=gpu.energy_nj,
        a100_peak_ns=gpu.peak_latency_ns,
        a100_peak_nj=gpu.peak_energy_nj,
    )
