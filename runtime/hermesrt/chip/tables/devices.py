"""Statistics of the PCM devices that hold a weight, as functions of the conductance."""

from dataclasses import dataclass
from typing import ClassVar

from hermesrt.chip.fields import Pedigree, limits


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
