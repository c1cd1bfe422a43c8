"""Phase-change devices: programming noise, drift, read noise. One function for each equation.

Conductances are in siemens; the constants are the chip's `pcm_*` tables, with r = g / g_max of the
devices. Two devices per polarity are modelled as one of twice the range, as their published fit is,
or each for itself (`hermes-msf`). Siemens are [devices, polarity, rows, columns].
Source: IBM aihwkit, inference/noise/hermes.py and pcm.py; IBM analog-foundation-models.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.spec import CountPolynomial, Curve, NoisePolynomial, Pcm, PowerLaw
from hermesrt.chip.stuck_devices import PolaritySiemens

_MICRO = 1e-6
_SMALLEST_RATIO = 1e-7

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


def program(
    pcm: Pcm, g_target: PolaritySiemens, generator: torch.Generator, within: float = 0.0
) -> PolaritySiemens:
    """What the chip's own programming leaves in the cells, by the table's equation.

    `within` is the logarithm (see `flicker`) of the read noise that the devices' published spread
    holds already, and that reads will add; it is taken out.
    """
    match pcm.programming:
        case NoisePolynomial():
            read = read_noise(pcm, g_target, g_target, within) if within else None
            return program_devices(pcm.programming, pcm.g_max_siemens, g_target, generator, read)
        case CountPolynomial():
            return program_weights(pcm.programming, pcm.g_max_siemens, g_target, generator)


def program_devices(
    noise: NoisePolynomial,
    g_max: float,
    g_target: PolaritySiemens,
    generator: torch.Generator,
    read: PolaritySiemens | None = None,
) -> PolaritySiemens:
    """g_prog = max(0, g_target + sigma(r) N) of each device, the zero devices too; less the
    deviation of `read`, in squares, where it is given.

    Source: aihwkit HermesNoiseModel and PCMLikeNoiseModel, apply_programming_noise_to_conductance.
    """
    sigma = polynomial(noise.microsiemens, g_target / g_max).mul_(_MICRO)
    if read is not None:
        sigma = (sigma.square() - read.square()).clamp_(min=0).sqrt_()
    return _normal(g_target, generator).mul_(sigma).add_(g_target).clamp_(min=0)


def program_weights(
    noise: CountPolynomial, g_max: float, g_target: PolaritySiemens, generator: torch.Generator
) -> PolaritySiemens:
    """w_prog = w + sigma(|w|) N of each weight g+ - g-, in ADC counts; the smallest become zero.
    What both polarities have in common, in cells with a stuck device, they keep.

    Source: IBM analog-foundation-models, apply_noise_model.py (weight errors of the 64-core chip).
    """
    count = g_max / noise.full_scale
    weight = (g_target[0] - g_target[1]) / count
    size = weight.abs()
    sigma = torch.where(
        size <= noise.bound, polynomial(noise.low, size), polynomial(noise.high, size)
    )
    written = weight + sigma * _normal(weight, generator)
    written = torch.where(size < noise.zero_below, 0.0, written) * count
    common = torch.minimum(g_target[0], g_target[1])
    return torch.stack([written.clamp(min=0), (-written).clamp(min=0)]).add_(common)


def max_set_fill(
    g_target: PolaritySiemens, g_prog: PolaritySiemens, g_set: float
) -> Float[Tensor, "devices polarity rows columns"]:
    """A polarity's conductance on two devices: one fully SET or RESET, the other takes the rest.

    Source: Vasilopoulos et al., IEEE TED 70, 6279 (2023), as in Le Gallo 2023, Ext. Data Fig. 5.
    """
    filled = torch.where(g_target > g_set, g_prog.clamp(max=g_set), 0.0)
    return torch.stack([filled, g_prog - filled])


def drift_exponent(pcm: Pcm, g: Siemens, generator: torch.Generator) -> Siemens:
    """nu = |mean(r) + spread(r) N|, drawn for each device at programming.

    Source: aihwkit HermesNoiseModel.generate_drift_coefficients.
    """
    r = (g / pcm.g_max_siemens).clamp_(_SMALLEST_RATIO, 1.0)
    log_r = r.log()
    normal = _normal(g, generator)
    spread = curve(pcm.drift_spread, r, log_r)
    return normal.mul_(spread).add_(curve(pcm.drift_mean, r, log_r)).abs_()


def drift(pcm: Pcm, g_prog: Siemens, nu: Siemens, age_s: float) -> Siemens:
    """g(t) = g_prog (t / t0)^-nu with t = age + t0. Source: aihwkit BaseNoiseModel."""
    if age_s == 0:
        return g_prog
    return (nu * -math.log((age_s + pcm.t0_seconds) / pcm.t0_seconds)).exp_().mul_(g_prog)


def read_noise(pcm: Pcm, g_drift: Siemens, g_prog: Siemens, logarithm: float) -> Siemens:
    """Standard deviation of 1/f noise: g q(r) sqrt(logarithm), of `flicker`'s logarithms one.

    Source: aihwkit HermesNoiseModel.apply_drift_noise_to_conductance. Departure: conductances that
    the noise of an MVM would make negative are not clipped, so that it is exactly Gaussian. r above
    1 is taken as 1.
    """
    r = (g_prog / pcm.g_max_siemens).clamp_(_SMALLEST_RATIO, 1.0)
    match pcm.read_noise:
        case Curve():
            q = curve(pcm.read_noise, r, r.log())
        case PowerLaw():
            q = power(pcm.read_noise, r)
    return q.mul_(g_drift).mul_(math.sqrt(logarithm))


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)
