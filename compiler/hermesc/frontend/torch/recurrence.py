"""Recurrent layers and cells while a model is captured: one operation, whose length stays symbolic.

Torch's own fake kernels of `lstm`, `gru` and `rnn_*` run over the example's time steps, and so fix
the length without a word; those of the cells compute every gate, which takes a loop over a thousand
of them minutes. For the while they are replaced by operations of ours, with the same arguments and
results and kernels that only say shapes; `expand.op_name` calls them by torch's names again. Packed
sequences stay as they are.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import _VF, Tensor

from hermesc.frontend.own_layers import NAMESPACE

_ONE_STATE = ("gru", "rnn_tanh", "rnn_relu")


@torch.library.custom_op(f"{NAMESPACE}::lstm", mutates_args=())
def _lstm(
    x: Tensor,
    hx: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    flags = (biases, layers, dropout, train, bidirectional, batch_first)
    y, h, c = torch.lstm(x, list(hx), list(weights), *flags)
    return y, h, c


@_lstm.register_fake
def _(x: Tensor, hx: Any, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
    y, h = _shaped(x, hx[0], bidirectional=others[5])
    return y, h, x.new_empty(hx[1].shape)


def _shaped(x: Tensor, h: Tensor, *, bidirectional: bool) -> tuple[Tensor, Tensor]:
    """Blank results of a layer on x, whose last states are like h."""
    y = x.new_empty((*x.shape[:2], h.shape[-1] * (2 if bidirectional else 1)))
    return y, x.new_empty(h.shape)


def _one_state(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    torchs_own = getattr(torch, name)

    def run(
        x: Tensor,
        hx: Tensor,
        weights: Sequence[Tensor],
        biases: bool,
        layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Tensor, Tensor]:
        flags = (biases, layers, dropout, train, bidirectional, batch_first)
        y, h = torchs_own(x, hx, weights, *flags)
        return y, h

    def blank(x: Tensor, hx: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
        return _shaped(x, hx, bidirectional=others[5])

    made = torch.library.custom_op(f"{NAMESPACE}::{name}", run, mutates_args=())
    made.register_fake(blank)
    return made


@torch.library.custom_op(f"{NAMESPACE}::lstm_cell", mutates_args=())
def _lstm_cell(
    x: Tensor,
    hx: Sequence[Tensor],
    from_x: Tensor,
    from_h: Tensor,
    x_bias: Tensor | None = None,
    h_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    h, c = torch.lstm_cell(x, list(hx), from_x, from_h, x_bias, h_bias)
    return h, c


@_lstm_cell.register_fake
def _(x: Tensor, hx: Any, *_: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(hx[0].shape), x.new_empty(hx[1].shape)


def _cell(name: str) -> Callable[..., Tensor]:
    torchs_own = getattr(torch, name)

    def run(
        x: Tensor,
        hx: Tensor,
        from_x: Tensor,
        from_h: Tensor,
        x_bias: Tensor | None = None,
        h_bias: Tensor | None = None,
    ) -> Tensor:
        h: Tensor = torchs_own(x, hx, from_x, from_h, x_bias, h_bias)
        return h

    made = torch.library.custom_op(f"{NAMESPACE}::{name}", run, mutates_args=())
    made.register_fake(lambda x, hx, *_: x.new_empty(hx.shape))
    return made


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "lstm": _lstm,
    **{name: _one_state(name) for name in _ONE_STATE},
}
_CELLS: dict[str, Callable[..., Any]] = {
    "lstm_cell": _lstm_cell,
    **{f"{name}_cell": _cell(f"{name}_cell") for name in _ONE_STATE},
}


@contextlib.contextmanager
def whole_recurrences() -> Iterator[None]:
    """Recurrent layers are captured as operations of ours for the while."""
    kept = {name: getattr(_VF, name) for name in (*_OPERATIONS, *_CELLS)}
    for name, cell in _CELLS.items():
        setattr(_VF, name, cell)
    for name, own in _OPERATIONS.items():
        setattr(_VF, name, _replacement(own, kept[name]))
    try:
        yield
    finally:
        for name, original in kept.items():
            setattr(_VF, name, original)


def _replacement(own: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        padded = isinstance(args[3], bool)  # a packed sequence has its weights there
        trains = padded and args[5] > 0 and args[6]  # with dropout
        return original(*args) if not padded or trains else own(*args)

    return call
