"""A recurrent Mvm one time step after the other in torch's operations, for layers that stay off the
crossbars and that torch has no single operation for: a GRU whose reset gate comes before the
product, and an LSTM whose c of every time step is taken. Cost: a dozen operations a time step, so
the number of these must be fixed.
"""

from collections.abc import Iterable, Sequence

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.types import Dim, TensorType
from hermesrt.errors import OptionError
from hermesrt.ops.call import Arg, Call, Ref

MOST_STEPS = 1024
_Stored = tuple[str, str | None]  # names of a matrix and of the bias of its columns


def has_no_operation(op: Mvm, others: Iterable[Op]) -> bool:
    """Whether torch has none for a recurrent Mvm whose result `others` take."""
    calls = (other.call for other in others if isinstance(other, Digital))
    recurrence = op.recurrence
    if recurrence is None or recurrence.kind == "gru_reset_first":
        return recurrence is not None
    return recurrence.cells and takes_every_cell(op.name, calls)


def takes_every_cell(name: str, calls: Iterable[Call]) -> bool:
    """Whether c of all time steps is taken from a layer's result, behind h, and not the last."""
    of_all = (c for c in calls if c.op == "aten.slice.Tensor" and c.args[0] == Ref(name))
    return any(call.args[2] for call in of_all)


def steps_in_torch(op: Mvm, weights: Weights) -> tuple[Op, ...]:
    """Operations with the Mvm's result under its name.

    Raises: OptionError where the number of time steps is free, or too large.
    """
    steps = op.type.dims[1]
    if not isinstance(steps, int) or steps > MOST_STEPS:
        raise OptionError(
            f"{op.location}: {op.label} must run on crossbars: torch has no such layer, and the "
            "host runs time steps one after the other only where they are of a fixed number, "
            f"{MOST_STEPS} at most, not {steps}; leave it out of partition.digital and in "
            "partition.scope, or fix the length"
        )
    writer = _Writer(op, weights)
    writer.write(steps)
    return tuple(writer.ops)


class _Writer:
    """Writes the operations of one layer."""

    def __init__(self, op: Mvm, weights: Weights) -> None:
        self._op, self._weights = op, weights
        assert op.recurrence is not None
        self._recurrence = op.recurrence
        self.ops: list[Op] = []

    def write(self, steps: int) -> None:
        """All of them, the last one under the Mvm's name."""
        op, recurrence = self._op, self._recurrence
        products = [self._stored(product) for product in op.products]
        states, found = [*recurrence.states], dict[int, str]()
        order = range(steps)
        for step in reversed(order) if recurrence.reverse else order:
            x = self._add("aten.select.int", (Ref(op.input), 1, step), "inputs")
            after = self._lstm if recurrence.kind == "lstm" else self._gru
            states = after(x, states, products)
            found[step] = states[0]
            if recurrence.cells:
                found[step] = self._add("aten.cat.default", (_refs(states), 1), "both")
        call = Call("aten.stack.default", (_refs([found[step] for step in order]), 1))
        self.ops.append(Digital(op.name, call, op.type, op.origin, op.location))

    def _lstm(self, x: str, states: Sequence[str], products: Sequence[_Stored]) -> list[str]:
        """The next h and c."""
        sums = self._product((x, states[0]), products[0])
        functions = ("sigmoid", "sigmoid", "tanh", "sigmoid")
        enter, forget, cell, out = (self._gate(sums, i, f) for i, f in enumerate(functions))
        kept = self._both("mul", forget, states[1])
        c = self._both("add", kept, self._both("mul", enter, cell))
        h = self._both("mul", out, self._one("tanh", c))
        return [self._product((h,), products[1]) if len(products) > 1 else h, c]

    def _gru(self, x: str, states: Sequence[str], products: Sequence[_Stored]) -> list[str]:
        """The next h, the reset gate before the second product."""
        h = states[0]
        sums = self._product((x, h), products[0])
        reset, update = (self._gate(sums, i, "sigmoid") for i in range(2))
        new = self._one("tanh", self._product((x, self._both("mul", reset, h)), products[1]))
        change = self._both("mul", update, self._both("sub", h, new))
        return [self._both("add", new, change)]

    def _product(self, parts: Sequence[str], stored: _Stored) -> str:
        matrix, bias = stored
        x = parts[0]
        if len(parts) > 1:
            x = self._add("aten.cat.default", (_refs(parts), 1), "rows")
        y = self._add("aten.matmul.default", (Ref(x), Ref(matrix)), "columns")
        return y if bias is None else self._both("add", y, bias)

    def _gate(self, sums: str, number: int, function: str) -> str:
        hidden = self._recurrence.hidden
        part = (Ref(sums), 1, number * hidden, (number + 1) * hidden)
        return self._one(function, self._add("aten.slice.Tensor", part, hidden))

    def _one(self, function: str, value: str) -> str:
        return self._add(f"aten.{function}.default", (Ref(value),), "hidden")

    def _both(self, function: str, a: str, b: str) -> str:
        return self._add(f"aten.{function}.Tensor", (Ref(a), Ref(b)), "hidden")

    def _stored(self, product: Mvm) -> _Stored:
        bias = None if product.bias is None else self._constant(product.bias)
        return self._constant(product.matrix), bias

    def _constant(self, weight: str) -> str:
        value, name = self._weights[weight], f"{self._op.name}.stored{len(self.ops)}"
        kind = TensorType(tuple(value.shape), self._op.type.dtype)
        self.ops.append(Constant(name, weight, kind))
        return name

    def _add(self, name: str, args: tuple[Arg, ...], width: Dim) -> str:
        op = self._op
        made = f"{op.name}.step{len(self.ops)}"
        kind = TensorType((op.type.dims[0], width), op.type.dtype)
        self.ops.append(Digital(made, Call(name, args), kind, op.origin, op.location))
        return made


def _refs(names: Sequence[str]) -> tuple[Ref, ...]:
    return tuple(Ref(name) for name in names)
