"""Every way that torch writes a recurrent layer with fixed weights, layer by layer.

`lstm`, `gru` and `rnn_*` hold any number of layers in one or two directions; the cells hold one
layer and one time step.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import UNKNOWN_TO_TORCH, Constant, Digital
from hermesc.ir.types import TensorType
from hermesrt.ops.call import Arg, Ref
from hermesrt.ops.recurrence import Kind
from hermesrt.ops.table import base_name

_KINDS: dict[str, Kind] = {
    "lstm": "lstm", "gru": "gru", "rnn_tanh": "rnn_tanh", "rnn_relu": "rnn_relu",
    "gru_reset_first": "gru_reset_first", "lstm_cells": "lstm",
}  # fmt: skip
_FLOATS = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer in one direction, as torch stores them.

    label: what the user calls it.
    kind: of its gates.
    from_x: [gates x hidden, inputs].
    from_h: [gates x hidden, outputs].
    biases: x's and h's, [gates x hidden] each; None for 0.
    projection: of h, [outputs, hidden]; None for none.
    reverse: whether it begins with the last time step.
    """

    label: str
    kind: Kind
    from_x: Tensor
    from_h: Tensor
    biases: tuple[Tensor, Tensor] | None
    projection: Tensor | None
    reverse: bool

    @property
    def outputs(self) -> int:
        """Width of h."""
        return self.from_h.shape[1]

    @property
    def hidden(self) -> int:
        """Width of the gates."""
        parts = {"lstm": 4, "gru": 3, "gru_reset_first": 3}.get(self.kind, 1)
        return self.from_h.shape[0] // parts

    @property
    def _first(self) -> int:
        """How many gates' rows a first product takes."""
        both = 2 * self.hidden
        return both if self.kind == "gru_reset_first" else self.from_h.shape[0]

    def matrix(self) -> Tensor:
        """[x and h, gates], as `hermesrt.ops.recurrence` has it."""
        if self.kind != "gru":
            whole = torch.cat((self.from_x, self.from_h), 1)
            return whole[: self._first].t().contiguous()
        x, h = self.from_x.t(), self.from_h.t()
        both, none = 2 * self.hidden, self.hidden
        upper = torch.cat((x, x.new_zeros(x.shape[0], none)), 1)
        lower = torch.cat((h[:, :both], h.new_zeros(h.shape[0], none), h[:, both:]), 1)
        return torch.cat((upper, lower)).contiguous()

    def bias(self) -> Tensor | None:
        """Of the matrix's columns."""
        if self.biases is None:
            return None
        x, h = self.biases
        if self.kind != "gru":
            return (x + h)[: self._first]
        both = 2 * self.hidden
        return torch.cat((x[:both] + h[:both], x[both:], h[both:]))

    def second(self) -> tuple[str, Tensor, Tensor | None] | None:
        """The second product of each time step, if there is one: what it makes, its matrix, and the
        bias of its columns."""
        if self.projection is not None:
            return "projection", self.projection.t().contiguous(), None
        if self.kind != "gru_reset_first":
            return None
        whole = torch.cat((self.from_x, self.from_h), 1)[self._first :]
        bias = None
        if self.biases is not None:
            bias = (self.biases[0] + self.biases[1])[self._first :]
        return "new", whole.t().contiguous(), bias


@dataclass(frozen=True, slots=True)
class RecurrentLayers:
    """An operation of layers.

    x: the name of its input, [batch, time, inputs], or time first.
    states: the names of the first h and c, [layers x directions, batch, ...].
    layers: by layer and direction.
    directions: one or two.
    batch_first: which of both dimensions comes first, in x and in all outputs.
    all_cells: whether its last result is c of every time step, [batch, time, hidden].
    """

    x: str
    states: tuple[str, ...]
    layers: tuple[Layer, ...]
    directions: int
    batch_first: bool
    all_cells: bool = False


@dataclass(frozen=True, slots=True)
class RecurrentCell:
    """An operation of one time step.

    x: the name of its input, [batch, inputs].
    states: the names of h and c before it, [batch, ...].
    weights: names of its constants, alike for the same layer.
    layer: its weights.
    """

    x: str
    states: tuple[str, ...]
    weights: tuple[str | None, ...]
    layer: Layer


class RecurrenceFinder:
    """Reads an operation as a recurrent layer with fixed weights, if it is one."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._types = {op.name: op.type for op in graph.ops}
        self._constants = {
            op.name: (op.weight, weights[op.weight]) for op in graph.ops if isinstance(op, Constant)
        }

    def layers(self, op: Digital) -> RecurrentLayers | None:
        """The operation as layers over the time steps of its input."""
        kind = _KINDS.get(base_name(op.call.op))
        args = op.call.args
        if op.call.op in UNKNOWN_TO_TORCH:
            args = (*args, 1, 0.0, False, False, True)
        if kind is None or not op.call.op.endswith(".input") or len(args) != 9:
            return None
        x, first, given, has_biases, count, _, _, both, batch_first = args
        states = _names(first if isinstance(first, tuple) else (first,))
        fixed = self._fixed(given if isinstance(given, tuple) else ())
        kept = isinstance(x, Ref) and self._is_real(x) and x.name not in self._constants
        if not kept or states is None or not fixed or not isinstance(count, int):
            return None
        assert isinstance(x, Ref)
        directions = 2 if both else 1
        each = len(fixed) // (count * directions)
        parts = [fixed[i : i + each] for i in range(0, len(fixed), each)]
        layers = tuple(
            _layer(kind, part, bool(has_biases), reverse=i % directions == 1)
            for i, part in enumerate(parts)
        )
        all_cells = base_name(op.call.op) == "lstm_cells"
        return RecurrentLayers(x.name, states, layers, directions, bool(batch_first), all_cells)

    def cell(self, op: Digital) -> RecurrentCell | None:
        """The operation as one time step."""
        base = base_name(op.call.op)
        kind = _KINDS.get(base.removesuffix("_cell"))
        if kind is None or not base.endswith("_cell") or len(op.call.args) < 4:
            return None
        x, before, *given = op.call.args
        states = _names(before if isinstance(before, tuple) else (before,))
        fixed = self._fixed([g for g in given if g is not None])
        if states is None or not isinstance(x, Ref) or not self._is_real(x) or not fixed:
            return None
        if len(fixed) not in (2, 4):
            return None
        names = tuple(g.name if isinstance(g, Ref) else None for g in given)
        layer = _layer(kind, fixed, has_biases=len(fixed) == 4, reverse=False)
        return RecurrentCell(x.name, states, names, layer)

    def _is_real(self, x: Ref) -> bool:
        kind = self._types[x.name]
        return isinstance(kind, TensorType) and kind.dtype in _FLOATS

    def _fixed(self, given: Sequence[Arg]) -> list[tuple[str, Tensor]]:
        """Names and values of weights; none where one of them is not fixed."""
        names = _names(given)
        if not names or not all(name in self._constants for name in names):
            return []
        return [self._constants[name] for name in names]


def _names(given: Sequence[Arg]) -> tuple[str, ...] | None:
    names = tuple(g.name for g in given if isinstance(g, Ref))
    return names if len(names) == len(given) else None


def _layer(
    kind: Kind, given: Sequence[tuple[str, Tensor]], has_biases: bool, *, reverse: bool
) -> Layer:
    (name, from_x), (_, from_h), *more = given
    biases = (more[0][1], more[1][1]) if has_biases else None
    rest = more[2:] if has_biases else more
    projection = rest[0][1] if rest else None
    label = _label(name)
    if reverse and not label.endswith("reverse"):
        label += "_reverse"
    return Layer(label, kind, from_x, from_h, biases, projection, reverse)


def _label(weight: str) -> str:
    """`lstm.l0` of `lstm.weight_ih_l0`, `cell` of `cell.weight_ih`."""
    name = weight.partition("~")[0]
    return re.sub(r"weight_ih_|\.?weight_ih$", "", name) or "recurrence"
