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

import hermesc
from hermesc.pipeline import parse_options
from hermesc.studies.lra.examples import INPUTS
from hermesc.studies.lra.parts import SCOPES, network
from hermesc.studies.lra.tasks import ARENA, SizeName, Task
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
_NJ_PER_UJ, _NS_PER_US = 1e3, 1e3


@dataclass(frozen=True, slots=True)
class MappingLine:
    """One placement of a task's model.

    task: of the arena.
    length: tokens of a sequence.
    placement: what is on crossbars.
    cores, published_cores: used; 0 where nothing is published.
    weights: on crossbars.
    analog_share: of the multiply-adds.
    latency_us, energy_uj: of one example.
    unit_us, unit_uj: with the digital part in a vector unit that the chip does not have.
    mvms_us, mvms_uj: of crossbars and converters alone.
    a100_us, a100_uj: of the same work on an A100 in INT8, one example at a time.
    a100_peak_us, a100_peak_uj: at its peak rate.
    """

    task: Task
    length: int
    placement: Placement
    cores: int
    published_cores: int
    weights: int
    analog_share: float
    latency_us: float
    energy_uj: float
    unit_us: float
    unit_uj: float
    mvms_us: float
    mvms_uj: float
    a100_us: float
    a100_uj: float
    a100_peak_us: float
    a100_peak_uj: float


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
    program = hermesc.compile(
        network(task, length, patch, 0).eval(), inputs, chip=chip,
        options=parse_options(_SETTINGS[placement]), name=task,
    )  # fmt: skip
    workload = program.workload()
    cost = program.deploy(hermesc.simulate(chip), "ideal").device.cost(workload, mode)
    gpu = in_int8(estimates(load_machines("a100"), workload))
    unit = next((b for b in cost.bounds if b.place == "vector_unit"), None)
    artifact = program.artifact
    return MappingLine(
        task=task,
        length=length,
        placement=placement,
        cores=len(artifact.cores),
        published_cores=published,
        weights=sum(m.rows * m.columns for m in artifact.manifest.matrices),
        analog_share=workload.analog_mac_share,
        latency_us=cost.latency_ps / 1e6,
        energy_uj=cost.energy_pj / 1e6,
        unit_us=unit.latency_ps / 1e6 if unit else math.nan,
        unit_uj=unit.energy_pj / 1e6 if unit else math.nan,
        mvms_us=cost.mvms_alone.time_ps / 1e6,
        mvms_uj=cost.mvms_alone.energy_pj / 1e6,
        a100_us=gpu.latency_ns / _NS_PER_US,
        a100_uj=gpu.energy_nj / _NJ_PER_UJ,
        a100_peak_us=gpu.peak_latency_ns / _NS_PER_US,
        a100_peak_uj=gpu.peak_energy_nj / _NJ_PER_UJ,
    )
