"""How a chip's numbers follow its size, bits and clocks: laws, anchored at the measured chip.

The tables of a chip hold its numbers as they were measured, at the point that `measured` says. A
law takes a part of one of them elsewhere; `scaling` applies it.
"""

from dataclasses import dataclass
from typing import Literal

from hermesrt.chip.fields import Kind, Pedigree, limits

Driver = Literal[
    "rows", "columns", "cores", "devices", "input_steps", "input_levels", "counter_bits",
    "counter_range", "output_bytes", "word_bytes", "pwm_clock", "ldpu_clock", "one_phase_time",
    "four_phase_time", "core_area",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of a core.

    pwm_mhz: of the input pulses, one step a clock, in MHz.
    ldpu_mhz: of the LDPU and the links, in MHz.
    """

    pedigree: Pedigree
    pwm_mhz: float = limits(1.0, 1e6)
    ldpu_mhz: float = limits(1.0, 1e6)


@dataclass(frozen=True, slots=True)
class Area:
    """Areas on silicon.

    chip_mm2: of the whole chip, in mm2.
    core_mm2: of a core, in mm2.
    mvm_mm2: of a core's array with its converters and input modulators, in mm2.
    """

    pedigree: Pedigree
    chip_mm2: float = limits(1e-6, 1e6)
    core_mm2: float = limits(1e-6, 1e6)
    mvm_mm2: float = limits(1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class Endurance:
    """How often a device can be written.

    cycles: of SET and RESET.
    """

    pedigree: Pedigree
    cycles: float = limits(1.0, 1e18)


@dataclass(frozen=True, slots=True)
class Measured:
    """The point at which the chip's numbers hold as they stand in its tables.

    rows: of a core's array.
    columns: of a core's array.
    cores: of the chip.
    devices_per_polarity: of a unit cell.
    input_bits: of an input code.
    counter_bits: of a converter's counter.
    output_bits: of an output code.
    pwm_mhz: clock of the input pulses, in MHz.
    ldpu_mhz: clock of the LDPU, in MHz.
    one_phase_ns: duration of a 1-phase read.
    four_phase_ns: duration of a 4-phase read.
    core_mm2: area of a core, in mm2.
    """

    pedigree: Pedigree
    rows: int = limits(1, 4096)
    columns: int = limits(1, 4096)
    cores: int = limits(1, 2**20)
    devices_per_polarity: int = limits(1, 2)
    input_bits: int = limits(2, 16)
    counter_bits: int = limits(2, 32)
    output_bits: int = limits(2, 32)
    pwm_mhz: float = limits(1.0, 1e6)
    ldpu_mhz: float = limits(1.0, 1e6)
    one_phase_ns: float = limits(1e-6, 1e9)
    four_phase_ns: float = limits(1e-6, 1e9)
    core_mm2: float = limits(1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class Law:
    """How a part of one number follows what it depends on; the rest of the number stands still.

    scales: the dotted name of the number.
    kind: quoted, derived or assumed.
    source: where the law comes from.
    note: its arithmetic, or the reason of what is assumed.
    part: how much of the number follows, of `whole`.
    whole: in the unit of `part`; one, where `part` is a share.
    scales_with: the part grows as each of these does.
    inversely_with: the part falls as each of these grows.
    within: up to this factor from the measured point the law is of its kind; beyond, assumed.

    number = measured (1 + sum over its laws of part / whole (product of ratios - 1)).
    """

    scales: str
    kind: Kind
    source: str
    note: str = ""
    part: float = limits(0.0, 1e9, 1.0)
    whole: float = limits(1e-9, 1e9, 1.0)
    scales_with: tuple[Driver, ...] = ()
    inversely_with: tuple[Driver, ...] = ()
    within: float = limits(1.0, 1e9, 4.0)


def amount(driver: Driver, at: Measured) -> float:
    """How much there is of what a law depends on, at a point."""
    match driver:
        case "rows" | "columns" | "cores" | "counter_bits":
            return float(getattr(at, driver))
        case "devices":
            return float(at.devices_per_polarity)
        case "input_steps":
            return float(2 ** (at.input_bits - 1))
        case "input_levels":
            return float(2 ** (at.input_bits - 1) - 1)
        case "counter_range":
            return float(2**at.counter_bits)
        case "output_bytes":
            return float(-(-at.output_bits // 8))
        case "word_bytes":
            return float(-(-max(at.input_bits, at.output_bits) // 8))
        case "pwm_clock":
            return at.pwm_mhz
        case "ldpu_clock":
            return at.ldpu_mhz
        case "one_phase_time":
            return at.one_phase_ns
        case "four_phase_time":
            return at.four_phase_ns
        case "core_area":
            return at.core_mm2
