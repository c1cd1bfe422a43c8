"""What the chip's own unit makes of an LSTM's sums: tanh from a table, FP16 inside, INT8 out.

Source: Le Gallo 2023, Methods (17 comparators and 18 bins of a straight line each; sigmoid(x) =
1/2 + tanh(x/2) / 2). Where the bins lie is not published: here the largest error of their number is
least, each chord shifted by half of what it is off.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.time_steps import States, lstm_gates

_LEVELS = 127  # of the unit's INT8 output, which is h in [-1, 1]
_REACH = 8.0  # tanh is 1 beyond it, in FP16
_FINE = 2**14


@lru_cache(maxsize=8)
def tanh_table(bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The inner bins' edges, and tanh there as the table has it, [bins - 1]; the outer bins are
    flat.

    The largest error of a chord over a width w is w^2 |f''| / 8, so equal errors ask for a density
    of edges like the root of |f''|.
    """
    x = np.linspace(-_REACH, _REACH, _FINE)
    y = np.tanh(x)
    density = np.sqrt(np.abs(2 * y * (1 - y**2)))
    share = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    edges = np.interp(np.linspace(0, 1, bins + 1)[1:-1], share / share[-1], x)
    values = np.tanh(edges)
    lowest = (values[0] - 1) / 2  # between tanh at its edge and -1, where it ends
    values[0], values[-1] = lowest, -lowest
    return edges, values


def table_tanh(x: Tensor, bins: int) -> Tensor:
    """tanh as the table gives it."""
    edges, values = (torch.from_numpy(a).to(x.device, x.dtype) for a in tanh_table(bins))
    place = torch.bucketize(x.contiguous(), edges[1:-1].contiguous())
    slopes = torch.diff(values) / torch.diff(edges)
    inside = values[place] + slopes[place] * (x - edges[place])
    return torch.clamp(inside, values[0], values[-1])


def gate_unit_states(
    recurrence: Recurrence, sums: Float[Tensor, "batch columns"], states: States, bins: int
) -> States:
    """The next h and c."""
    enter, forget, cell, out = lstm_gates(recurrence, sums)
    enter, forget, out = (_sigmoid(gate, bins) for gate in (enter, forget, out))
    c = _half(forget * states[1] + enter * _half(table_tanh(cell, bins)))
    h = out * _half(table_tanh(c, bins))
    return (h * _LEVELS).round().clamp(-_LEVELS, _LEVELS) / _LEVELS, c


def _sigmoid(x: Tensor, bins: int) -> Tensor:
    return _half(0.5 + 0.5 * table_tanh(x / 2, bins))


def _half(x: Tensor) -> Tensor:
    return x.half().to(x.dtype)
