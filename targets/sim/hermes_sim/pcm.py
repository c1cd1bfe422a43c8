"""Phase-change devices: programming noise, drift, read noise. One function for each equation.

Conductances are in siemens; the constants are the chip's `pcm_*` tables, with r = g / g_max of the
devices. Two devices per polarity are modelled as one of twice the range, as their published fit is.
Source: IBM aihwkit, inference/noise/hermes.py (fitted on the 64-core chip of Le Gallo 2023).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.target.spec import Curve, Pcm

_MICRO = 1e-6
_SMALLEST_RATIO = 1e-7

Cells = Float[Tensor, "*cores rows columns"]


def curve(c: Curve, r: Tensor) -> Tensor:
    """A Curve's value: a clamped logarithm below its bound, a polynomial above."""
    r = r.clamp(min=_SMALLEST_RATIO)
    logarithm = (c.log_slope * r.log() + c.log_offset).clamp(c.low, c.high)
    return torch.where(r < c.below, logarithm, polynomial(c.polynomial, r))


def polynomial(coefficients: tuple[float, ...], r: Tensor) -> Tensor:
    """sum_i coefficients[i] r^i, by Horner's rule."""
    total = torch.full_like(r, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * r + coefficient
    return total


def program(pcm: Pcm, g_target: Cells, generator: torch.Generator) -> Cells:
    """g_prog = max(0, g_target + sigma(r) N), the zero devices too.

    Source: aihwkit HermesNoiseModel.apply_programming_noise_to_conductance.
    """
    sigma = polynomial(pcm.programming_microsiemens, g_target / pcm.g_max_siemens) * _MICRO
    return (g_target + sigma * _normal(g_target, generator)).clamp(min=0)


def drift_exponent(pcm: Pcm, g_target: Cells, generator: torch.Generator) -> Cells:
    """nu = |mean(r) + spread(r) N|, drawn for each device at programming.

    Source: aihwkit HermesNoiseModel.generate_drift_coefficients.
    """
    r = g_target / pcm.g_max_siemens
    normal = _normal(g_target, generator)
    return (curve(pcm.drift_mean, r) + curve(pcm.drift_spread, r) * normal).abs()


def drift(pcm: Pcm, g_prog: Cells, nu: Cells, age_s: float) -> Cells:
    """g(t) = g_prog (t / t0)^-nu with t = age + t0. Source: aihwkit BaseNoiseModel."""
    return g_prog * torch.pow((age_s + pcm.t0_seconds) / pcm.t0_seconds, -nu)


def read_noise(pcm: Pcm, g_drift: Cells, g_prog: Cells, age_s: float) -> Cells:
    """Standard deviation of a read: g q(r) sqrt(ln((t + t_read) / (2 t_read))), t = age + t0.

    Source: aihwkit HermesNoiseModel.apply_drift_noise_to_conductance. Departure: conductances that
    the noise would make negative are not clipped, so that the noise of an MVM is exactly Gaussian.
    """
    t = age_s + pcm.t0_seconds
    growth = torch.log(torch.tensor((t + pcm.read_seconds) / (2 * pcm.read_seconds))).sqrt()
    return g_drift * curve(pcm.read_noise, g_prog / pcm.g_max_siemens) * growth


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)
