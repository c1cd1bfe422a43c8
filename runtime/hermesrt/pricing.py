"""The one price list: what a tile does for a vector, and what counts of work and idle power cost.

The compiler's placer and the simulator both count here, and multiply by the chip's tables here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Literal

from hermesrt.chip.fields import Kind, Pedigree, weakest
from hermesrt.chip.spec import ChipSpec, Mode

_PJ_PER_NJ = 1000.0
_PJ_PER_MW_PS = 1e-3  # 1 mW x 1 ps = 1e-15 J = 1e-3 pJ


@dataclass(frozen=True, slots=True)
class Counts:
    """What was done.

    one_phase_mvms: MVMs of cores in 1-phase reads.
    four_phase_mvms: MVMs of cores in 4-phase reads.
    ldpu_outputs: outputs of LDPUs.
    link_bytes: over links between cores, each link counted.
    transport_bytes: moved by the chip's own transport.
    chip_link_bytes: moved over links between chips.
    host_link_bytes: moved over the link to the host.
    host_operations: of the host.
    elements: of additions and the like in a vector unit.
    functions: elements of functions in a vector unit.
    norms: elements of norms in a vector unit.
    macs: multiply-adds in a vector unit.
    """

    one_phase_mvms: int = 0
    four_phase_mvms: int = 0
    ldpu_outputs: int = 0
    link_bytes: int = 0
    transport_bytes: int = 0
    chip_link_bytes: int = 0
    host_link_bytes: int = 0
    host_operations: int = 0
    elements: int = 0
    functions: int = 0
    norms: int = 0
    macs: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return total((self, other))

    def __mul__(self, times: int) -> "Counts":
        return Counts(*[value * times for value in _numbers(self)])

    @property
    def core_mvms(self) -> int:
        """MVMs of cores in either read mode."""
        return self.one_phase_mvms + self.four_phase_mvms


_numbers = attrgetter(*(f.name for f in fields(Counts)))


def total(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    return Counts(*map(sum, zip(*map(_numbers, counts), strict=True)))


Way = Literal["transport", "host_link"]


@dataclass(frozen=True, slots=True)
class FunctionPrice:
    """What one value of a function such as cosine takes.

    place: `host`, `vector_unit`, or `ldpu`: an output of it, which is no function.
    ns: its time.
    pj: its energy.
    pedigree: of the energy.
    """

    place: str
    ns: float
    pj: float
    pedigree: Pedigree


def tile_counts(rows: int, columns: int, mode: Mode, *, leaving: int, way: Way) -> Counts:
    """What one vector through one tile takes, but for links.

    rows, columns: size of the tile
    mode: how its array is read
    leaving: results that leave for the host; none but for the last tile of a cascade
    way: how bytes come and go: over the chip's own transport, or the link to the host
    """
    moved = rows + leaving
    return Counts(
        one_phase_mvms=int(mode == "1-phase"),
        four_phase_mvms=int(mode == "4-phase"),
        ldpu_outputs=columns,
        transport_bytes=moved if way == "transport" else 0,
        host_link_bytes=moved if way == "host_link" else 0,
    )


def dynamic_pj(chip: ChipSpec, counts: Counts) -> dict[str, float]:
    """Energy of what was done, by cause.

    Source: tables `*_energy` and `vector_unit` of the chip (Le Gallo 2023, Table I, decomposed).
    """
    mvm_nj = chip.mvm_nj
    array_nj = (
        counts.one_phase_mvms * mvm_nj["1-phase"] + counts.four_phase_mvms * mvm_nj["4-phase"]
    )
    by = {
        "array": array_nj * _PJ_PER_NJ,
        "ldpu": counts.ldpu_outputs * chip.ldpu_energy.output_nj * _PJ_PER_NJ,
        "links": counts.link_bytes * chip.link_energy.byte_pj,
    }
    unit = chip.vector_unit
    if unit is None or counts.host_link_bytes:
        by["host_link"] = counts.host_link_bytes * chip.host_link_energy.byte_pj
    if chip.chip_link is not None and counts.chip_link_bytes:
        by["chip_link"] = counts.chip_link_bytes * chip.chip_link.byte_pj
    if unit is None:
        return by | {"host": counts.host_operations * chip.host_energy.op_pj}
    return by | {
        "transport": counts.transport_bytes * unit.byte_pj,
        "vector_unit": counts.elements * unit.element_pj
        + counts.functions * unit.function_pj
        + counts.norms * unit.norm_pj
        + counts.macs * unit.mac_pj,
    }


def idle_pj(chip: ChipSpec, cores: int, chips: int, time_ps: int) -> float:
    """Energy that cores and chips in use draw over a time, whatever they do.

    cores: cores in use, on all chips together
    chips: chips of which a core is in use; the others are off
    time_ps: the time in picoseconds

    Each chip in use draws what its cores share once, however few of them work.
    Source: Le Gallo 2023, Table I, decomposed (`tools/table1.py`).
    """
    unit = 0.0 if chip.vector_unit is None else chip.vector_unit.idle_mw
    power_mw = cores * chip.idle_power.core_mw + chips * unit
    return shared_pj(chip, chips, time_ps) + power_mw * time_ps * _PJ_PER_MW_PS


def shared_pj(chip: ChipSpec, chips: int, time_ps: int) -> float:
    """Energy that what all cores share draws on some chips over a time in picoseconds."""
    return chip.idle_power.chip_mw * chips * time_ps * _PJ_PER_MW_PS


def function_prices(chip: ChipSpec) -> tuple[FunctionPrice, ...]:
    """One cosine where reports bound it, and an output of the chip's own LDPU between them."""
    host, unit = chip.host_time, chip.vector_unit or chip.on_chip_bound
    operations = host.transcendental_ops
    ns, pj = operations * host.op_ns, operations * chip.host_energy.op_pj
    ldpu_pj = chip.ldpu_energy.output_nj * _PJ_PER_NJ
    ldpu = FunctionPrice(
        "ldpu", chip.ldpu_time.output_interval_ns, ldpu_pj, chip.ldpu_energy.pedigree
    )
    found = (FunctionPrice("host", ns, pj, chip.host_energy.pedigree), ldpu)
    if unit is None:
        return found
    return (*found, FunctionPrice("vector_unit", unit.function_ns, unit.function_pj, unit.pedigree))


def energy_kinds(chip: ChipSpec) -> dict[str, Kind]:
    """The pedigree of each cause's price."""
    gating = chip.gating
    off = [] if gating is None or gating.idle_chips == "on" else [gating.pedigree]
    return _kinds(
        chip,
        array=[chip.mvm_energy.pedigree],
        ldpu=[chip.ldpu_energy.pedigree],
        links=[chip.link_energy.pedigree],
        idle=[chip.idle_power.pedigree, *off],
        host_link=[chip.host_link_energy.pedigree],
        host=[chip.host_energy.pedigree],
    )


def time_kinds(chip: ChipSpec) -> dict[str, Kind]:
    """The pedigree of each cause's time."""
    return _kinds(
        chip,
        array=[chip.mvm_time.pedigree],
        ldpu=[chip.ldpu_time.pedigree],
        links=[chip.stage_time.pedigree, chip.link_time.pedigree],
        hops=[chip.hop_time.pedigree],
        host_link=[chip.host_link_time.pedigree],
        host=[chip.host_time.pedigree],
        **({} if chip.gdpu is None else {"gdpu": [chip.gdpu.pedigree]}),
    )


def _kinds(chip: ChipSpec, **pedigrees: Sequence[Pedigree]) -> dict[str, Kind]:
    """The weakest kind among each cause's tables."""
    if chip.vector_unit is not None:
        unit = [chip.vector_unit.pedigree]
        pedigrees |= {"transport": unit, "vector_unit": unit}
    if chip.far_link is not None:
        pedigrees |= {"chip_link": [chip.far_link.pedigree]}
    return {cause: weakest(*(p.kind for p in tables)) for cause, tables in pedigrees.items()}
