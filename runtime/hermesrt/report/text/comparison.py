"""The chip beside digital machines, and its assumed constants one by one, as text and JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from hermesrt.cost import CAUSES, Cost, Moved
from hermesrt.report.text.terminal import table
from hermesrt.roofline import MachineEstimate
from hermesrt.units import PS_PER_NS, percent, si

_NS, _NJ = 1e-9, 1e-9


def comparison_text(cost: Cost, found: Sequence[MachineEstimate]) -> str:
    """One line for each machine and precision, at batch 1 and at its peak; where the chip loses."""
    rows = []
    for e in found:
        rows.append(_row(cost, _name(e), percent(e.utilisation), e.latency_ns, e.energy_nj))
        rows.append(_row(cost, "", "at its peak", e.peak_latency_ns, e.peak_energy_nj))
    header = ("machine", "utilisation", "latency", "chip / it", "energy", "chip / it")
    return "\n".join(
        [
            "One sample on digital machines (roofline; `chip / it` above 1: the chip is worse):",
            table(header, rows),
            *_verdict(cost, found),
        ]
    )


def comparison_json(cost: Cost, found: Sequence[MachineEstimate]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [
        {
            "machine": e.machine,
            "precision": e.precision,
            "utilisation": e.utilisation,
            "latency_ns": e.latency_ns,
            "energy_nj": e.energy_nj,
            "latency_ratio": ratio(cost.latency_ps / PS_PER_NS, e.latency_ns),
            "energy_ratio": ratio(cost.energy_pj / 1000, e.energy_nj),
            "peak_latency_ratio": ratio(cost.latency_ps / PS_PER_NS, e.peak_latency_ns),
            "peak_energy_ratio": ratio(cost.energy_pj / 1000, e.peak_energy_nj),
        }
        for e in found
    ]


def sensitivity_text(cost: Cost, moved: Sequence[Moved]) -> str:
    """What half and twice each assumed constant makes of latency and energy."""
    if not moved:
        return "No assumed constant moves this program's time or energy."
    rows = [
        (
            m.key,
            f"{m.value:g}",
            *(change(ps, cost.latency_ps) for ps in m.latency_ps),
            *(change(pj, cost.energy_pj) for pj in m.energy_pj),
        )
        for m in moved
    ]
    header = ("assumed constant", "value", "latency: x 0.5", "x 2", "energy: x 0.5", "x 2")
    return "What assumed constants do to the total:\n" + table(header, rows)


def sensitivity_json(moved: Sequence[Moved]) -> list[dict[str, Any]]:
    """The same as plain data: totals for half and twice the constant."""
    return [
        {
            "constant": m.key,
            "value": m.value,
            "latency_ns": [ps / PS_PER_NS for ps in m.latency_ps],
            "energy_nj": [pj / 1000 for pj in m.energy_pj],
        }
        for m in moved
    ]


def _row(
    cost: Cost, name: str, utilisation: str, latency_ns: float, energy_nj: float
) -> tuple[str, ...]:
    return (
        name,
        utilisation,
        si(latency_ns * _NS, "s"),
        times(ratio(cost.latency_ps / PS_PER_NS, latency_ns)),
        si(energy_nj * _NJ, "J"),
        times(ratio(cost.energy_pj / 1000, energy_nj)),
    )


def _verdict(cost: Cost, found: Sequence[MachineEstimate]) -> list[str]:
    """Where the chip loses, and what its latency and energy go to."""
    slower = [_name(e) for e in found if cost.latency_ps > e.latency_ns * PS_PER_NS]
    hungrier = [_name(e) for e in found if cost.energy_pj > e.energy_nj * 1000]
    lines = []
    if slower:
        lines.append(f"The chip is slower than {', '.join(slower)}.{_most(cost.latency_by)}")
    if hungrier:
        lines.append(f"It needs more energy than {', '.join(hungrier)}.{_most(cost.energy_by)}")
    return lines or ["At these utilisations the chip is faster and needs less energy than all."]


def _most(by: Mapping[str, float]) -> str:
    total = sum(by.values())
    cause = max(by, key=lambda k: by[k], default=None)
    if not total or cause is None:
        return ""
    return f" {percent(by[cause] / total)} of that is {CAUSES[cause]}."


def _name(e: MachineEstimate) -> str:
    return f"{e.machine} {e.precision}"


def ratio(ours: float, theirs: float) -> float:
    """How much more ours is; infinite where theirs is nothing."""
    return ours / theirs if theirs else float("inf")


def times(factor: float) -> str:
    """A factor as text."""
    return f"{factor:,.0f} x" if factor >= 100 else f"{factor:.3g} x"


def change(now: float, before: float) -> str:
    """A change as text, in per cent."""
    return f"{100 * (now / before - 1):+.1f} %" if before else "-"
