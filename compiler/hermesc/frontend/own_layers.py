"""Recurrent layers that torch has no operation for, as operations that a graph holds whole.

Each is one layer in one direction, batch first, with torch's order of gates and weights: of x, of
h, and both biases where there are some. `hermesc.ir.ops.UNKNOWN_TO_TORCH` names them in our graph.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

NAMESPACE = "hermesc_capture"


@torch.library.custom_op(f"{NAMESPACE}::lstm_cells", mutates_args=())
def lstm_cells(
    x: Tensor, hx: Sequence[Tensor], weights: Sequence[Tensor], biases: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM that tells its c of every time step: all h, the last h, and all c."""
    states, found = list(hx), []
    for step in torch.split(x, 1, 1):
        y, *states = torch.lstm(step, states, list(weights), biases, 1, 0.0, False, False, True)
        found.append((y, states[1].transpose(0, 1)))
    outputs, cells = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    return outputs, states[0].clone(), cells


@lstm_cells.register_fake
def _(x: Tensor, hx: Any, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    y, h = _blank(x, hx[0])
    return y, h, x.new_empty((*x.shape[:2], hx[1].shape[-1]))


@torch.library.custom_op(f"{NAMESPACE}::gru_reset_first", mutates_args=())
def gru_reset_first(
    x: Tensor, hx: Tensor, weights: Sequence[Tensor], biases: bool
) -> tuple[Tensor, Tensor]:
    """A GRU whose reset gate comes before the product: all h, and the last h."""
    from_x, from_h, *both = weights
    h, found, gates = hx[0], [], 2 * from_h.shape[1]
    of_x = x @ from_x.t() + (both[0] + both[1] if biases else 0.0)
    for sums in of_x.unbind(1):
        reset, update = (sums[:, :gates] + h @ from_h[:gates].t()).sigmoid().chunk(2, 1)
        new = (sums[:, gates:] + (reset * h) @ from_h[gates:].t()).tanh()
        h = new + update * (h - new)
        found.append(h)
    return torch.stack(found, 1), h[None].clone()


@gru_reset_first.register_fake
def _(x: Tensor, hx: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return _blank(x, hx)


def _blank(x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty((*x.shape[:2], h.shape[-1])), x.new_empty(h.shape)
