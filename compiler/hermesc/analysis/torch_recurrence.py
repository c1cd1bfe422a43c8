"""A recurrent Mvm as torch's own operations, for layers that stay off the crossbars."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.types import Dim, TensorType, TupleType
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.time_steps import lstm_gates

_PARTS = ("from_x", "from_h", "x_bias", "h_bias", "projection")


def layer_in_torch(
    op: Mvm, recurrence: Recurrence, weights: Weights
) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
    """Operations with the Mvm's result under its name, and the weights that are new to them."""
    bias = None if op.bias is None else weights[op.bias]
    named = op.second.matrix if op.second else recurrence.projection
    projection = None if named is None else weights[named]
    found = torchs_weights(recurrence, weights[op.matrix], bias, projection)
    values = dict(zip(_PARTS, found, strict=False))
    stored = {f"{op.matrix}~{part}": value for part, value in values.items()}
    constants = [
        Constant(f"{op.name}.{part}", f"{op.matrix}~{part}", _fixed(op, value))
        for part, value in values.items()
    ]
    writer = _Writer(op)
    writer.write(recurrence, tuple(Ref(c.name) for c in constants), values["from_h"].shape[1])
    return (*constants, *writer.ops), stored


def with_host_projection(op: Mvm) -> Mvm:
    """An LSTM with its projection on the host."""
    assert op.second is not None
    assert op.recurrence is not None
    return replace(op, recurrence=replace(op.recurrence, projection=op.second.matrix), second=None)


def torchs_weights(
    recurrence: Recurrence, matrix: Tensor, bias: Tensor | None, projection: Tensor | None
) -> Iterator[Tensor]:
    """In torch's order: of x, of h, the biases of both, and the projection if there is one."""
    hidden, outputs = recurrence.hidden, recurrence.hidden
    bias = matrix.new_zeros(matrix.shape[1]) if bias is None else bias
    if recurrence.kind == "lstm":
        matrix, bias = (torch.cat(lstm_gates(recurrence, w), -1) for w in (matrix, bias))
    if projection is not None:
        outputs = projection.shape[1]
    rows, none = matrix.t(), torch.zeros_like(bias)
    x, h = rows[:, :-outputs], rows[:, -outputs:]
    if recurrence.kind == "gru":
        both = slice(0, 2 * hidden)
        x, h = x[: 3 * hidden], torch.cat((h[both], h[3 * hidden :]))
        bias, none = bias[: 3 * hidden], torch.cat((none[both], bias[3 * hidden :]))
    yield from (value.contiguous() for value in (x, h, bias, none))
    if projection is not None:
        yield projection.t().contiguous()


def _fixed(op: Mvm, value: Tensor) -> TensorType:
    return TensorType(tuple(value.shape), op.type.dtype)


class _Writer:
    """Writes the operations of one layer."""

    def __init__(self, op: Mvm) -> None:
        self._op = op
        self.ops: list[Digital] = []

    def write(self, recurrence: Recurrence, weights: tuple[Ref, ...], outputs: int) -> None:
        """All of them, the last one under the Mvm's name."""
        op, hidden = self._op, recurrence.hidden
        batch, time = op.type.dims[:2]
        x = op.input
        if recurrence.reverse:
            wide = ("inputs",)
            x = self._add("flipped", "aten.flip.default", (Ref(x), (1,)), (batch, time, *wide))
        firsts = []
        for i, name in enumerate(recurrence.states):
            dims = (1, batch, outputs if i == 0 else hidden)
            firsts.append(
                Ref(self._add(f"first{i}", "aten.unsqueeze.default", (Ref(name), 0), dims))
            )
        first: Arg = tuple(firsts) if recurrence.kind == "lstm" else firsts[0]
        flags = (True, 1, 0.0, False, False, True)
        call = Call(f"aten.{recurrence.kind}.input", (Ref(x), first, weights, *flags))
        y = self._typed((batch, time, outputs))
        last = [self._typed((1, batch, outputs)), self._typed((1, batch, hidden))]
        kind = TupleType((y, *last[: len(firsts)]))
        name = f"{op.name}.layer"
        self.ops.append(Digital(name, call, kind, op.origin, op.location))
        h = self._add("y", "size.getitem", (Ref(name), 0), y.dims)
        if recurrence.reverse:
            h = self._add("turned", "aten.flip.default", (Ref(h), (1,)), y.dims)
        if recurrence.cells:
            self._with_cells(name, h, last[1])
        done = self.ops[-1]
        self.ops[-1] = Digital(op.name, done.call, op.type, op.origin, op.location)

    def _with_cells(self, layer: str, h: str, kind: TensorType) -> None:
        """The last c beside every h: that of another step is never taken."""
        _, batch, hidden = kind.dims
        c = self._add("c", "size.getitem", (Ref(layer), 2), kind.dims)
        c = self._add("c_first", "aten.transpose.int", (Ref(c), 0, 1), (batch, 1, hidden))
        like = self._add(
            "like", "aten.slice.Tensor", (Ref(h), 2, 0, 1), (*self._op.type.dims[:2], 1)
        )
        none = self._add(
            "none", "aten.zeros_like.default", (Ref(like),), (*self._op.type.dims[:2], 1)
        )
        dims = (*self._op.type.dims[:2], hidden)
        c = self._add("c_all", "aten.add.Tensor", (Ref(c), Ref(none)), dims)
        joined = (Ref(h), Ref(c))
        self._add("joined", "aten.cat.default", (joined, 2), self._op.type.dims)

    def _typed(self, dims: tuple[Dim, ...]) -> TensorType:
        return TensorType(dims, self._op.type.dtype)

    def _add(self, suffix: str, name: str, args: tuple[Arg, ...], dims: tuple[Dim, ...]) -> str:
        op = self._op
        made = Digital(
            f"{op.name}.{suffix}", Call(name, args), self._typed(dims), op.origin, op.location
        )
        self.ops.append(made)
        return made.name
