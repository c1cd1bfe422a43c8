"""The figures that a chip is known by: peak throughput, and what it is by watt and by area."""

from dataclasses import dataclass

from hermesrt.chip.spec import MODES, ChipSpec, Mode

_OPERATIONS = 2  # of a multiply-add


@dataclass(frozen=True, slots=True)
class Headline:
    """All cores busy with MVMs, LDPUs left out, as such figures are published.

    mode: how arrays are read.
    tops: 10^12 operations a second.
    tops_watt: by the power of arrays, converters and what cores share.
    tops_mm2: by the area of arrays and converters; None where no area is known.
    """

    mode: Mode
    tops: float
    tops_watt: float
    tops_mm2: float | None


def headlines(chip: ChipSpec) -> tuple[Headline, ...]:
    """The figures of each read mode that takes time and energy.

    Source: Le Gallo 2023, Table I (MVM alone), defines them.
    """
    return tuple(
        _headline(chip, mode) for mode in MODES if chip.mvm_ns[mode] > 0 and chip.mvm_nj[mode] > 0
    )


def _headline(chip: ChipSpec, mode: Mode) -> Headline:
    operations, ns = _OPERATIONS * chip.cells_per_core * chip.cores, chip.mvm_ns[mode]
    nj = chip.cores * chip.mvm_nj[mode] + chip.idle_power.chip_mw * ns / 1000
    tops = operations / ns / 1000
    area = None if chip.area is None else tops / (chip.cores * chip.area.mvm_mm2)
    return Headline(mode, tops, operations / nj / 1000, area)
