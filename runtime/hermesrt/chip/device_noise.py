"""How far devices are from their conductances when they are programmed and read: one function for
each equation.

The constants are the chip's `pcm_*` tables, with r = g / g_max of the devices.
Source: IBM aihwkit, inference/noise/hermes.py and pcm.py; IBM analog-foundation-models.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip import elementary
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.tables.devices import CountPolynomial, Curve, NoisePolynomial, Pcm, PowerLaw

_MICRO = 1e-6
SMALLEST_RATIO = 1e-7

Siemens = Float[Tensor, "*devices rows columns"]


def curve(c: Curve, r: Tensor, log_r: Tensor) -> Tensor:
    """A Curve's value: a clamped logarithm below its bound, a polynomial above."""
    logarithm = (log_r * c.log_slope).add_(c.log_offset).clamp_(c.low, c.high)
    return torch.where(r < c.below, logarithm, polynomial(c.polynomial, r))


def polynomial(coefficients: tuple[float, ...], r: Tensor) -> Tensor:
    """sum_i coefficients[i] r^i, by Horner's rule."""
    total = torch.full_like(r, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total.mul_(r).add_(coefficient)
    return total


def power(c: PowerLaw, r: Tensor) -> Tensor:
    """min(high, scale / max(r^exponent, floor)). Source: aihwkit PCMLikeNoiseModel."""
    return (c.scale / r.pow(c.exponent).clamp_(min=c.floor)).clamp_(max=c.high)


def read_noise(pcm: Pcm, g_drift: Siemens, g_prog: Siemens, logarithm: float) -> Siemens:
    """Standard deviation of 1/f noise: g q(r) sqrt(logarithm), of `flicker`'s logarithms one.

    Source: aihwkit HermesNoiseModel.apply_drift_noise_to_conductance. Departure: conductances that
    the noise of an MVM would make negative are not clipped, so that it is exactly Gaussian. r above
    1 is taken as 1.
    """
    r = (g_prog / pcm.g_max_siemens).clamp_(SMALLEST_RATIO, 1.0)
    match pcm.read_noise:
        case Curve():
            q = curve(pcm.read_noise, r, elementary.log(r))
        case PowerLaw():
            q = power(pcm.read_noise, r)
    return q.mul_(g_drift).mul_(math.sqrt(logarithm))


def logarithm(pcm: Pcm, age_s: float) -> float:
    """L(t0 + age): all 1/f noise since programming, in units of (g q)^2."""
    t = age_s + pcm.t0_seconds
    return math.log((t + pcm.read_seconds) / (2 * pcm.read_seconds))


def within(chip: ChipSpec) -> float:
    """The logarithm of the read noise that the published spread holds and reads add."""
    if not chip.effects.read_noise or chip.read_statistics.read_noise == "added":
        return 0.0
    split = chip.read_statistics.read_noise == "split"
    return chip.fast_noise.logarithm if split else logarithm(chip.pcm, 0.0)


def programming_deviation(
    noise: NoisePolynomial, g_max: float, g: Siemens, read: Siemens | None = None
) -> Siemens:
    """Standard deviation of a programmed device, S, before it is cut off at zero; less the
    deviation of `read`, in squares, where it is given."""
    sigma = polynomial(noise.microsiemens, g / g_max).mul_(_MICRO)
    if read is None:
        return sigma
    return elementary.root((sigma.square() - read.square()).clamp_(min=0))


def count_deviation(noise: CountPolynomial, size: Tensor) -> Tensor:
    """Standard deviation of a programmed weight of this magnitude, both in ADC counts."""
    return torch.where(
        size <= noise.bound, polynomial(noise.low, size), polynomial(noise.high, size)
    )
