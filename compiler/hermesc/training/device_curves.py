"""What the chip's devices do to a weight, as curves of its size: mean error, spread, read variance.

To draw each device of each weight in every step, with its drift, costs more than the training
itself. A weight's error is the sum of its two polarities' errors, and close to normal; its mean and
deviation depend on the weight's size and the age alone. Both are taken from many drawn devices at
some sizes once, by the simulator's own functions, and fitted by polynomials, so that a step draws
one number for each weight. Ages are taken at some points of their logarithm.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermes_sim import pcm
from hermesc.training import device_kernel
from hermesrt.chip.device_noise import logarithm, polynomial, read_noise, within
from hermesrt.chip.spec import ChipSpec
from hermesrt.seeds import generator

_AGES = 12  # points of the age's logarithm
_SIZES, _DRAWS = 33, 1024
_DEGREES = (2, 3, 4)  # of mean, deviation and read variance
_CHUNK = 2**15  # elements of a temporary, so that all of them stay in the processor's cache
_Curve = NDArray[np.float64]
_TYPICAL = 1 / 3  # deviation of weights, in units of a column's largest


@dataclass(frozen=True, slots=True)
class DeviceCurves:
    """Polynomials of r, a weight's share of its column's largest; values in units of that.

    mean: of the error in the weight's own direction, the constant first.
    deviation: of the error.
    read_variance: of one read.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    read_variance: tuple[float, ...]


def ages(oldest_s: float) -> tuple[float, ...]:
    """The ages that a step may see, s: between a second and the oldest, their logarithms evenly
    spaced; programming alone where there is none."""
    if oldest_s <= 0:
        return (0.0,)
    return tuple(max(oldest_s, 1.0) ** (i / (_AGES - 1)) for i in range(_AGES))


@dataclass(frozen=True, slots=True)
class ChipCurves:
    """The curves of a chip's devices at some ages, in units of their largest conductance.

    chip: its description.
    """

    chip: ChipSpec
    _known: dict[tuple[float, float], DeviceCurves] = field(default_factory=dict)

    def at(self, age_s: float, g_max_siemens: float) -> DeviceCurves:
        """The curves of weights whose column's largest has a conductance of `g_max_siemens`."""
        k = round(g_max_siemens / self.chip.pcm.g_max_siemens, 2)
        if (age_s, k) not in self._known:
            self._known[age_s, k] = _curves(self.chip, age_s, max(k, 0.05))
        known, k = self._known[age_s, k], g_max_siemens / self.chip.pcm.g_max_siemens
        return DeviceCurves(
            tuple(c * k ** (i - 1) for i, c in enumerate(known.mean)),
            tuple(c * k ** (i - 1) for i, c in enumerate(known.deviation)),
            tuple(c * k ** (i - 2) for i, c in enumerate(known.read_variance)),
        )


def _curves(chip: ChipSpec, age_s: float, k: float) -> DeviceCurves:
    """At an age, the drift compensated by one factor that fits weights best that are normal with a
    third of the largest as deviation (assumed); `k` is the largest, of the devices' own."""
    stream, largest = generator(0, "device curves"), chip.pcm.g_max_siemens
    r = torch.linspace(0, 1, _SIZES)
    target = torch.zeros(2, _SIZES, _DRAWS)
    target[0] = (r * largest)[:, None]
    held = target
    if chip.effects.programming_noise:
        held = pcm.program(chip.pcm, target, stream, within(chip))
    share = r.double().numpy()
    likely = np.exp(-0.5 * (share / (_TYPICAL * k)) ** 2) + 0.02 * (share <= k + 0.05)
    if age_s > 0 and chip.effects.drift:
        nu = pcm.drift_exponent(chip.pcm, target, stream)
        aged = pcm.drift(chip.pcm, held, nu, age_s)
        young, old = held[0] - held[1], aged[0] - aged[1]
        both, own = ((old * g).mean(1).double().numpy() for g in (young, old))
        held = aged * float((likely * both).sum() / (likely * own).sum())
    error = (held[0] - held[1] - target[0]).div_(largest).double()
    reads = np.zeros_like(share)
    if chip.effects.read_noise:
        pair = torch.stack([r * largest, 0 * r])
        split = chip.read_statistics.read_noise == "split"
        spread = chip.fast_noise.logarithm if split else logarithm(chip.pcm, age_s)
        noise = read_noise(chip.pcm, pair, pair, spread).div_(largest)
        reads = noise.square_().sum(0).double().numpy()
    curves = (error.mean(1).numpy(), error.std(1).numpy(), reads)
    fits = zip(curves, _DEGREES, strict=True)
    return DeviceCurves(*(_fitted(share, values, likely, degree) for values, degree in fits))


def _fitted(r: _Curve, values: _Curve, likely: _Curve, degree: int) -> tuple[float, ...]:
    found = np.polynomial.Polynomial.fit(r, values, degree, w=np.sqrt(likely), domain=[0, 1])
    return tuple(float(c) for c in found.convert(domain=[-1, 1]).coef)


def draw_error(curves: DeviceCurves, weight: Tensor, largest: Tensor, normal: Tensor) -> Tensor:
    """The errors of weights, made of normal numbers in place."""
    unit = _unit(largest)
    if not device_kernel.errors(weight, unit, normal, curves.mean, curves.deviation):
        torch_error(curves, weight, unit, normal)
    return normal


def read_variances(curves: DeviceCurves, weight: Tensor, largest: Tensor) -> Tensor:
    """The variance of one read of each weight."""
    unit = _unit(largest)
    found = torch.empty(weight.shape, dtype=weight.dtype, device=weight.device)
    if not device_kernel.variances(weight, unit, found, curves.read_variance):
        torch_variances(curves, weight, unit, found)
    return found


def torch_error(curves: DeviceCurves, weight: Tensor, unit: Tensor, normal: Tensor) -> None:
    """Make normal numbers errors, in place; `unit` is what weights are shares of."""
    for part, own in _parts(weight, unit):
        share, drawn = weight[part] / own, normal[part]
        size = share.abs()
        drawn.mul_(polynomial(curves.deviation, size))
        drawn.add_(polynomial(curves.mean, size).mul_(share.sign_())).mul_(own)


def torch_variances(curves: DeviceCurves, weight: Tensor, unit: Tensor, found: Tensor) -> None:
    """Fill with the variance of one read of each weight."""
    for part, own in _parts(weight, unit):
        values = polynomial(curves.read_variance, weight[part].abs().div_(own))
        torch.mul(values.clamp_(min=0), own * own, out=found[part])


def _unit(largest: Tensor) -> Tensor:
    return largest.clamp(min=torch.finfo(largest.dtype).tiny)


def _parts(weight: Tensor, unit: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time, and what their weights are shares of."""
    small = weight.device.type == "cpu"
    rows = max(1, _CHUNK * len(weight) // max(1, weight.numel())) if small else len(weight)
    for start in range(0, len(weight), rows):
        part = slice(start, start + rows)
        yield part, unit[part] if unit.dim() and len(unit) > 1 else unit
