"""Which job of its operand each output of a window waits for, as a rule of rows."""

from functools import lru_cache
from math import gcd, prod

import numpy as np

from hermes_sim.runs import Run, Runs, TimesPs, patterned
from hermesrt.ops.tokens import Windowed
from hermesrt.ops.window import Window, last_inputs

_LONGEST = 2**14  # outputs of rows that are kept as one pattern
FEW = 2**9  # outputs that are listed sooner than their rule is found


def last_places(windowed: Windowed) -> Runs:
    """The last token that each output sees, in raster order; -1 where it sees none."""
    return _last_places(windowed.window, windowed.sizes, windowed.outputs)


@lru_cache(maxsize=256)
def _last_places(window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> Runs:
    """Rows repeat after as many as a transposed convolution has phases."""
    rows = window.spread[0] // gcd(window.spread[0], window.stride[0])
    if prod(outputs) <= FEW or rows * prod(outputs[1:]) > _LONGEST:
        return Runs.listed(last_inputs(window, sizes, outputs))
    pairs = enumerate(zip(sizes, outputs, strict=True))
    ends = [window.taken(dim, size, count).max(1) for dim, (size, count) in pairs]
    if any((end < 0).any() for end in ends):
        return Runs.listed(last_inputs(window, sizes, outputs))
    row = np.zeros(1, np.int64)
    for size, end in zip(sizes[1:], ends[1:], strict=True):
        row = (row[:, None] * size + end).reshape(-1)
    return _by_rows(ends[0], row, prod(sizes[1:]), rows)


def _by_rows(firsts: TimesPs, row: TimesPs, size: int, rows: int) -> Runs:
    """Rows of outputs that begin at rows of inputs, some rows after the other."""
    apart = firsts[rows:] - firsts[:-rows]
    changes = [*(np.flatnonzero(apart[1:] != apart[:-1]) + 1).tolist(), len(apart)]
    made: list[Run] = []
    start = 0
    for change in changes:
        stop = min(change + rows, len(firsts))
        if start >= stop:
            continue
        step = int(apart[start]) if start < len(apart) else 0
        begin = (firsts[start : start + rows, None] * size + row).reshape(-1)
        made.append(patterned(start * len(row), stop * len(row), begin, step * size))
        start = stop
    return Runs.joined(made)
