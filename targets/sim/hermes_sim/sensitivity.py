"""How much each assumed constant of a chip moves a program's time and energy."""

from collections.abc import Iterator
from dataclasses import fields, replace

from hermes_sim import engine
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Cost, Moved
from hermesrt.workload import Workload

FACTORS = (0.5, 2.0)
_TABLES = (
    "mvm_time", "ldpu_time", "stage_time", "link_time", "hop_time", "host_link_time", "host_time",
    "mvm_energy", "ldpu_energy", "link_energy", "idle_power", "host_link_energy", "host_energy",
    "vector_unit", "gdpu", "chip_link", "gating",
)  # fmt: skip


def sensitivity(chip: ChipSpec, workload: Workload, mode: Mode | None) -> tuple[Moved, ...]:
    """Every assumed constant of time and energy that moves either, the strongest first.

    Each is changed alone, and the whole timeline run again.
    """
    before = engine.cost(chip, workload, mode)
    moved = [_moved(chip, workload, mode, *key) for key in _assumed(chip)]
    found = [m for m in moved if _strength(m, before) > 0]
    return tuple(sorted(found, key=lambda m: -_strength(m, before)))


def joint_range(chip: ChipSpec, workload: Workload, mode: Mode | None) -> tuple[Cost, Cost]:
    """Time and energy with every assumed constant at half of its value, and at twice.

    Both grow with each constant, so that no choice between half and twice lies outside.
    """
    low, high = (engine.cost(_all_moved(chip, factor), workload, mode) for factor in FACTORS)
    return low, high


def _all_moved(chip: ChipSpec, factor: float) -> ChipSpec:
    for name, key in _assumed(chip):
        table = getattr(chip, name)
        value = getattr(table, key)
        table = replace(table, **{key: type(value)(value * factor)})
        chip = replace(chip, **{name: table})
    return chip


def _assumed(chip: ChipSpec) -> Iterator[tuple[str, str]]:
    for name in _TABLES:
        table = getattr(chip, name)
        if table is not None and table.pedigree.kind == "assumed":
            numbers = (f.name for f in fields(table) if _is_number(getattr(table, f.name)))
            yield from ((name, field) for field in numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moved(chip: ChipSpec, workload: Workload, mode: Mode | None, name: str, key: str) -> Moved:
    table = getattr(chip, name)
    value = getattr(table, key)
    costs = [
        engine.cost(
            replace(chip, **{name: replace(table, **{key: type(value)(value * factor)})}),
            workload,
            mode,
        )
        for factor in FACTORS
    ]
    return Moved(
        f"{name}.{key}",
        float(value),
        tuple(c.latency_ps for c in costs),
        tuple(c.energy_pj for c in costs),
    )


def _strength(moved: Moved, before: Cost) -> float:
    """The largest relative change of latency or energy."""
    times = [abs(ps - before.latency_ps) / max(before.latency_ps, 1) for ps in moved.latency_ps]
    energy = before.energy_pj or 1.0
    return max(*times, *(abs(pj - before.energy_pj) / energy for pj in moved.energy_pj))
