"""Recurrent layers as one product with [x, h] at each time step; `time_steps` runs them.

The rows of the matrix are those of x and then those of h. Its columns are the gates' sums: of an
LSTM input, forget, cell and output gate (for the chip's own gate unit interleaved, see
`Recurrence.unit`), of a GRU reset, update, and x's and h's part of the new state, which the reset
gate lies between. One matrix of four such parts is a quarter zeros, but takes one MVM where two
matrices of three would take two, and adds x's and h's part of two gates on the chip.

Two kinds take a second product in each time step, with what the gates made of the first: an LSTM
with a projection, whose h is that of o tanh(c); and a GRU whose reset gate comes before the product
(ONNX's default), whose first matrix has the columns of reset and update gate alone, and whose
second one has the rows of x and of the reset h, and the columns of the new state.
"""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["lstm", "gru", "gru_reset_first", "rnn_tanh", "rnn_relu"]
GATES = 4  # of an LSTM
_PARTS = {"lstm": 4, "gru": 4, "gru_reset_first": 2, "rnn_tanh": 1, "rnn_relu": 1}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """One layer of an LSTM, GRU or RNN in one direction, over the time steps of an input
    [batch, time, inputs]; its result is [batch, time, outputs], or with cells
    [batch, time, outputs + hidden].

    kind: which gates; `gru_reset_first` is a GRU whose reset gate comes before the product.
    states: names of the first h, [batch, outputs], and of an LSTM's first c, [batch, hidden].
    reverse: whether it begins with the last time step.
    cells: whether an LSTM's c lies behind h in the result; it is that of the step.
    projection: name of a weight, [hidden, outputs], that makes h on the host; None for none, or
        where that is the second product of each time step.
    unit: who makes the gates: the host, or the chip's gate unit, whose columns are the four gates
        of one hidden value beside each other: input, cell, forget, output.
    hidden: width of the gates.
    """

    kind: Kind
    states: tuple[str, ...]
    reverse: bool = False
    cells: bool = False
    projection: str | None = None
    unit: Literal["host", "gdpu"] = "host"
    hidden: int = field(default=1, metadata={"low": 1, "high": 2**24})

    @property
    def columns(self) -> int:
        """Of its matrix."""
        return self.hidden * _PARTS[self.kind]

    def width(self, outputs: int) -> int:
        """Of its result."""
        return outputs + self.hidden if self.cells else outputs

    def second_shape(self, rows: int, outputs: int) -> tuple[int, int]:
        """Rows and columns of the second product's matrix, beside a first one of so many rows."""
        return (self.hidden, outputs) if self.kind == "lstm" else (rows, self.hidden)

    def fault(self, *, second: bool = False) -> str | None:
        """What is wrong with it, if it comes from a file; `second` is whether each time step takes
        a second product."""
        lstm = self.kind == "lstm"
        if len(self.states) != (2 if lstm else 1):
            return "it has not the first states of its kind"
        if not lstm and (self.cells or self.projection is not None or self.unit != "host"):
            return "only an LSTM has cells, a projection or the chip's gate unit"
        if self.unit == "gdpu" and self.projection is not None:
            return "the chip's gate unit has no projection"
        has_second = second == (self.kind == "gru_reset_first")
        if not has_second and not (lstm and self.projection is None):
            return "a time step has not the products of its kind"
        return None


@dataclass(frozen=True, slots=True)
class GateWork:
    """What the gates take between one product of a vector and the next.

    elements: additions and products of two values.
    functions: sigmoid and tanh.
    macs: multiply-adds of a projection.
    """

    elements: int
    functions: int
    macs: int = 0


NO_GATES = GateWork(0, 0)


def gate_work(recurrence: Recurrence, outputs: int) -> GateWork:
    """What the gates of one vector take beside the chip's own unit, up to the second product where
    there is one."""
    hidden = recurrence.hidden
    if recurrence.unit == "gdpu":
        return NO_GATES
    match recurrence.kind:
        case "lstm":
            macs = hidden * outputs if recurrence.projection is not None else 0
            return GateWork(4 * hidden, 5 * hidden, macs)
        case "gru":
            return GateWork(5 * hidden, 3 * hidden)
        case "gru_reset_first":
            return GateWork(hidden, 2 * hidden)
        case "rnn_tanh":
            return GateWork(0, hidden)
        case "rnn_relu":
            return NO_GATES


def second_gate_work(recurrence: Recurrence) -> GateWork:
    """What the gates of one vector take behind the second product."""
    if recurrence.kind == "gru_reset_first":
        return GateWork(3 * recurrence.hidden, recurrence.hidden)
    return NO_GATES
