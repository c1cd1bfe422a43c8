"""The description of a chip: one frozen class for each table of its TOML, units in the names.

Every table carries its pedigree: `quoted` (read in a publication), `derived` (arithmetic on quoted
numbers, shown) or `assumed` (with the reason). `limits` gives a number's allowed range.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["quoted", "derived", "assumed"]
Mode = Literal["1-phase", "4-phase"]
MODES: tuple[Mode, ...] = ("1-phase", "4-phase")


def limits(low: float, high: float) -> Any:
    """A dataclass field whose value must lie within [low, high]."""
    return field(metadata={"low": low, "high": high})


def one_of(*choices: str) -> Any:
    """A dataclass field whose value must be one of the given words."""
    return field(metadata={"choices": choices})


@dataclass(frozen=True, slots=True)
class Pedigree:
    """Where the numbers of one table come from."""

    kind: Kind
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cores on the chip, by row and column."""

    pedigree: Pedigree
    rows: int = limits(1, 1024)
    columns: int = limits(1, 1024)


@dataclass(frozen=True, slots=True)
class Crossbar:
    """Unit cells of one core's array: inputs enter at the rows, sums leave at the columns."""

    pedigree: Pedigree
    rows: int = limits(1, 4096)
    columns: int = limits(1, 4096)


@dataclass(frozen=True, slots=True)
class UnitCell:
    """How many PCM devices hold each polarity of a weight (1: ODP, 2: TDP)."""

    pedigree: Pedigree
    devices_per_polarity: int = limits(1, 2)


@dataclass(frozen=True, slots=True)
class Input:
    """The PWM input converter."""

    pedigree: Pedigree
    input_bits: int = limits(2, 16)


@dataclass(frozen=True, slots=True)
class Adc:
    """The current converters, one per output line: two counters, linear up to the saturation."""

    pedigree: Pedigree
    counter_bits: int = limits(2, 32)
    saturation_ampere: float = limits(1e-9, 1.0)
    read_voltage: float = limits(1e-3, 5.0)


@dataclass(frozen=True, slots=True)
class AdcCount:
    """Conductance that advances a counter by one in a phase at full input."""

    pedigree: Pedigree
    count_siemens: float = limits(1e-12, 1e-3)


@dataclass(frozen=True, slots=True)
class OnePhase:
    """Extra gain of the positive read polarity when both polarities are read in one phase."""

    pedigree: Pedigree
    polarity_asymmetry: float = limits(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Ldpu:
    """The local digital processing unit's output word."""

    pedigree: Pedigree
    output_bits: int = limits(2, 32)


@dataclass(frozen=True, slots=True)
class LdpuCode:
    """How the LDPU's FP16 value becomes its output word."""

    pedigree: Pedigree
    rounding: str = one_of("truncate", "nearest")
    range_factor: float = limits(1e-3, 1e3)


@dataclass(frozen=True, slots=True)
class Links:
    """Which neighbours a core can send partial sums to, by distance in its row and column."""

    pedigree: Pedigree
    row_reach: int = limits(0, 1024)
    column_reach: int = limits(0, 1024)


@dataclass(frozen=True, slots=True)
class MvmTime:
    """Duration of one MVM of a core in each read mode."""

    pedigree: Pedigree
    one_phase_ns: float = limits(0, 1e9)
    four_phase_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LdpuTime:
    """Time between two outputs of an LDPU."""

    pedigree: Pedigree
    output_interval_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class StageTime:
    """Latency of one LDPU-and-link stage of a cascade."""

    pedigree: Pedigree
    stage_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostLinkTime:
    """Transport of activations between host and a core's port."""

    pedigree: Pedigree
    byte_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostTime:
    """Digital operations on the host."""

    pedigree: Pedigree
    op_ns: float = limits(0, 1e9)
    transcendental_ops: int = limits(1, 1000)


@dataclass(frozen=True, slots=True)
class MvmEnergy:
    """Energy of one MVM of a core: crossbar, ADCs and input modulation."""

    pedigree: Pedigree
    one_phase_nj: float = limits(0, 1e9)
    four_phase_nj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LdpuEnergy:
    """Energy of one output of an LDPU, its link included."""

    pedigree: Pedigree
    output_nj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class IdlePower:
    """Static power of a core in use."""

    pedigree: Pedigree
    core_mw: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostLinkEnergy:
    """Energy to move one byte between host and chip."""

    pedigree: Pedigree
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostEnergy:
    """Energy of one digital operation on the host."""

    pedigree: Pedigree
    op_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of r = g / g_max: a clamped logarithm below a bound, a polynomial above it.

    value(r) = clamp(log_slope ln r + log_offset; low, high)  for r < below
             = sum_i polynomial[i] r^i                        otherwise
    """

    below: float = limits(0.0, 1.0)
    log_slope: float = limits(-10, 10)
    log_offset: float = limits(-10, 10)
    low: float = limits(0, 10)
    high: float = limits(0, 10)
    polynomial: tuple[float, ...] = limits(-100, 100)


@dataclass(frozen=True, slots=True)
class Pcm:
    """Statistics of the PCM devices that hold one polarity of a weight."""

    pedigree: Pedigree
    drift_mean: Curve
    drift_spread: Curve
    read_noise: Curve
    g_max_siemens: float = limits(1e-9, 1.0)
    t0_seconds: float = limits(1e-6, 1e9)
    read_seconds: float = limits(1e-12, 1.0)
    programming_microsiemens: tuple[float, ...] = limits(-1e3, 1e3)


# Tables that a program's tiles, routes and conductances were made for: it runs on no other.
COMPILED_IN = ("name", "grid", "crossbar", "unit_cell", "links", "pcm_odp", "pcm_tdp")


@dataclass(frozen=True, slots=True)
class ChipSpec:
    """A chip, whole: the tables above under the names that its TOML uses."""

    name: str
    description: str
    hypothetical: bool
    grid: Grid
    crossbar: Crossbar
    unit_cell: UnitCell
    input: Input
    adc: Adc
    adc_count: AdcCount
    one_phase: OnePhase
    ldpu: Ldpu
    ldpu_code: LdpuCode
    links: Links
    mvm_time: MvmTime
    ldpu_time: LdpuTime
    stage_time: StageTime
    host_link_time: HostLinkTime
    host_time: HostTime
    mvm_energy: MvmEnergy
    ldpu_energy: LdpuEnergy
    idle_power: IdlePower
    host_link_energy: HostLinkEnergy
    host_energy: HostEnergy
    pcm_odp: Pcm
    pcm_tdp: Pcm

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.grid.rows * self.grid.columns

    @property
    def cells_per_core(self) -> int:
        """Number of unit cells, that is weights, of a core."""
        return self.crossbar.rows * self.crossbar.columns

    @property
    def pcm(self) -> Pcm:
        """Statistics for the number of devices per polarity that is in use."""
        return self.pcm_odp if self.unit_cell.devices_per_polarity == 1 else self.pcm_tdp

    @property
    def input_levels(self) -> int:
        """Largest input code: 127 for 8 bits with sign."""
        return int(2 ** (self.input.input_bits - 1) - 1)

    @property
    def output_levels(self) -> int:
        """Largest output code: 127 for 8 bits with sign."""
        return int(2 ** (self.ldpu.output_bits - 1) - 1)

    @property
    def line_siemens(self) -> float:
        """Conductance of a line, all its inputs on, at which the ADC's current saturates."""
        return self.adc.saturation_ampere / self.adc.read_voltage
