"""The chip beside digital machines, and its assumed constants one by one, as text."""

from collections.abc import Mapping, Sequence

from hermesrt.comparison import MachineComparison, compared, effects, largest_cause
from hermesrt.cost import Cost, Moved
from hermesrt.report.text.terminal import table
from hermesrt.roofline import MachineEstimate
from hermesrt.units import percent, si

_NS, _NJ = 1e-9, 1e-9
ComparisonRow = tuple[str, str, str, str, str, str]


def comparison_text(cost: Cost, found: Sequence[MachineEstimate]) -> str:
    """One line for each machine and precision, at batch 1 and at its peak; where the chip loses."""
    machines = compared(cost, found)
    header = ("machine", "utilisation", "latency", "chip / it", "energy", "chip / it")
    return "\n".join(
        [
            "One sample on digital machines (roofline; `chip / it` above 1: the chip is worse):",
            table(header, [row for c in machines for row in machine_cells(c)]),
            *_verdict(cost, machines),
        ]
    )


def machine_cells(c: MachineComparison) -> tuple[ComparisonRow, ComparisonRow]:
    """A machine at its utilisation and at its peak."""
    e = c.estimate
    used = percent(e.utilisation)
    return (
        (c.name, used, *_pair(e.latency_ns, c.latency_ratio, e.energy_nj, c.energy_ratio)),
        ("", "at its peak", *_pair(
            e.peak_latency_ns, c.peak_latency_ratio, e.peak_energy_nj, c.peak_energy_ratio
        )),
    )  # fmt: skip


def _pair(
    latency_ns: float, latency_ratio: float, energy_nj: float, energy_ratio: float
) -> tuple[str, str, str, str]:
    latency, energy = si(latency_ns * _NS, "s"), si(energy_nj * _NJ, "J")
    return latency, _times(latency_ratio), energy, _times(energy_ratio)


def sensitivity_text(cost: Cost, moved: Sequence[Moved]) -> str:
    """What half and twice each assumed constant makes of latency and energy."""
    if not moved:
        return "No assumed constant moves this program's time or energy."
    header = ("assumed constant", "value", "latency: x 0.5", "x 2", "energy: x 0.5", "x 2")
    return "What assumed constants do to the total:\n" + table(header, effect_cells(cost, moved))


def effect_cells(cost: Cost, moved: Sequence[Moved]) -> list[tuple[str, ...]]:
    """A line for each constant: name, value, changes of latency and of energy."""
    return [
        (e.key, f"{e.value:g}", *map(_change, (*e.latency, *e.energy)))
        for e in effects(cost, moved)
    ]


def _verdict(cost: Cost, machines: Sequence[MachineComparison]) -> list[str]:
    """Where the chip loses, and what its latency and energy go to."""
    slower = [c.name for c in machines if c.latency_ratio > 1]
    hungrier = [c.name for c in machines if c.energy_ratio > 1]
    lines = []
    if slower:
        lines.append(f"The chip is slower than {', '.join(slower)}.{_most(cost.latency_by)}")
    if hungrier:
        lines.append(f"It needs more energy than {', '.join(hungrier)}.{_most(cost.energy_by)}")
    return lines or ["At these utilisations the chip is faster and needs less energy than all."]


def _most(by: Mapping[str, float]) -> str:
    largest = largest_cause(by)
    return f" {percent(largest.share)} of that is {largest.name}." if largest else ""


def _times(factor: float) -> str:
    return f"{factor:,.0f} x" if factor >= 100 else f"{factor:.3g} x"


def _change(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f} %"
