"""The description of a chip: one frozen class for each table of its TOML, units in the names.

Every table carries its pedigree: `quoted` (read in a publication), `derived` (arithmetic on quoted
numbers, shown) or `assumed` (with the reason). `limits` gives a number's allowed range.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, ClassVar, Literal

Kind = Literal["quoted", "derived", "assumed"]
Mode = Literal["1-phase", "4-phase"]
MODES: tuple[Mode, ...] = ("1-phase", "4-phase")


def limits(low: float, high: float, default: Any = MISSING) -> Any:
    """A dataclass field whose value must lie within [low, high]."""
    return field(default=default, metadata={"low": low, "high": high})


def one_of(*choices: str, default: str | None = None) -> Any:
    """A dataclass field whose value must be one of the given words."""
    if default is None:
        return field(metadata={"choices": choices})
    return field(default=default, metadata={"choices": choices})


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
class Statistics:
    """Which device statistics the cells follow; see the `pcm_*` tables.

    `hermes`: the chip's published fits, the devices of a polarity as one. `hermes-msf`: two devices
    that drift each for itself, one fully SET or RESET (max-SET-fill). `pcm-like`: an array of one
    million devices. `adc-count`: weight errors of the chip in ADC counts.
    """

    pedigree: Pedigree
    model: str = one_of("hermes", "hermes-msf", "pcm-like", "adc-count")


@dataclass(frozen=True, slots=True)
class ReadStatistics:
    """How read noise and programming noise go together.

    `split`: a slow part, drawn once for an age, and a fast one for each MVM (table `fast_noise`);
    what lies before t0 is in the published programming spread, which is that of a first read.
    `added`: all noise since programming at every read, beside the spread, as the published
    equations are used. `within`: the same, but the spread holds the noise up to t0. `drawn` says
    whether these two are drawn for `each` MVM, or `once` for an age, as aihwkit does; for each in
    any case while cells are programmed. A split is drawn for each.
    """

    pedigree: Pedigree
    read_noise: str = one_of("split", "added", "within")
    drawn: str = one_of("each", "once")


@dataclass(frozen=True, slots=True)
class FastNoise:
    """The part of 1/f noise that differs from MVM to MVM, where read noise is split.

    logarithm: its variance in units of (g q)^2.
    """

    pedigree: Pedigree
    logarithm: float = limits(0.0, 100.0)


@dataclass(frozen=True, slots=True)
class DriftReference:
    """What a drift compensation compares at t0 and at an age, for its one factor a tile.

    `products`: MVMs of known inputs; the factor makes the error of the later ones least. It is
    blind to what cells gather independently of what they held. `magnitude`: the mean |g+ - g-| of
    all cells, which noise of cells without a weight raises.
    """

    pedigree: Pedigree
    reference: str = one_of("products", "magnitude")


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
class ConverterSpread:
    """Spread of the converters' gain from column to column, before the LDPU's correction."""

    pedigree: Pedigree
    gain_spread: float = limits(0.0, 0.5)


@dataclass(frozen=True, slots=True)
class ConverterOffset:
    """Spread of the converters' zero from column to column, before the LDPU's correction."""

    pedigree: Pedigree
    offset_counts: float = limits(0.0, 1000.0)


@dataclass(frozen=True, slots=True)
class OutputNoise:
    """White noise before the LDPU's output code, in steps of that code."""

    pedigree: Pedigree
    output_steps: float = limits(0.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Wire:
    """Resistance of an array's line from one unit cell to the next."""

    pedigree: Pedigree
    segment_ohm: float = limits(0.0, 1e3)


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
class LinkTime:
    """A link between cores: time of one byte."""

    pedigree: Pedigree
    byte_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HopTime:
    """What each further link adds where a partial sum is forwarded by cores in between."""

    pedigree: Pedigree
    hop_ns: float = limits(0, 1e9)


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
class LinkEnergy:
    """Energy of one byte on one link between cores."""

    pedigree: Pedigree
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class IdlePower:
    """Static power of a core in use, and of what all cores share."""

    pedigree: Pedigree
    core_mw: float = limits(0, 1e9)
    chip_mw: float = limits(0, 1e9)


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
class VectorUnit:
    """A unit on the chip for what crossbars and LDPUs cannot compute, and the on-chip transport of
    activations to and from the cores; a chip without it leaves both to the host.

    Times and energies are for one element: of an addition, a function (exp, cos, ...), a norm
    (softmax, layer norm), a multiply-add of activations, and one byte moved; `latency_ns` is the
    transport's for each vector on its way to a core. It serves one operation at a time.
    """

    pedigree: Pedigree
    element_ns: float = limits(0, 1e9)
    function_ns: float = limits(0, 1e9)
    norm_ns: float = limits(0, 1e9)
    mac_ns: float = limits(0, 1e9)
    element_pj: float = limits(0, 1e9)
    function_pj: float = limits(0, 1e9)
    norm_pj: float = limits(0, 1e9)
    mac_pj: float = limits(0, 1e9)
    byte_ns: float = limits(0, 1e9)
    latency_ns: float = limits(0, 1e9)
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class ProgrammingPulses:
    """Pulses and reads of the chip's own program-and-verify."""

    pedigree: Pedigree
    set_ampere: float = limits(0.0, 1.0)
    set_ns: float = limits(0.0, 1e9)
    reset_ampere: float = limits(0.0, 1.0)
    reset_ns: float = limits(0.0, 1e9)
    pulse_low_ampere: float = limits(0.0, 1.0)
    pulse_high_ampere: float = limits(0.0, 1.0)
    pulse_ns: float = limits(0.0, 1e9)
    verify_ns: float = limits(0.0, 1e9)
    write_heads: int = limits(1, 65536)
    margin_counts: float = limits(0.0, 1e4)
    iterations: int = limits(1, 10000)


@dataclass(frozen=True, slots=True)
class VerifyCount:
    """Conductance that one count of a verify read stands for."""

    pedigree: Pedigree
    count_siemens: float = limits(1e-12, 1e-3)


@dataclass(frozen=True, slots=True)
class ProgrammingEnergy:
    """Price of programming: the pulses' supply, and a verify read of one diagonal."""

    pedigree: Pedigree
    supply_volt: float = limits(0.0, 100.0)
    verify_read_nj: float = limits(0.0, 1e9)


@dataclass(frozen=True, slots=True)
class SetStatistics:
    """Conductance of a SET device, log-normal over devices, and of a RESET one, half-normal."""

    pedigree: Pedigree
    set_median_siemens: float = limits(1e-9, 1.0)
    set_log_spread: float = limits(0.0, 1.5)
    reset_spread_siemens: float = limits(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class WriteNoise:
    """Error of one pulse: a share of the wanted step, and a floor."""

    pedigree: Pedigree
    step_share: float = limits(0.0, 2.0)
    floor_siemens: float = limits(0.0, 1.0)
    verify_counts: float = limits(0.0, 1e3)


@dataclass(frozen=True, slots=True)
class Effects:
    """The signal chain's imperfections; each can be switched off alone to see what it costs."""

    pedigree: Pedigree
    input_code: bool
    programming_noise: bool
    drift: bool
    drift_compensation: bool
    read_noise: bool
    wire_drop: bool
    current_limit: bool
    saturation: bool
    count_code: bool
    polarity_asymmetry: bool
    converter_spread: bool
    column_correction: bool
    output_noise: bool
    output_code: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of r = g / g_max: a clamped logarithm below a bound, a polynomial above it.

    value(r) = clamp(log_slope ln r + log_offset; low, high)  for r < below
             = sum_i polynomial[i] r^i                        otherwise
    """

    tag: ClassVar[str] = "curve"
    below: float = limits(0.0, 1.0)
    log_slope: float = limits(-10, 10)
    log_offset: float = limits(-10, 10)
    low: float = limits(0, 10)
    high: float = limits(0, 10)
    polynomial: tuple[float, ...] = limits(-100, 100)


@dataclass(frozen=True, slots=True)
class Power:
    """A falling function of r = g / g_max: min(high, scale / max(r^exponent, floor))."""

    tag: ClassVar[str] = "power"
    scale: float = limits(0, 10)
    exponent: float = limits(0, 10)
    floor: float = limits(1e-12, 1)
    high: float = limits(0, 10)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Programming noise of a device, in microsiemens: sum_i microsiemens[i] r^i, r = g / g_max."""

    tag: ClassVar[str] = "polynomial"
    microsiemens: tuple[float, ...] = limits(-1e3, 1e3)


@dataclass(frozen=True, slots=True)
class CountPolynomial:
    """Error of a weight in ADC counts, as a polynomial of its magnitude in counts.

    A weight below `zero_below` is exactly zero; `low` holds up to `bound`, `high` above.
    """

    tag: ClassVar[str] = "counts"
    low: tuple[float, ...] = limits(-1e3, 1e3)
    high: tuple[float, ...] = limits(-1e3, 1e3)
    bound: float = limits(0.0, 1e4)
    zero_below: float = limits(0.0, 1e4)
    full_scale: float = limits(1.0, 1e5)


@dataclass(frozen=True, slots=True)
class Pcm:
    """Statistics of the PCM devices that hold one polarity of a weight."""

    pedigree: Pedigree
    programming: Polynomial | CountPolynomial
    drift_mean: Curve
    drift_spread: Curve
    read_noise: Curve | Power
    g_max_siemens: float = limits(1e-9, 1.0)
    t0_seconds: float = limits(1e-6, 1e9)
    read_seconds: float = limits(1e-12, 1.0)


# Tables that a program's tiles, routes and conductances were made for: it runs on no other.
COMPILED_IN = (
    "name", "grid", "crossbar", "unit_cell", "statistics", "links",
    "pcm_odp", "pcm_tdp", "pcm_like", "pcm_count",
)  # fmt: skip
COMPILED_IN_KEYS = ("effects.current_limit",)


@dataclass(frozen=True, slots=True)
class ChipSpec:
    """A chip, whole: the tables above under the names that its TOML uses."""

    name: str
    description: str
    hypothetical: bool
    grid: Grid
    crossbar: Crossbar
    unit_cell: UnitCell
    statistics: Statistics
    read_statistics: ReadStatistics
    fast_noise: FastNoise
    drift_reference: DriftReference
    effects: Effects
    input: Input
    adc: Adc
    adc_count: AdcCount
    converter_spread: ConverterSpread
    converter_offset: ConverterOffset
    wire: Wire
    one_phase: OnePhase
    ldpu: Ldpu
    ldpu_code: LdpuCode
    output_noise: OutputNoise
    links: Links
    mvm_time: MvmTime
    ldpu_time: LdpuTime
    stage_time: StageTime
    link_time: LinkTime
    hop_time: HopTime
    host_link_time: HostLinkTime
    host_time: HostTime
    mvm_energy: MvmEnergy
    ldpu_energy: LdpuEnergy
    link_energy: LinkEnergy
    idle_power: IdlePower
    host_link_energy: HostLinkEnergy
    host_energy: HostEnergy
    programming_pulses: ProgrammingPulses
    verify_count: VerifyCount
    programming_energy: ProgrammingEnergy
    set_statistics: SetStatistics
    write_noise: WriteNoise
    pcm_odp: Pcm
    pcm_tdp: Pcm
    pcm_like: Pcm
    pcm_count: Pcm
    vector_unit: VectorUnit | None = None

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
        """Statistics of the devices of one polarity of a weight, taken together."""
        match self.statistics.model:
            case "pcm-like":
                return self.pcm_like
            case "adc-count":
                return self.pcm_count
        return self.pcm_odp if self.unit_cell.devices_per_polarity == 1 else self.pcm_tdp

    @property
    def mvm_ns(self) -> Mapping[Mode, float]:
        """Duration of a core's MVM in each read mode."""
        times = self.mvm_time
        return {"1-phase": times.one_phase_ns, "4-phase": times.four_phase_ns}

    @property
    def mvm_nj(self) -> Mapping[Mode, float]:
        """Energy of a core's MVM in each read mode."""
        energies = self.mvm_energy
        return {"1-phase": energies.one_phase_nj, "4-phase": energies.four_phase_nj}

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
