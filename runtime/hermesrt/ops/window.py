"""A window that moves over an image, a sequence or a volume: which inputs each output sees.

All that a convolution and a pooling share: sizes, padding, the last input that an output waits for
and how many inputs have to be kept meanwhile. Positions are numbered in raster order, the last
dimension fastest. A window is a box, so each dimension can be looked at by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
PaddingMode = Literal["zeros", "circular", "reflect", "replicate"]
MOST_POSITIONS = 2**31  # of one image's outputs; more only burn memory
MOST_TAKEN = 2**26  # outputs x taps along one dimension
_LARGEST = 2**16


def _within(low: int, high: int) -> Any:
    return field(metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Window:
    """A window over the last dimensions of an input [..., channels, *sizes]. Each field but the
    mode has one number for each dimension.

    kernel: taps.
    stride: positions that it moves by.
    dilation: positions from one tap to the next.
    before: positions that the input is padded by in front; cut off where negative.
    after: the same at its end.
    spread: positions from one input to the next, zeros between: 1, or the stride of a transposed
        convolution.
    mode: what the padding holds.
    """

    kernel: tuple[int, ...] = _within(1, _LARGEST)
    stride: tuple[int, ...] = _within(1, _LARGEST)
    dilation: tuple[int, ...] = _within(1, _LARGEST)
    before: tuple[int, ...] = _within(-_LARGEST, _LARGEST)
    after: tuple[int, ...] = _within(-_LARGEST, _LARGEST)
    spread: tuple[int, ...] = _within(1, _LARGEST)
    mode: PaddingMode = "zeros"

    @property
    def rank(self) -> int:
        """Number of dimensions that it moves over."""
        return len(self.kernel)

    @property
    def taps(self) -> int:
        """Positions that it sees at once."""
        return prod(self.kernel)

    def fault(self) -> str | None:
        """What is wrong with it, if it comes from a file."""
        fields = (self.stride, self.dilation, self.before, self.after, self.spread)
        if not 1 <= self.rank <= 3:
            return "a window moves over one to three dimensions"
        if any(len(values) != self.rank for values in fields):
            return "a window has one number for each dimension"
        if self.mode != "zeros" and any(s != 1 for s in self.spread):
            return "only a window padded with zeros can have zeros between its inputs"
        return None

    def reach(self, dim: int) -> int:
        """Positions from its first tap to its last, both in."""
        return self.dilation[dim] * (self.kernel[dim] - 1) + 1

    def outputs(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Number of its positions in each dimension of an input of these sizes.

        Raises: ValueError where it does not fit, or there are too many.
        """
        found = []
        for dim, size in enumerate(sizes):
            padded = (size - 1) * self.spread[dim] + 1 + self.before[dim] + self.after[dim]
            found.append((padded - self.reach(dim)) // self.stride[dim] + 1)
        taken = max(n * taps for n, taps in zip(found, self.kernel, strict=True))
        if min(found) < 1 or prod(found) > MOST_POSITIONS or taken > MOST_TAKEN:
            raise ValueError(f"a window of {self.kernel} has {found} positions on sizes {sizes}")
        return tuple(found)

    def sources(self, dim: int, size: int, positions: Places) -> Places:
        """The input that lies at each padded position of a dimension; -1 where it is zero."""
        place = positions - self.before[dim]
        match self.mode:
            case "zeros":
                spread = self.spread[dim]
                inside = (place >= 0) & (place <= (size - 1) * spread) & (place % spread == 0)
                return np.where(inside, place // spread, -1)
            case "circular":
                return place % size
            case "replicate":
                return place.clip(0, size - 1)
            case "reflect":
                turn = max(2 * (size - 1), 1)
                place = abs(place) % turn
                return np.minimum(place, turn - place) if size > 1 else np.zeros_like(place)

    def taken(self, dim: int, size: int, count: int) -> Places:
        """The inputs of each tap, [outputs, taps], of a dimension; -1 where it is zero."""
        starts = np.arange(count, dtype=np.int64)[:, None] * self.stride[dim]
        taps = np.arange(self.kernel[dim], dtype=np.int64)[None] * self.dilation[dim]
        return self.sources(dim, size, starts + taps)


@lru_cache(maxsize=256)
def last_inputs(window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> Places:
    """The raster index of the last input that each output sees, -1 where it sees none."""
    return _ends(window, sizes, outputs, last=True)


@lru_cache(maxsize=256)
def served(window: Window, sizes: tuple[int, ...]) -> tuple[NDArray[np.bool_], ...]:
    """For each dimension the outputs that see an input; the others see only padding there."""
    pairs = enumerate(zip(sizes, window.outputs(sizes), strict=True))
    return tuple(np.any(window.taken(d, size, n) >= 0, axis=1) for d, (size, n) in pairs)


def served_count(window: Window, sizes: tuple[int, ...]) -> int:
    """Outputs of one input that see more than padding, and so cost an MVM."""
    return prod(int(mask.sum()) for mask in served(window, sizes))


def vector_count(window: Window | None, shape: tuple[int, ...]) -> int:
    """Vectors that an MVM takes from an input of this shape: along its last dimension, or at the
    positions of its window."""
    if window is None:
        return prod(shape[:-1])
    return prod(shape[: -window.rank - 1]) * served_count(window, shape[-window.rank :])


@lru_cache(maxsize=256)
def line_buffer(window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> int:
    """Inputs in raster order that must be kept at once: from the first that an output or a later
    one needs to the last that this one needs."""
    last, first = last_inputs(window, sizes, outputs), _ends(window, sizes, outputs, last=False)
    needed = np.where(last >= 0, first, prod(sizes))
    needed = np.minimum.accumulate(needed[::-1])[::-1]
    return int(np.where(last >= 0, last - needed + 1, 0).max(initial=0))


def _ends(
    window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...], *, last: bool
) -> Places:
    place: Places = np.zeros((), np.int64)
    seen = np.ones((), np.bool_)
    for dim, (size, count) in enumerate(zip(sizes, outputs, strict=True)):
        taken = window.taken(dim, size, count)
        end = taken.max(1) if last else np.where(taken >= 0, taken, size).min(1)
        place = place[..., None] * size + end
        seen = seen[..., None] & (taken >= 0).any(1)
    found: Places = np.where(seen, place, -1).reshape(-1)
    found.setflags(write=False)
    return found
