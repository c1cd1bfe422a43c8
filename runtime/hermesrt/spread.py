"""How a figure differs from chip to chip: mean, deviation, where one more chip lies, the worst.

The interval is that of a fresh draw (a prediction interval): of draws from a normal distribution it
holds one more with the stated probability. What a test set of so many samples leaves open is
another matter, and kept apart (Wilson's interval of a share).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_FEW = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157,
)  # fmt: skip
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over several chips.

    count: how many chips.
    mean: over them.
    deviation: standard deviation over them, unbiased; NaN of one.
    interval: that holds one more chip with a probability of 95 %; NaN of one.
    mean_interval: that holds the mean of all chips with 95 %; NaN of one.
    worst: the worst chip's.
    worst_seed: its seed.
    """

    count: int
    mean: float
    deviation: float
    interval: Interval
    mean_interval: Interval
    worst: float
    worst_seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "mean": self.mean,
            "deviation": self.deviation,
            "interval": list(self.interval),
            "mean_interval": list(self.mean_interval),
            "worst": self.worst,
            "worst_seed": self.worst_seed,
        }


def spread_of(
    values: Sequence[float],
    seeds: Sequence[int],
    *,
    worst: Literal["least", "largest"],
    bounds: Interval = (-math.inf, math.inf),
) -> Spread:
    """The spread of a figure of one chip a seed.

    worst: whether the least or the largest value is the worst.
    bounds: that no value can pass, such as 0 and 1 for a share; intervals end there.
    """
    count = len(values)
    mean = math.fsum(values) / count
    squares = math.fsum((v - mean) ** 2 for v in values)
    deviation = math.sqrt(squares / (count - 1)) if count > 1 else math.nan
    reach = student(count - 1) * deviation if count > 1 else math.nan
    pick = min if worst == "least" else max
    value, seed = pick(zip(values, seeds, strict=True), key=lambda pair: pair[0])
    return Spread(
        count=count,
        mean=mean,
        deviation=deviation,
        interval=_around(mean, reach * math.sqrt(1 + 1 / count), bounds),
        mean_interval=_around(mean, reach / math.sqrt(count), bounds),
        worst=value,
        worst_seed=seed,
    )


def student(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t, to five digits.

    Source: tables up to 9 degrees of freedom; Abramowitz and Stegun, 26.7.5, beyond.
    """
    if freedom <= len(_FEW):
        return _FEW[freedom - 1]
    z, n = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )


def share_interval(share: float, samples: int) -> Interval:
    """What a test set of so many samples leaves open of a share, with 95 %. Source: Wilson 1927."""
    weight = _Z**2 / samples
    centre = (share + weight / 2) / (1 + weight)
    reach = math.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _around(centre: float, reach: float, bounds: Interval) -> Interval:
    if math.isnan(reach):
        return math.nan, math.nan
    return max(bounds[0], centre - reach), min(bounds[1], centre + reach)
