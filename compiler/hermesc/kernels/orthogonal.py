"""Orthogonal and structured projections, as dense matrices with a feature a column."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Projection = Float[Tensor, "inputs features"]


def orf(inputs: int, features: int, generator: torch.Generator, cut: float | None) -> Projection:
    """Blocks of orthogonal columns with the lengths of independent normal draws.

    With a cut, lengths are drawn again until no entry lies beyond it.
    Source: Yu et al. 2016, section 3.
    """
    directions = _stacked(lambda: orthogonal(inputs, generator), features)
    largest = directions.abs().amax(0)
    lengths = _lengths(inputs, features, generator)
    while cut is not None and bool((beyond := largest * lengths > cut).any()):
        lengths = torch.where(beyond, _lengths(inputs, features, generator), lengths)
    return directions * lengths


def sorf(inputs: int, features: int, generator: torch.Generator) -> Projection:
    """D1 H D2 H D3 H / p with random signs D, which meet an input first, and p the next power of
    two; the first `inputs` rows are kept. All columns have about the same length, so estimates are
    biased by an order of 1 / inputs. Source: Yu et al. 2016, section 4.
    """
    power = next_power_of_two(inputs)

    def block() -> Tensor:
        product = torch.eye(power, dtype=torch.float64)
        for _ in range(3):
            product = _signs(power, generator)[:, None] * (hadamard(power) @ product)
        return product[:inputs] / power

    return _stacked(block, features)


def fastfood(inputs: int, features: int, generator: torch.Generator) -> Projection:
    """B H P G H S: signs, a permutation, normal draws and the lengths of normal draws, padded to
    the next power of two. Each column alone is exactly normal. Source: Le, Sarlos and Smola 2013.
    """
    power = next_power_of_two(inputs)

    def block() -> Tensor:
        normal = torch.randn(power, generator=generator, dtype=torch.float64)
        order = torch.randperm(power, generator=generator)
        mixed = (_signs(power, generator)[:, None] * hadamard(power))[:, order] * normal
        unit = mixed @ hadamard(power) / (math.sqrt(power) * normal.norm())
        scaled: Tensor = unit * _lengths(power, power, generator)
        return scaled[:inputs]

    return _stacked(block, features)


def orthogonal(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """A uniformly distributed rotation or reflection.

    Source: Mezzadri 2007: the signs of R's diagonal make QR unique.
    """
    normal = torch.randn(size, size, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    found: Tensor = q * r.diagonal().sign()
    return found


def hadamard(power: int) -> Float[Tensor, "power power"]:
    """The Hadamard matrix of a power of two, with entries 1 and -1."""
    found = torch.ones(1, 1, dtype=torch.float64)
    while len(found) < power:
        found = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=found.dtype), found)
    return found


def next_power_of_two(size: int) -> int:
    """The smallest power of two that is not below `size`."""
    return 1 << (size - 1).bit_length()


def _stacked(block: Callable[[], Tensor], features: int) -> Projection:
    blocks = [block()]
    width = blocks[0].shape[1]
    blocks += [block() for _ in range(math.ceil(features / width) - 1)]
    return torch.cat(blocks, 1)[:, :features]


def _lengths(inputs: int, features: int, generator: torch.Generator) -> Float[Tensor, " features"]:
    normal = torch.randn(inputs, features, generator=generator, dtype=torch.float64)
    found: Tensor = torch.linalg.vector_norm(normal, dim=0)
    return found


def _signs(count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    return torch.randint(2, (count,), generator=generator).double() * 2 - 1
