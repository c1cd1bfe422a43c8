"""A program's work on a digital machine, by a roofline: what the chip is compared with.

Every operation takes the longer of its multiply-adds at the machine's peak rate and of its bytes
(matrix, activations in and out) through its memory. Nothing is fused and nothing stays in caches,
which is to the machine's disadvantage; no time is charged for launching (`launch_ns`), which is to
its advantage. Power is static_w + dynamic_w x utilisation.
Source: Büchel et al., Nature Computational Science 5, 13 (2025), for the power model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.machine import Machine, Rate
from hermesrt.workload import HostWork, MvmWork, Workload

_OP_PER_MAC = 2


@dataclass(frozen=True, slots=True)
class MachineEstimate:
    """One sample on a machine: at the utilisation of a run of single samples, and at its peak.

    machine: its name.
    precision: of its arithmetic.
    utilisation: of the peak rate, 0 to 1.
    latency_ns: at that utilisation, ns.
    energy_nj: at that utilisation, nJ.
    peak_latency_ns: at the peak rate, ns.
    peak_energy_nj: at the peak rate, nJ.
    """

    machine: str
    precision: str
    utilisation: float
    latency_ns: float
    energy_nj: float
    peak_latency_ns: float
    peak_energy_nj: float


def estimates(machines: Sequence[Machine], workload: Workload) -> tuple[MachineEstimate, ...]:
    """Each machine in each of its precisions."""
    work = list(_work(workload))
    return tuple(_estimate(m, r, work, workload.samples) for m in machines for r in m.rates)


def in_int8(found: Sequence[MachineEstimate]) -> MachineEstimate:
    """The first of them in the precision of the chip's inputs and outputs."""
    return next(e for e in found if e.precision == "INT8")


def _estimate(
    machine: Machine, rate: Rate, work: Sequence[tuple[int, int]], samples: int
) -> MachineEstimate:
    per_ns, bytes_per_ns = rate.tops * 1000, machine.memory.gbyte_s
    time = sum(
        max(ops / per_ns, values * rate.bytes / bytes_per_ns) + machine.launch.launch_ns
        for ops, values in work
    )
    at_peak = sum(ops for ops, _ in work) / per_ns
    utilisation = at_peak / time if time else 0.0
    watt = machine.power.static_w + machine.power.dynamic_w * utilisation
    full = machine.power.static_w + machine.power.dynamic_w
    return MachineEstimate(
        machine=machine.name,
        precision=rate.precision,
        utilisation=utilisation,
        latency_ns=time,
        energy_nj=watt * time / samples,
        peak_latency_ns=at_peak,
        peak_energy_nj=full * at_peak / samples,
    )


def _work(workload: Workload) -> Iterator[tuple[int, int]]:
    """Operations and values moved of each step; what only moves or renames data is left out, in the
    machine's favour."""
    yield from _work_of(workload.artifact, workload.work)


def _work_of(artifact: Artifact, works: Sequence[MvmWork | HostWork]) -> Iterator[tuple[int, int]]:
    for work in works:
        if isinstance(work, MvmWork):
            for product in work.products:
                matrix = artifact.matrices[product.step.matrix]
                cells = matrix.rows * matrix.columns
                moved = cells + work.vectors * (matrix.rows + matrix.columns)
                yield _OP_PER_MAC * cells * work.vectors, moved
        elif work.inner:
            inner = list(_work_of(artifact, work.inner))
            yield sum(o for o, _ in inner) * work.times, sum(m for _, m in inner) * work.times
        elif work.row.kind not in ("layout", "create"):
            ops = _OP_PER_MAC * work.macs if work.macs else work.elements
            looked_up = work.row.kind == "index"  # of a table, only what is read
            taken = min(work.taken, work.elements) if looked_up else work.taken
            yield ops, taken + work.elements
