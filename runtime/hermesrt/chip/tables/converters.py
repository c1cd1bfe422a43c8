"""What stands between codes and currents: input modulators, ADCs and LDPUs."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits, one_of


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
class OutputNoise:
    """White noise before the LDPU's output code, in steps of that code.

    output_steps: standard deviation, in steps.
    """

    pedigree: Pedigree
    output_steps: float = limits(0.0, 1000.0)
