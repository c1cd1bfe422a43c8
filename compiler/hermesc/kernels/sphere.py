"""Spherical structured features: well-spread points on the sphere, from rows of a Fourier matrix.

Source: Lyu 2017, "Spherical structured feature maps for kernel approximation". The rows are chosen
by coordinate descent on the discrete Riesz energy. Departures: the points lie on a torus in the
sphere, so they come in blocks, each with its own random rotation (estimates are then unbiased, and
converge); the radii are stratified quantiles of the length of a normal vector, in random order.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hermesc.kernels.orthogonal import orthogonal

_CANDIDATES = 64
_SWEEPS = 2
_BLOCK = 4  # points of a block for each input


def ssf(
    inputs: int, features: int, generator: torch.Generator, gamma_quantile: Callable[..., Any]
) -> Float[Tensor, "inputs features"]:
    """Rotated points with normal lengths; an odd number of inputs is padded by one."""
    size = inputs + inputs % 2
    points = _points(size, generator)
    count = math.ceil(features / points.shape[1])
    directions = torch.cat([orthogonal(size, generator) @ points for _ in range(count)], 1)
    uniform = torch.rand(features, generator=generator, dtype=torch.float64)
    steps = (torch.randperm(features, generator=generator) + uniform) / features
    squares = 2 * torch.from_numpy(gamma_quantile(size / 2, steps.numpy()))
    found: Tensor = directions[:inputs, :features] * squares.sqrt()
    return found


def _points(size: int, generator: torch.Generator) -> Float[Tensor, "size points"]:
    """One block: unit vectors from `size / 2` rows of a Fourier matrix, real and imaginary."""
    half = _BLOCK * size // 2
    rows = _spread_rows(size // 2, half, generator)
    angle = 2 * math.pi * _multiples(rows, half).double() / half
    upper = torch.cat([angle.cos(), -angle.sin()], 1)
    return torch.cat([upper, torch.cat([angle.sin(), angle.cos()], 1)]) / math.sqrt(size // 2)


def _spread_rows(count: int, points: int, generator: torch.Generator) -> Int[Tensor, " count"]:
    """Different rows of the Fourier matrix, without the constant one, of low Riesz energy."""
    rows = 1 + torch.randperm(points - 1, generator=generator)[:count]
    cosine = (2 * math.pi * torch.arange(points, dtype=torch.float64) / points).cos()
    sine = (2 * math.pi * torch.arange(points, dtype=torch.float64) / points).sin()
    for place in list(range(count)) * _SWEEPS:
        others = torch.cat([rows[:place], rows[place + 1 :]])
        offered = 1 + torch.randperm(points - 1, generator=generator)[:_CANDIDATES]
        offered = torch.cat([rows[place : place + 1], offered[~torch.isin(offered, others)]])
        fixed, moved = _multiples(others, points), _multiples(offered, points)
        energies = _energy(
            (cosine[fixed].sum(0) + cosine[moved]) / count,
            (sine[fixed].sum(0) + sine[moved]) / count,
        )
        rows[place] = offered[energies.argmin()]
    return rows


def _energy(same: Tensor, other: Tensor) -> Tensor:
    """The sum of inverse squared distances of one point to all others, from their products: those
    of the same half of the points and those of the other half."""
    own = 1 / (1 - same[:, 1:]).clamp(min=1e-12)
    return own.sum(1) + (1 / (1 - other).clamp(min=1e-12)).sum(1)


def _multiples(rows: Int[Tensor, " rows"], points: int) -> Int[Tensor, "rows points"]:
    return rows[:, None] * torch.arange(points) % points
