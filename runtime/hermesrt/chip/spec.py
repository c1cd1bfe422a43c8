"""The description of a chip: one frozen class for each table of its TOML, units in the names.

Every table carries a `pedigree` for its numbers: `quoted` (read in a publication), `derived`
(arithmetic on quoted numbers, shown) or `assumed` (with the reason). `limits` gives a number's
allowed range.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hermesrt.chip.fields import MODES as MODES
from hermesrt.chip.fields import Kind as Kind
from hermesrt.chip.fields import Mode as Mode
from hermesrt.chip.fields import Pedigree as Pedigree
from hermesrt.chip.fields import limits as limits
from hermesrt.chip.fields import one_of as one_of
from hermesrt.chip.laws import Area, Clock, Endurance, Law, Measured


@dataclass(frozen=True, slots=True)
class Grid:
    """Cores on the chip, by row and column.

    rows: how many.
    columns: how many.
    """

    pedigree: Pedigree
    rows: int = limits(1, 1024)
    columns: int = limits(1, 1024)


@dataclass(frozen=True, slots=True)
class Crossbar:
    """Unit cells of one core's array: inputs enter at the rows, sums leave at the columns.

    rows: how many, the inputs of an MVM.
    columns: how many, the outputs of an MVM.
    """

    pedigree: Pedigree
    rows: int = limits(1, 4096)
    columns: int = limits(1, 4096)


@dataclass(frozen=True, slots=True)
class UnitCell:
    """The PCM devices of a unit cell.

    devices_per_polarity: how many hold each polarity of a weight (1: ODP, 2: TDP).
    """

    pedigree: Pedigree
    devices_per_polarity: int = limits(1, 2)


STATISTICS = ("hermes", "hermes-msf", "pcm-like", "adc-count", "reram", "gaussian")  # shipped
STATISTICS_GROUP = "hermesc.statistics"  # entry points of packages that add others


@dataclass(frozen=True, slots=True)
class Statistics:
    """Which device statistics the cells follow; see the `pcm_*` tables.

    model: one of these, or one that an installed package adds (entry point `hermesc.statistics`).
        `hermes`: the chip's published fits, the devices of a polarity as one.
        `hermes-msf`: two devices that drift each for itself, one fully SET or RESET (max-SET-fill).
        `pcm-like`: an array of one million devices.
        `adc-count`: weight errors of the chip in ADC counts.
        `reram`: resistive devices as published, scaled to the largest conductance.
        `gaussian`: errors of one size.
    """

    pedigree: Pedigree
    model: str


@dataclass(frozen=True, slots=True)
class ReadStatistics:
    """How read noise and programming noise go together.

    read_noise: one of three.
        `split`: a slow part, drawn once for an age, and a fast one for each MVM (`fast_noise`);
        what lies before t0 is in the published programming spread, which is that of a first read.
        `added`: all noise since programming at every read, beside the spread, as the published
        equations are used.
        `within`: the same, but the spread holds the noise up to t0.
    drawn: whether `added` and `within` are drawn for `each` MVM, or `once` for an age, as aihwkit
        does; for each in any case while cells are programmed. A split is drawn for each.
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
    """What a drift compensation compares at t0 and at an age.

    reference: one of three; the first two give one factor a tile.
        `products`: MVMs of known inputs; the factor makes the error of the later ones least. It is
        blind to what cells gather independently of what they held.
        `magnitude`: the mean |g+ - g-| of all cells, which noise of cells without a weight raises.
        `columns`: gain and zero of every column are fitted again, as the correction of the columns
        was at t0.
    """

    pedigree: Pedigree
    reference: str = one_of("products", "magnitude", "columns")


@dataclass(frozen=True, slots=True)
class InputConverter:
    """The PWM input converter.

    input_bits: of an input code, its sign included.
    """

    pedigree: Pedigree
    input_bits: int = limits(2, 16)


@dataclass(frozen=True, slots=True)
class Adc:
    """The current converters, one per output line: two counters, linear up to the saturation.

    counter_bits: of each counter.
    saturation_ampere: current of a line, in A, above which a converter counts no faster.
    read_voltage: voltage of a line that is on, in V.
    """

    pedigree: Pedigree
    counter_bits: int = limits(2, 32)
    saturation_ampere: float = limits(1e-9, 1.0)
    read_voltage: float = limits(1e-3, 5.0)


@dataclass(frozen=True, slots=True)
class AdcCount:
    """Conductance that advances a counter by one in a phase at full input.

    count_siemens: that conductance, in S.
    """

    pedigree: Pedigree
    count_siemens: float = limits(1e-12, 1e-3)


@dataclass(frozen=True, slots=True)
class CountCode:
    """How currents become whole counts, and of what.

    rounding: `round` to the nearest, `floor`, or `truncate` (towards zero).
    each: `line` (the difference of its two counters at once), `counter`, or `phase` of a counter.
        A counter and a phase count no less than zero, so that floor and truncate are the same.
    """

    pedigree: Pedigree
    rounding: str = one_of("round", "floor", "truncate")
    each: str = one_of("line", "counter", "phase")


_COUNTED = CountCode(
    Pedigree("assumed", "a program file that was written without it"), "round", "line"
)


@dataclass(frozen=True, slots=True)
class ConverterSpread:
    """Spread of the converters' gain from column to column, before the LDPU's correction.

    gain_spread: standard deviation, as a share of the gain.
    """

    pedigree: Pedigree
    gain_spread: float = limits(0.0, 0.5)


@dataclass(frozen=True, slots=True)
class ConverterOffset:
    """Spread of the converters' zero from column to column, before the LDPU's correction.

    offset_counts: standard deviation, in ADC counts.
    """

    pedigree: Pedigree
    offset_counts: float = limits(0.0, 1000.0)


@dataclass(frozen=True, slots=True)
class OutputNoise:
    """White noise before the LDPU's output code, in steps of that code.

    output_steps: standard deviation, in steps.
    """

    pedigree: Pedigree
    output_steps: float = limits(0.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Wire:
    """Resistance of an array's line from one unit cell to the next.

    segment_ohm: that resistance, in ohm.
    """

    pedigree: Pedigree
    segment_ohm: float = limits(0.0, 1e3)


@dataclass(frozen=True, slots=True)
class OnePhase:
    """Extra gain of the positive read polarity when both polarities are read in one phase.

    polarity_asymmetry: as a share of the gain.
    """

    pedigree: Pedigree
    polarity_asymmetry: float = limits(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Ldpu:
    """The local digital processing unit's output word.

    output_bits: of an output code, its sign included.
    """

    pedigree: Pedigree
    output_bits: int = limits(2, 32)


@dataclass(frozen=True, slots=True)
class LdpuCode:
    """How the LDPU's FP16 value becomes its output word.

    rounding: `truncate` (towards zero), `nearest` or `floor`.
    range_factor: of the largest output on the calibration data, what the largest code stands for.
    range: whose largest output: one for the `layer`; by `column`; or in `counts`, the same number
        of counts for all columns, whose weights' scales are undone behind the code. The latter two
        are the layer's range times a share by the calibration vectors that a program keeps.
    """

    pedigree: Pedigree
    rounding: str = one_of("truncate", "nearest", "floor")
    range_factor: float = limits(1e-3, 1e3)
    range: str = one_of("layer", "column", "counts", default="layer")


@dataclass(frozen=True, slots=True)
class Links:
    """Which neighbours a core can send partial sums to, by distance in its row and column.

    row_reach: the largest distance in a row.
    column_reach: the largest distance in a column.
    """

    pedigree: Pedigree
    row_reach: int = limits(0, 1024)
    column_reach: int = limits(0, 1024)


@dataclass(frozen=True, slots=True)
class MvmTime:
    """Duration of one MVM of a core in each read mode.

    one_phase_ns: of a 1-phase read.
    four_phase_ns: of a 4-phase read.
    """

    pedigree: Pedigree
    one_phase_ns: float = limits(0, 1e9)
    four_phase_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LdpuTime:
    """Time between two outputs of an LDPU.

    output_interval_ns: that time.
    """

    pedigree: Pedigree
    output_interval_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class StageTime:
    """Latency of one LDPU-and-link stage of a cascade.

    stage_ns: that latency.
    """

    pedigree: Pedigree
    stage_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LinkTime:
    """A link between cores: time of one byte.

    byte_ns: that time.
    """

    pedigree: Pedigree
    byte_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HopTime:
    """What each further link adds where a partial sum is forwarded by cores in between.

    hop_ns: of each further link.
    """

    pedigree: Pedigree
    hop_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostLinkTime:
    """Transport of activations between host and a core's port.

    byte_ns: time of one byte through a core's port.
    """

    pedigree: Pedigree
    byte_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostTime:
    """Digital operations on the host.

    op_ns: time of one operation.
    transcendental_ops: operations that an exp, sin or the like counts for.
    """

    pedigree: Pedigree
    op_ns: float = limits(0, 1e9)
    transcendental_ops: int = limits(1, 1000)


@dataclass(frozen=True, slots=True)
class MvmEnergy:
    """Energy of one MVM of a core: crossbar, ADCs and input modulation.

    one_phase_nj: of a 1-phase read.
    four_phase_nj: of a 4-phase read.
    """

    pedigree: Pedigree
    one_phase_nj: float = limits(0, 1e9)
    four_phase_nj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LdpuEnergy:
    """Energy of one output of an LDPU, its link included.

    output_nj: that energy.
    """

    pedigree: Pedigree
    output_nj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LinkEnergy:
    """Energy of one byte on one link between cores.

    byte_pj: that energy.
    """

    pedigree: Pedigree
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class IdlePower:
    """Static power of a core in use, and of what all cores share.

    core_mw: of each core in use.
    chip_mw: of what all cores of a chip share.
    """

    pedigree: Pedigree
    core_mw: float = limits(0, 1e9)
    chip_mw: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostLinkEnergy:
    """Energy to move one byte between host and chip.

    byte_pj: that energy.
    """

    pedigree: Pedigree
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostEnergy:
    """Energy of one digital operation on the host.

    op_pj: that energy.
    """

    pedigree: Pedigree
    op_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """A unit on the chip for what crossbars and LDPUs cannot compute, and the on-chip transport of
    activations to and from the cores; a chip without it leaves both to the host.

    element_ns: time of one element of an addition or the like.
    function_ns: time of one element of a function (exp, cos, ...).
    norm_ns: time of one element of a norm (softmax, layer norm).
    mac_ns: time of one multiply-add of activations.
    element_pj: energy of one element of an addition or the like.
    function_pj: energy of one element of a function.
    norm_pj: energy of one element of a norm.
    mac_pj: energy of one multiply-add.
    byte_ns: transport's time of one byte.
    latency_ns: transport's latency for each vector on its way to a core.
    byte_pj: transport's energy of one byte.
    idle_mw: power that it draws whatever it does.

    It serves one operation at a time.
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
    idle_mw: float = limits(0, 1e9, 0.0)


@dataclass(frozen=True, slots=True)
class Gdpu:
    """A digital unit for the gates of LSTMs, behind one row of cores.

    slices: how many, the first one behind the first column of cores.
    row: the row of cores that feeds them, counted from 1.
    inputs: sums that a slice takes, four for each cell state that it keeps.
    latency_ns: from the last sum to the last output.
    """

    pedigree: Pedigree
    slices: int = limits(1, 1024)
    row: int = limits(1, 1024)
    inputs: int = limits(4, 2**20)
    latency_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class GdpuTanh:
    """The table of that unit's tanh.

    bins: parts of the curve, each a straight line, the two outer ones flat.
    """

    pedigree: Pedigree
    bins: int = limits(3, 2**16)


@dataclass(frozen=True, slots=True)
class ProgrammingPulses:
    """Pulses and reads of the chip's own program-and-verify.

    set_ampere: current of a SET pulse, in A.
    set_ns: its duration.
    reset_ampere: current of a RESET pulse, in A.
    reset_ns: its duration.
    pulse_low_ampere: the least current of a programming pulse, in A.
    pulse_high_ampere: the largest current of a programming pulse, in A.
    pulse_ns: its duration.
    verify_ns: duration of a verify read.
    write_heads: columns of a core that are pulsed at once.
    margin_counts: error, in counts of a verify read, up to which a device is left as it is.
    iterations: reads and pulses of a device at most.
    """

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
    """Conductance that one count of a verify read stands for.

    count_siemens: that conductance, in S.
    """

    pedigree: Pedigree
    count_siemens: float = limits(1e-12, 1e-3)


@dataclass(frozen=True, slots=True)
class ProgrammingEnergy:
    """Price of programming: the pulses' supply, and a verify read of one diagonal.

    supply_volt: voltage of the pulses' supply, in V.
    verify_read_nj: energy of a verify read of one diagonal.
    """

    pedigree: Pedigree
    supply_volt: float = limits(0.0, 100.0)
    verify_read_nj: float = limits(0.0, 1e9)


@dataclass(frozen=True, slots=True)
class SetStatistics:
    """Conductance of a SET device, log-normal over devices, and of a RESET one, half-normal.

    set_median_siemens: median over SET devices, in S.
    set_log_spread: standard deviation of the logarithm over SET devices.
    reset_spread_siemens: spread over RESET devices, in S.
    """

    pedigree: Pedigree
    set_median_siemens: float = limits(1e-9, 1.0)
    set_log_spread: float = limits(0.0, 1.5)
    reset_spread_siemens: float = limits(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class WriteNoise:
    """Error of one pulse: a share of the wanted step, and a floor.

    step_share: standard deviation as a share of the step.
    floor_siemens: standard deviation without a step, in S.
    verify_counts: noise of a verify read, standard deviation in its counts.
    """

    pedigree: Pedigree
    step_share: float = limits(0.0, 2.0)
    floor_siemens: float = limits(0.0, 1.0)
    verify_counts: float = limits(0.0, 1e3)


@dataclass(frozen=True, slots=True)
class Effects:
    """The signal chain's imperfections; each can be switched off alone to see what it costs.

    input_code: inputs are rounded to codes.
    programming_noise: cells miss the conductance wanted.
    drift: conductances fall with the age.
    drift_compensation: a factor a tile makes up for the drift.
    read_noise: every read differs.
    wire_drop: array lines have resistance.
    current_limit: a converter's current saturates.
    saturation: counters stop at their last count.
    count_code: counts are whole.
    polarity_asymmetry: in a 1-phase read the polarities differ in gain.
    converter_spread: converters differ in gain and zero.
    column_correction: the LDPU corrects that spread.
    output_noise: white noise before the output code.
    output_code: outputs are rounded to codes.
    """

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

    below: the bound, as a share of g_max.
    log_slope: of the logarithm.
    log_offset: of the logarithm, at r = 1.
    low: the least value of the logarithm.
    high: the largest value of the logarithm.
    polynomial: coefficients, constant first.

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
class PowerLaw:
    """A falling function of r = g / g_max: min(high, scale / max(r^exponent, floor)).

    scale: of the numerator.
    exponent: of r.
    floor: the least denominator.
    high: the largest value.
    """

    tag: ClassVar[str] = "power"
    scale: float = limits(0, 10)
    exponent: float = limits(0, 10)
    floor: float = limits(1e-12, 1)
    high: float = limits(0, 10)


@dataclass(frozen=True, slots=True)
class NoisePolynomial:
    """Programming noise of a device: sum_i microsiemens[i] r^i, r = g / g_max.

    microsiemens: coefficients, constant first, in microsiemens.
    """

    tag: ClassVar[str] = "polynomial"
    microsiemens: tuple[float, ...] = limits(-1e3, 1e3)


@dataclass(frozen=True, slots=True)
class CountPolynomial:
    """Error of a weight in ADC counts, as a polynomial of its magnitude in counts.

    low: coefficients up to the bound, constant first.
    high: coefficients above it.
    bound: the magnitude at which one gives way to the other, in counts.
    zero_below: a weight of a smaller magnitude, in counts, is exactly zero.
    full_scale: the magnitude of the largest weight, in counts.
    """

    tag: ClassVar[str] = "counts"
    low: tuple[float, ...] = limits(-1e3, 1e3)
    high: tuple[float, ...] = limits(-1e3, 1e3)
    bound: float = limits(0.0, 1e4)
    zero_below: float = limits(0.0, 1e4)
    full_scale: float = limits(1.0, 1e5)


@dataclass(frozen=True, slots=True)
class Pcm:
    """Statistics of the PCM devices that hold one polarity of a weight.

    programming: noise of programming.
    drift_mean: mean of the drift exponent over devices.
    drift_spread: its standard deviation over devices.
    read_noise: strength q of the 1/f noise, as a share of the conductance.
    g_max_siemens: the largest conductance that is programmed, in S.
    t0_seconds: when after programming cells are read first.
    read_seconds: how long one read lasts, in the 1/f noise's formula.
    """

    pedigree: Pedigree
    programming: NoisePolynomial | CountPolynomial
    drift_mean: Curve
    drift_spread: Curve
    read_noise: Curve | PowerLaw
    g_max_siemens: float = limits(1e-9, 1.0)
    t0_seconds: float = limits(1e-6, 1e9)
    read_seconds: float = limits(1e-12, 1.0)


# Tables that a program's tiles, routes and conductances were made for: it runs on no other.
@dataclass(frozen=True, slots=True)
class ChipLink:
    """Links between chips, one lane for each core and direction; what the vector unit of one chip
    makes and another's cores take goes over them. One row a type, of which one is used.

    type: over a `board` or in one `package`, or `host`: everything goes through the host instead.
    board_gbit_per_s: of a lane.
    board_latency_ns: of each vector.
    board_bit_pj: energy of a bit.
    package_gbit_per_s: of a lane.
    package_latency_ns: of each vector.
    package_bit_pj: energy of a bit.
    """

    pedigree: Pedigree
    type: str = one_of("board", "package", "host")
    board_gbit_per_s: float = limits(1e-6, 1e6)
    board_latency_ns: float = limits(0, 1e9)
    board_bit_pj: float = limits(0, 1e9)
    package_gbit_per_s: float = limits(1e-6, 1e6)
    package_latency_ns: float = limits(0, 1e9)
    package_bit_pj: float = limits(0, 1e9)

    @property
    def byte_ns(self) -> float:
        """Time of one byte on a lane."""
        return 8 / (self.board_gbit_per_s if self.type == "board" else self.package_gbit_per_s)

    @property
    def latency_ns(self) -> float:
        """Of each vector."""
        return self.board_latency_ns if self.type == "board" else self.package_latency_ns

    @property
    def byte_pj(self) -> float:
        """Energy of one byte."""
        return 8 * (self.board_bit_pj if self.type == "board" else self.package_bit_pj)


@dataclass(frozen=True, slots=True)
class Gating:
    """Whether a chip is switched off while it has nothing to do; its cells keep their weights.

    idle_chips: `on`, or `off`.
    wake_ns: a chip draws power so long before its work; the schedule, known before, hides it.
    kept_share: of the power that a chip draws while it is off, 0 to 1.
    """

    pedigree: Pedigree
    idle_chips: str = one_of("on", "off")
    wake_ns: float = limits(0, 1e12)
    kept_share: float = limits(0, 1)


COMPILED_IN = (
    "name", "grid", "crossbar", "unit_cell", "statistics", "links",
    "pcm_odp", "pcm_tdp", "pcm_like", "pcm_count",
)  # fmt: skip
COMPILED_IN_KEYS = ("effects.current_limit",)


@dataclass(frozen=True, slots=True, repr=False)
class ChipSpec:
    """A chip, whole: the tables above under the names that its TOML uses.

    name: as users choose it.
    description: one sentence.
    hypothetical: whether no such chip was built.
    on_chip_bound: the vector unit by whose prices reports bound the digital part from below, where
        the chip has none.
    nominal: the tables that its laws changed, as its file gives them; see `scaling`.
    """

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
    input: InputConverter
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
    chip_link: ChipLink | None = None
    gating: Gating | None = None
    on_chip_bound: VectorUnit | None = None
    count_code: CountCode = _COUNTED
    gdpu: Gdpu | None = None
    gdpu_tanh: GdpuTanh | None = None
    clock: Clock | None = None
    area: Area | None = None
    endurance: Endurance | None = None
    measured: Measured | None = None
    laws: tuple[Law, ...] = ()
    nominal: tuple[tuple[str, Any], ...] = field(default=(), metadata={"in_file": False})

    def __repr__(self) -> str:
        size = f"{self.crossbar.rows}x{self.crossbar.columns}"
        return f"<ChipSpec {self.name}, {self.cores} cores of {size}>"

    @property
    def gate_unit(self) -> Gdpu | None:
        """The unit for LSTMs' gates, if the chip has one and no vector unit, which is for all."""
        gdpu = self.gdpu
        if gdpu is None or self.gdpu_tanh is None or self.vector_unit is not None:
            return None
        fits = gdpu.row <= self.grid.rows and gdpu.slices <= self.grid.columns
        return gdpu if fits else None

    @property
    def far_link(self) -> ChipLink | None:
        """What joins a vector unit and the cores of other chips, if it is not the host. Without
        vector units a result goes to the host even between layers of one chip."""
        link = self.chip_link
        used = link is not None and link.type != "host" and self.vector_unit is not None
        return link if used else None

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
