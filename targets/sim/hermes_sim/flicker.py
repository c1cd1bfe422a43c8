"""1/f noise of conductances in time: what is slow, what is fast, and how ages are correlated.

The noise of a read at time t after programming is that of all frequencies from 1/(t + t_read) to
1/(2 t_read): a variance of (g q)^2 L(t), L(t) = ln((t + t_read) / (2 t_read)). A chip holds most of
it still from one MVM to the next. `split` divides it: what is faster than the interval between MVMs
has the logarithm L_fast and is drawn for each MVM; what a device gathered until t0 is part of the
published programming spread, which was fitted on a first read; and what it gathers from t0 to an
age, G(age) = ln((t0 + age + t_read) / (t0 + t_read)), is drawn once. As a sum of independent bands
of frequency it is a Brownian motion W(G) in the logarithm of time, so two ages a < b are correlated
by sqrt(G(a) / G(b)). It is sampled at every half decade, with a bridge between; two ages within one
half decade share that bridge (assumed).
Source of L: aihwkit HermesNoiseModel.apply_drift_noise_to_conductance.
"""

import math

import torch
from torch import Tensor

from hermes_sim.kernel import pcm as compiled
from hermes_sim.noise import fill, stream
from hermesrt.chip.tables.devices import Pcm

STEP = math.log(10) / 2  # of G, between two samples of W


def growth(pcm: Pcm, age_s: float) -> float:
    """G(age): the slow noise since t0, in units of (g q)^2."""
    start = pcm.t0_seconds + pcm.read_seconds
    return math.log((start + age_s) / start)


def wander(out: Tensor, grown: float, seed: int, *name: str | int) -> Tensor:
    """Fill a contiguous tensor with W(G), a Brownian motion of variance G.

    Draw 2 k, the numbers (*name, 2 k) of `noise.fill`, is the step from sample k to k + 1, draw
    2 k + 1 the bridge between them; the same draws at another age give the same path.
    """
    numbers, weights = zip(*_draws(grown), strict=True)
    if compiled.weighted([stream(seed, *name, i) for i in numbers], weights, out):
        return out
    normal = torch.empty_like(out)
    out.zero_()
    for number, weight in zip(numbers, weights, strict=True):
        out.add_(fill(normal, seed, *name, number).mul_(weight))
    return out


def _draws(grown: float) -> list[tuple[int, float]]:
    """The draws that a path is made of until then, and their weights."""
    steps, rest = divmod(grown, STEP)
    whole, share = int(steps), rest / STEP
    passed = [(2 * k, math.sqrt(STEP)) for k in range(whole)]
    between = math.sqrt(STEP * share * (1 - share))
    return [*passed, (2 * whole, share * math.sqrt(STEP)), (2 * whole + 1, between)]


def interval_logarithm(interval_s: float, read_seconds: float) -> float:
    """Variance between MVMs some seconds apart, in units of (g q)^2: the band faster than that.

    L of the interval, ln((interval + t_read) / (2 t_read)).
    """
    return math.log((interval_s + read_seconds) / (2 * read_seconds))


def structure_logarithm(interval_s: float, pcm: Pcm, age_s: float) -> float:
    """Half of the mean squared difference of two reads some seconds apart, in units of (g q)^2.

    From the same spectrum, S(f) = 1/f from 1/(t + t_read) to 1/(2 t_read): the integral of
    (1 - cos 2 pi f interval) / f, which is Cin(pi interval / t_read) - Cin(2 pi interval /
    (t + t_read)) with Cin(x) = gamma + ln x - Ci(x).
    """
    t = age_s + pcm.t0_seconds + pcm.read_seconds
    high, low = math.pi * interval_s / pcm.read_seconds, 2 * math.pi * interval_s / t
    return _cin(high) - _cin(low)


def _cin(x: float) -> float:
    """The entire cosine integral, the integral of (1 - cos u) / u from 0 to x."""
    from scipy.special import sici

    return float(0.5772156649015329 + math.log(x) - sici(x)[1])
