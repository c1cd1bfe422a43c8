"""The graph's few operations. Each names its result; weights are named, not held."""

from dataclasses import dataclass

from hermesc.ir.types import TensorType, ValueType
from hermesrt.artifact.schema import Slice
from hermesrt.errors import Location
from hermesrt.ops.call import Call
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.window import Window

# Recurrent layers that torch has no operation for, of one layer and direction, called with torch's
# first four arguments; `recur` makes Mvms of them or refuses them. The first is a GRU whose reset
# gate comes before the product, the second an LSTM whose last result is c of every time step.
UNKNOWN_TO_TORCH = ("hermesc.gru_reset_first.input", "hermesc.lstm_cells.input")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the model.

    name: of the argument.
    type: its sizes, the batch first.
    """

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter, a buffer or a folded value.

    name: of the result.
    weight: its name among the weights beside the graph.
    type: of the value.
    """

    name: str
    weight: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Digital:
    """One ATen operation.

    name: of the result.
    call: the operation and its arguments.
    type: of the result.
    origin: the captured node that it comes from.
    location: where it stands in the user's model.
    """

    name: str
    call: Call
    type: ValueType
    origin: str
    location: Location


@dataclass(frozen=True, slots=True)
class Mvm:
    """y = scale * (x @ matrix) + bias, then ReLU where asked, over the last dimension of x.

    name: of y.
    input: the name of x, [..., rows], or [..., channels, *sizes] under a window, or
        [batch, time, inputs] of a recurrence.
    matrix: the name of a weight, [rows, columns].
    type: of y.
    origin: the captured node that it comes from.
    location: where it stands in the user's model.
    label: what the user calls the layer.
    scale: the name of a weight, [columns], that the LDPU multiplies by; None for 1.
    bias: the name of a weight, [columns], that the LDPU adds; None for 0.
    relu: whether a ReLU follows.
    absorbed: captured nodes that became scale, bias or ReLU.
    window: what it moves over x, if it does: at each position the rows are the taps in raster
        order,
        all channels of a tap together, and y is [..., columns, *outputs].
    recurrence: what makes the next vector of each product, if it runs time step by time step: the
        rows are those of x and of h, and y is [batch, time, h].
    slice: which part of the layer's weight the matrix is, where that is spread over several.
    second: the product that follows in each time step of a recurrence, with what the gates made of
        the first; its input is called like this one.
    """

    name: str
    input: str
    matrix: str
    type: TensorType
    origin: str
    location: Location
    label: str = ""
    scale: str | None = None
    bias: str | None = None
    relu: bool = False
    absorbed: tuple[str, ...] = ()
    window: Window | None = None
    recurrence: Recurrence | None = None
    slice: Slice | None = None
    second: "Mvm | None" = None

    @property
    def products(self) -> "tuple[Mvm, ...]":
        """Itself, and its second product."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def channel_dim(self) -> int:
        """The dimension of x and y that holds channels, counted from the end."""
        return -1 if self.window is None else -1 - self.window.rank


Op = Input | Constant | Digital | Mvm


def takes(op: Op) -> tuple[str, ...]:
    """Names of the results that an operation takes."""
    match op:
        case Digital():
            return op.call.refs()
        case Mvm():
            return (op.input, *(op.recurrence.states if op.recurrence else ()))
        case Input() | Constant():
            return ()


def weights_of(op: Op) -> tuple[str, ...]:
    """Names of the weights that an operation needs."""
    match op:
        case Constant():
            return (op.weight,)
        case Mvm():
            projection = op.recurrence.projection if op.recurrence else None
            second = weights_of(op.second) if op.second else ()
            named = (op.matrix, op.scale, op.bias, projection, *second)
            return tuple(w for w in named if w is not None)
        case Input() | Digital():
            return ()
