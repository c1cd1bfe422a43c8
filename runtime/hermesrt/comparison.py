"""The chip beside digital machines, and what its assumed constants do, as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hermesrt.cost import CAUSES, Cost, Moved
from hermesrt.roofline import MachineEstimate
from hermesrt.units import PS_PER_NS

_PJ_PER_NJ = 1000


@dataclass(frozen=True, slots=True)
class MachineComparison:
    """One machine for the same work; ratios above 1 say that the chip is worse.

    estimate: the machine's own latency and energy.
    latency_ratio: the chip's latency over the machine's, at a run of single samples.
    energy_ratio: the same of energy.
    peak_latency_ratio: the chip's latency over the machine's at its peak.
    peak_energy_ratio: the same of energy.
    """

    estimate: MachineEstimate
    latency_ratio: float
    energy_ratio: float
    peak_latency_ratio: float
    peak_energy_ratio: float

    @property
    def name(self) -> str:
        """The machine and its precision."""
        return f"{self.estimate.machine} {self.estimate.precision}"


@dataclass(frozen=True, slots=True)
class LargestCause:
    """What most of a total goes to.

    name: the cause.
    share: of the total, 0 to 1.
    """

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class ConstantEffect:
    """What half and twice an assumed constant make of the totals; None where a total is zero.

    key: the constant.
    value: as the chip's file has it, in the unit of its key.
    latency: relative changes of the latency, for x 0.5 and x 2.
    energy: relative changes of the energy, for x 0.5 and x 2.
    """

    key: str
    value: float
    latency: tuple[float | None, ...]
    energy: tuple[float | None, ...]


def compared(cost: Cost, found: Sequence[MachineEstimate]) -> tuple[MachineComparison, ...]:
    """Each machine in each of its precisions."""
    ns, nj = cost.latency_ps / PS_PER_NS, cost.energy_pj / _PJ_PER_NJ
    return tuple(
        MachineComparison(
            e,
            _ratio(ns, e.latency_ns),
            _ratio(nj, e.energy_nj),
            _ratio(ns, e.peak_latency_ns),
            _ratio(nj, e.peak_energy_nj),
        )
        for e in found
    )


def comparison_json(cost: Cost, found: Sequence[MachineEstimate]) -> list[dict[str, Any]]:
    """The same as plain data; times in ns, energies in nJ."""
    return [
        {
            "machine": c.estimate.machine,
            "precision": c.estimate.precision,
            "utilisation": c.estimate.utilisation,
            "latency_ns": c.estimate.latency_ns,
            "energy_nj": c.estimate.energy_nj,
            "latency_ratio": c.latency_ratio,
            "energy_ratio": c.energy_ratio,
            "peak_latency_ratio": c.peak_latency_ratio,
            "peak_energy_ratio": c.peak_energy_ratio,
        }
        for c in compared(cost, found)
    ]


def effects(cost: Cost, moved: Sequence[Moved]) -> tuple[ConstantEffect, ...]:
    """The strength of each assumed constant."""
    return tuple(
        ConstantEffect(
            m.key,
            m.value,
            tuple(_change(ps, cost.latency_ps) for ps in m.latency_ps),
            tuple(_change(pj, cost.energy_pj) for pj in m.energy_pj),
        )
        for m in moved
    )


def sensitivity_json(moved: Sequence[Moved]) -> list[dict[str, Any]]:
    """The totals for half and twice each constant as plain data, in ns and nJ."""
    return [
        {
            "constant": m.key,
            "value": m.value,
            "latency_ns": [ps / PS_PER_NS for ps in m.latency_ps],
            "energy_nj": [pj / _PJ_PER_NJ for pj in m.energy_pj],
        }
        for m in moved
    ]


def largest_cause(by: Mapping[str, float]) -> LargestCause | None:
    """What most of a total goes to; None where there is no total."""
    whole = sum(by.values())
    cause = max(by, key=lambda k: by[k], default=None)
    return LargestCause(CAUSES[cause], by[cause] / whole) if whole and cause else None


def _ratio(ours: float, theirs: float) -> float:
    """How much more ours is; infinite where theirs alone is nothing."""
    return ours / theirs if theirs else float("inf") if ours else 1.0


def _change(now: float, before: float) -> float | None:
    return now / before - 1 if before else None
