"""Phase-change devices that are programmed, drift and are read. One function for each equation.

Compiled functions (`kernel/pcm.c`) do the same with the same bits, several times faster.
Conductances are in siemens; the constants are the chip's `pcm_*` tables, with r = g / g_max of the
devices. Two devices per polarity are modelled as one of twice the range, as their published fit is,
or each for itself (`hermes-msf`). Siemens are [devices, polarity, rows, columns].
Source: IBM aihwkit, inference/noise/hermes.py and pcm.py; IBM analog-foundation-models.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim.kernel import pcm as compiled
from hermesrt.chip import device_noise, elementary
from hermesrt.chip.device_noise import (
    SMALLEST_RATIO,
    count_deviation,
    curve,
    programming_deviation,
)
from hermesrt.chip.stuck_devices import PolaritySiemens
from hermesrt.chip.tables.devices import CountPolynomial, Curve, NoisePolynomial, Pcm

Siemens = Float[Tensor, "*devices rows columns"]


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
    normal, library = _normal(g_target, generator), compiled.fits(g_target, read)
    if library is not None:
        return compiled.programmed(library, noise.microsiemens, g_max, g_target, read, normal)
    sigma = programming_deviation(noise, g_max, g_target, read)
    return normal.mul_(sigma).add_(g_target).clamp_(min=0)


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
    written = weight + count_deviation(noise, size) * _normal(weight, generator)
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
    normal, library = _normal(g, generator), compiled.fits(g)
    mean, spread, most = pcm.drift_mean, pcm.drift_spread, pcm.g_max_siemens
    if library is not None:
        return compiled.exponents(library, mean, spread, most, g, normal)
    r = (g / most).clamp_(SMALLEST_RATIO, 1.0)
    log_r = elementary.log(r)
    return normal.mul_(curve(spread, r, log_r)).add_(curve(mean, r, log_r)).abs_()


def drift(pcm: Pcm, g_prog: Siemens, nu: Siemens, age_s: float) -> Siemens:
    """g(t) = g_prog (t / t0)^-nu with t = age + t0. Source: aihwkit BaseNoiseModel."""
    if age_s == 0:
        return g_prog
    power, library = -math.log((age_s + pcm.t0_seconds) / pcm.t0_seconds), compiled.fits(g_prog, nu)
    if library is not None:
        return compiled.drift(library, g_prog, nu, power)
    return elementary.exp(nu * power).mul_(g_prog)


def read_noise(pcm: Pcm, g_drift: Siemens, g_prog: Siemens, logarithm: float) -> Siemens:
    """See `device_noise.read_noise`."""
    strength, library = pcm.read_noise, compiled.fits(g_drift, g_prog)
    if library is None or not isinstance(strength, Curve):
        return device_noise.read_noise(pcm, g_drift, g_prog, logarithm)
    root = math.sqrt(logarithm)
    return compiled.read_noise(library, strength, pcm.g_max_siemens, root, g_drift, g_prog)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)
