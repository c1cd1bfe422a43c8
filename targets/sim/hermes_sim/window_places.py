"""Which job of its operand each output of a window waits for, as a rule of rows."""

from functools import lru_cache
from itertools import pairwise

import numpy as np

from hermes_sim.runs import Run, Runs, TimesPs, patterned
from hermesrt.ops.tokens import Windowed
from hermesrt.ops.window import Window, last_inputs

_LONGEST = 2**14  # outputs of a row, or of all dimensions but the first, kept as one pattern


def last_places(windowed: Windowed) -> Runs:
    """The last token that each output sees, in raster order; -1 where it sees none."""
    return _last_places(windowed.window, windowed.sizes, windowed.outputs)


@lru_cache(maxsize=256)
def _last_places(window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> Runs:
    pairs = enumerate(zip(sizes, outputs, strict=True))
    ends = [window.taken(dim, size, count).max(1) for dim, (size, count) in pairs]
    inner = int(np.prod(outputs[1:]))
    if any((end < 0).any() for end in ends) or inner > _LONGEST:
        return Runs.listed(last_inputs(window, sizes, outputs))
    row = np.zeros(1, np.int64)
    for size, end in zip(sizes[1:], ends[1:], strict=True):
        row = (row[:, None] * size + end).reshape(-1)
    return _rows(ends[0], row, int(np.prod(sizes[1:])))


def _rows(firsts: TimesPs, row: TimesPs, size: int) -> Runs:
    """Rows of outputs, each beginning at its own row of inputs."""
    apart = np.diff(firsts)
    cuts = np.flatnonzero(apart[1:] != apart[:-1]) + 1
    made: list[Run] = []
    for start, stop in pairwise([0, *cuts.tolist(), len(firsts)]):
        step = int(apart[start]) if start < len(apart) else 0
        begin = row + int(firsts[start]) * size
        made.append(patterned(start * len(row), stop * len(row), begin, step * size))
    return Runs.joined(made)
