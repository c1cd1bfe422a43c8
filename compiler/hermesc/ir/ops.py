"""The graph's few operations. Each names its result; weights are named, not held."""

from dataclasses import dataclass

from hermesc.ir.types import TensorType, ValueType
from hermesrt.errors import Location
from hermesrt.ops.call import Call
from hermesrt.ops.window import Window


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the model; its first size is the batch."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter, a buffer or a folded value; `weight` is its name beside the graph."""

    name: str
    weight: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Digital:
    """One ATen operation; `origin` is the captured node that it comes from."""

    name: str
    call: Call
    type: ValueType
    origin: str
    location: Location


@dataclass(frozen=True, slots=True)
class Mvm:
    """y = scale * (x @ matrix) + bias, then ReLU where asked, over the last dimension of x.

    With a `window` x is [..., channels, *sizes] and y [..., columns, *outputs]: at each position
    the product is that of the window's taps in raster order, all channels of a tap together.
    `matrix` names a weight of shape [rows, columns]; `scale` and `bias` name weights of shape
    [columns] that the LDPU applies. `absorbed` are captured nodes that became scale, bias or ReLU.
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
            return (op.input,)
        case Input() | Constant():
            return ()


def weights_of(op: Op) -> tuple[str, ...]:
    """Names of the weights that an operation needs."""
    match op:
        case Constant():
            return (op.weight,)
        case Mvm():
            return tuple(w for w in (op.matrix, op.scale, op.bias) if w is not None)
        case Input() | Digital():
            return ()
