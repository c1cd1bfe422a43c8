"""Products over the positions of a window, in blocks of bounded memory.

The input of an output position is a vector: its taps in raster order, the channels of a tap beside
each other. Vectors are made for some output positions at a time. Positions whose window holds
nothing but padding need no product.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product as combinations
from math import prod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from hermesrt.native import build
from hermesrt.ops.window import Window, served
from hermesrt.ops.window_fields import held_window

BLOCK_ELEMENTS = 2**20  # of the unfolded vectors at once: 4 MB in FP32
Block = tuple[slice, ...]  # of images, and of outputs in each dimension
Product = Callable[[Float[Tensor, "vectors rows"], Int64[Tensor, " vectors"]], Tensor]


def result_shape(window: Window, shape: Sequence[int], columns: int) -> tuple[int, ...]:
    """The shape [..., columns, *outputs] that a window makes of [..., channels, *sizes]."""
    return (*shape[: -window.rank - 1], columns, *window.outputs(shape[-window.rank :]))


def convolve(window: Window, x: Tensor, columns: int, product: Product, idle: Tensor) -> Tensor:
    """`product(vectors, places)` at every position of the window, channels before positions.

    A vector's place counts the positions of its input in raster order, image after image, without
    those that see only padding, whose result is `idle` [columns].
    """
    flat = x.reshape(-1, *x.shape[-window.rank - 1 :])
    sizes = tuple(flat.shape[2:])
    masks = [torch.from_numpy(mask) for mask in served(window, sizes)]
    numbers = [mask.cumsum(0) - 1 for mask in masks]
    shape = result_shape(window, x.shape, columns)
    outputs = shape[-window.rank :]
    result = idle.new_empty(flat.shape[0], *outputs, columns)
    whole = all(bool(mask.all()) for mask in masks)
    if not whole:
        result[:] = idle
    unfold = Unfolding(window, flat)
    for block in _blocks((flat.shape[0], *outputs), window.taps * flat.shape[1]):
        vectors = unfold(block)
        places = torch.arange(flat.shape[0])[block[0]]
        for mask, number, part in zip(masks, numbers, block[1:], strict=True):
            places = places[..., None] * int(mask.sum()) + number[part]
        target = result[block]
        if whole:
            target[:] = product(vectors, places.reshape(-1)).view(target.shape)
            continue
        kept = torch.ones((), dtype=torch.bool)
        for mask, part in zip(masks, block[1:], strict=True):
            kept = kept[..., None] & mask[part]
        kept = kept.expand(places.shape).reshape(-1)
        if bool(kept.any()):
            places = places.reshape(-1)[kept]
            target[kept.view(target.shape[:-1])] = product(vectors[kept], places)
    return result.movedim(-1, 1).reshape(shape)


@cache
def function() -> Callable[..., None] | None:
    """That of `native/unfold.c`; None without."""
    pointer, source = ctypes.c_void_p, Path(build.__file__).with_name("unfold.c")
    types = (pointer, pointer, ctypes.c_int64, *[pointer] * 3)
    library = build.functions(source, {"hermes_unfold": types}, {})
    return None if library is None else library.hermes_unfold


class Unfolding:
    """The vectors of some images and outputs, in raster order: copied in C where that can be."""

    def __init__(self, window: Window, x: Float[Tensor, "images channels *sizes"]) -> None:
        self._window, self._x = window, x
        learns = x.requires_grad and torch.is_grad_enabled()
        lies_plain = x.is_cpu and not x.is_conj() and not x.is_neg()
        self._copy = function() if lies_plain and not learns else None
        if self._copy is not None:
            self._images = x.movedim(1, -1).contiguous()
            self._held = held_window(window, tuple(x.shape[2:]))

    def __call__(self, block: Block) -> Float[Tensor, "vectors rows"]:
        """Those of a block."""
        x, window = self._x, self._window
        if self._copy is None:
            return unfolded(window, x[block[0]], block[1:])
        parts = (block[0], *[slice(0, 1)] * self._held.more, *block[1:])
        ends = np.array([[p.start for p in parts], [p.stop for p in parts]], np.int64)
        count, start = prod((ends[1] - ends[0]).tolist()), ends.ctypes.data
        found = x.new_empty(count, window.taps * x.shape[1])
        width, end = x.shape[1] * x.itemsize, start + ends.nbytes // 2
        self._copy(self._held.address, self._images.data_ptr(), width, start, end, found.data_ptr())
        return found


def unfolded(
    window: Window, x: Float[Tensor, "images channels *sizes"], parts: Sequence[slice]
) -> Float[Tensor, "vectors rows"]:
    """The vectors of some outputs (a slice for each dimension) of all images, in raster order."""
    x = x.movedim(1, -1)
    for dim, part in enumerate(parts):
        x = _padded(window, x, dim, part)
    for dim in range(window.rank):
        x = x.unfold(dim + 1, window.reach(dim), window.stride[dim])
        x = x[..., :: window.dilation[dim]]
    order = (*range(window.rank + 1), *range(window.rank + 2, x.dim()), window.rank + 1)
    return x.permute(order).reshape(-1, window.taps * x.shape[window.rank + 1])


def sampled(window: Window, x: Tensor, places: Int64[Tensor, " vectors"]) -> Tensor:
    """The vectors at these places, which count as in `convolve`."""
    flat = x.reshape(-1, *x.shape[-window.rank - 1 :])
    if not len(places):
        return flat.new_zeros(0, window.taps * flat.shape[1])
    sizes = tuple(flat.shape[2:])
    rest, found = places, list[Tensor]()
    for dim, mask in reversed(list(enumerate(served(window, sizes)))):
        outputs = torch.from_numpy(mask.nonzero()[0])
        number, rest = rest % len(outputs), rest // len(outputs)
        taken = torch.from_numpy(window.taken(dim, sizes[dim], len(mask)))
        found.insert(0, taken[outputs[number]])
    seen = torch.ones((), dtype=torch.bool)
    index = []
    for dim, taken in enumerate(found):
        shape = [len(places), *(-1 if d == dim else 1 for d in range(window.rank))]
        index.append(taken.clamp(min=0).reshape(shape))
        seen = seen & (taken >= 0).reshape(shape)
    images = rest.reshape(-1, *[1] * window.rank)
    values = flat.movedim(1, -1)[(images, *index)] * seen[..., None]
    return values.reshape(len(places), -1)


def _padded(window: Window, x: Tensor, dim: int, part: slice) -> Tensor:
    """The positions of one dimension that some outputs see, padding written out."""
    start = part.start * window.stride[dim]
    stop = (part.stop - 1) * window.stride[dim] + window.reach(dim)
    places = window.sources(dim, x.shape[dim + 1], np.arange(start, stop, dtype=np.int64))
    if places[0] >= 0 and bool((np.diff(places) == 1).all()):
        return x.narrow(dim + 1, int(places[0]), len(places))
    found = x.index_select(dim + 1, torch.from_numpy(places.clip(min=0)))
    empty = torch.from_numpy(np.flatnonzero(places < 0))
    return found.index_fill_(dim + 1, empty, 0) if len(empty) else found


def _blocks(shape: Sequence[int], rows: int) -> Iterator[Block]:
    """Slices of images and outputs, each of at most so many vectors that memory is bounded."""
    fitting = max(1, BLOCK_ELEMENTS // rows)
    steps = []
    for i, size in enumerate(shape):
        inner = prod(shape[i + 1 :])
        steps.append(min(size, max(1, fitting // inner)))
    ranges = (range(0, size, step) for size, step in zip(shape, steps, strict=True))
    for starts in combinations(*ranges):
        ends = (min(a + s, n) for a, s, n in zip(starts, steps, shape, strict=True))
        yield tuple(slice(a, b) for a, b in zip(starts, ends, strict=True))
