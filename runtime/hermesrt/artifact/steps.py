"""A program's inputs, and the steps in which it is served."""

from dataclasses import dataclass
from typing import Any, ClassVar

from hermesrt.chip.fields import limits
from hermesrt.errors import Location
from hermesrt.ops.call import Call, from_json, to_json
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.window import Window


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a program.

    name: of the model's argument.
    dims: its sizes, the batch first; a fixed one is a number, a free one a name.
    dtype: such as `float32`.
    """

    name: str
    dims: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class ConstantStep:
    """Brings a stored tensor in.

    name: of the result.
    tensor: the name of the stored tensor.
    """

    tag: ClassVar[str] = "constant"
    name: str
    tensor: str

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the results that it takes: none."""
        return ()


@dataclass(frozen=True, slots=True)
class HostStep:
    """One digital operation on the host: an allowed ATen function.

    name: of the result.
    op: the function and its overload.
    args: its arguments, as JSON.
    kwargs: its named arguments, as JSON.
    location: where it stands in the user's model.
    """

    tag: ClassVar[str] = "host"
    name: str
    op: str
    args: Any
    kwargs: Any
    location: Location

    @property
    def call(self) -> Call:
        """The operation with its arguments decoded."""
        args = tuple(from_json(a) for a in self.args)
        return Call(self.op, args, tuple((k, from_json(v)) for k, v in self.kwargs.items()))

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the results that it takes."""
        return self.call.refs()


def host_step(name: str, call: Call, location: Location) -> HostStep:
    """The step that makes a call."""
    args, kwargs = [to_json(a) for a in call.args], {k: to_json(v) for k, v in call.kwargs}
    return HostStep(name, call.op, args, kwargs, location)


@dataclass(frozen=True, slots=True)
class MvmStep:
    """y = scale * (x @ matrix) + bias, then ReLU, on crossbars and their LDPUs.

    name: of the result.
    input: the name of x, [..., rows], or [..., channels, *sizes] under a window, or
        [batch, time, inputs] of a recurrence.
    matrix: the name of the stored matrix, [rows, columns].
    scale: the name of a tensor, [columns]; None for 1.
    bias: the name of a tensor, [columns]; None for 0.
    relu: whether a ReLU follows.
    location: where it stands in the user's model.
    calibration: the name of some calibration inputs, [vectors, rows], in steps of a 127th of
        input_max.
    input_max: where inputs clip, in units of x.
    output_max: what the largest output code stands for, after row block i of a cascade,
        [stages].
    clipped_share: of the calibration inputs, 0 to 1.
    window: what it moves over x, if it does: at each position the rows are taps, the channels of a
        tap together, and the result is [..., columns, *outputs].
    recurrence: what makes the next vector of each product, if it runs time step by time step: the
        rows are those of x and of h, and the result is [batch, time, h].
    second: the product that follows in each time step, with what the gates made of the first; its
        input is called like the whole step.
    """

    tag: ClassVar[str] = "mvm"
    name: str
    input: str
    matrix: str
    scale: str | None
    bias: str | None
    relu: bool
    location: Location
    calibration: str
    input_max: float = limits(0.0, 3.5e38)
    output_max: tuple[float, ...] = limits(0.0, 3.5e38)
    clipped_share: float = limits(0.0, 1.0)
    window: Window | None = None
    recurrence: Recurrence | None = None
    second: "MvmStep | None" = None

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the results that it takes."""
        return (self.input, *(self.recurrence.states if self.recurrence else ()))

    @property
    def products(self) -> "tuple[MvmStep, ...]":
        """Itself, and its second product."""
        return (self,) if self.second is None else (self, self.second)


Step = ConstantStep | HostStep | MvmStep
