"""Logarithms, exponentials and roots of FP32 numbers with the same bits everywhere.

Those of libraries differ in their last bits from processor to processor. These are one rounded
operation after the other, so that the simulator's compiled functions have the same bits.
Source: S. Moshier, Cephes, logf and expf.
"""

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
EXP = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
    5.0000001201e-1,
)  # fmt: skip
HIGH, LOW = 0.693359375, -2.12194440e-4  # of ln 2; the first has few bits
ROOT_HALF = 0x3F3504F3  # the bits of the root of a half
MOST = 87.0  # of an exponent, either way

Numbers = Float32[Tensor, "*places"]


def log(x: Numbers) -> Numbers:
    """Of positive numbers that are not denormal, within 2e-7 or the last two bits."""
    bits = x.view(torch.int32)
    power = (bits - ROOT_HALF) >> 23
    rest = (bits - (power << 23)).view(torch.float32).sub_(1.0)  # of a root of 1/2 to one of 2
    whole, square = power.float(), rest * rest
    found = _horner(LOG, rest).mul_(rest).mul_(square)
    found.add_(whole * LOW).sub_(square.mul_(0.5)).add_(rest)
    return found.add_(whole.mul_(HIGH))


def exp(x: Numbers) -> Numbers:
    """Within the last two bits; of numbers beyond 87 that of 87."""
    x = x.clamp(-MOST, MOST)
    whole = (x * 1.44269504).round_()
    rest = x.sub_(whole * HIGH).sub_(whole * LOW)
    found = _horner(EXP, rest).mul_(rest * rest).add_(rest).add_(1.0)
    return found.mul_(((whole.int() + 127) << 23).view(torch.float32))


def root(x: Numbers) -> Numbers:
    """Correctly rounded; those of torch on processors may be next to that."""
    return torch.from_numpy(np.sqrt(x.numpy())) if x.is_cpu else x.sqrt()


def _horner(coefficients: tuple[float, ...], x: Numbers) -> Numbers:
    total = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total.mul_(x).add_(coefficient)
    return total
