"""Every way that torch writes a convolution with a fixed kernel, as one window over its input.

`conv1d` to `conv3d` with numbers or words as padding, `convolution`, and transposed convolutions,
which are convolutions of an input spread out with zeros and a flipped kernel. A padding operation
whose result nothing else needs is part of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Op
from hermesc.ir.types import TensorType
from hermesrt.ops.call import Arg, Ref, resolve
from hermesrt.ops.table import base_name
from hermesrt.ops.window import PaddingMode, Window

_PLAIN = ("conv1d", "conv2d", "conv3d", "convolution")
_TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
_FLOATS = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Convolution:
    """A window over an input with a fixed kernel.

    x: the name of its input.
    weight: the kernel's name beside the graph.
    kernel: [out channels, in channels of a group, *taps].
    window: how it moves over x.
    groups: of channels that do not see each other.
    bias: what is added, [out channels]; None for 0.
    pads: operations before it that became part of the window.
    """

    x: str
    weight: str
    kernel: Tensor
    window: Window
    groups: int
    bias: Tensor | None
    pads: tuple[Digital, ...] = ()

    @property
    def channels(self) -> int:
        """Input channels of all groups."""
        return self.groups * self.kernel.shape[1]


class ConvolutionFinder:
    """Reads an operation as a convolution with a fixed kernel, if it is one."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._ops: dict[str, Op] = {op.name: op for op in graph.ops}
        self._users = graph.users()
        self._constants = {
            op.name: (op.weight, weights[op.weight]) for op in graph.ops if isinstance(op, Constant)
        }

    def find(self, op: Digital) -> Convolution | None:
        """The operation's window, with the padding before it; None if it has no fixed kernel."""
        name, kind = base_name(op.call.op), op.type
        if name not in (*_PLAIN, *_TRANSPOSED) or not isinstance(kind, TensorType):
            return None
        given = _arguments(op)
        x, weight, bias = (given.get(k) for k in ("input", "weight", "bias"))
        if not isinstance(x, Ref) or not isinstance(weight, Ref) or kind.dtype not in _FLOATS:
            return None
        if weight.name not in self._constants or x.name in self._constants:
            return None
        stored, kernel = self._constants[weight.name]
        fixed = None
        if isinstance(bias, Ref):
            if bias.name not in self._constants:
                return None
            fixed = self._constants[bias.name][1]
        groups = given["groups"]
        spread = name in _TRANSPOSED or given.get("transposed") is True
        window = (_spread_out if spread else _moved)(given, tuple(kernel.shape[2:]))
        if window is None or not isinstance(groups, int):
            return None
        if spread:
            kernel = _flipped(kernel, groups)
        return self._padded(Convolution(x.name, stored, kernel, window, groups, fixed))

    def _padded(self, found: Convolution) -> Convolution:
        """With the padding operation before it in the window, where nothing else needs it."""
        window, pad = found.window, self._ops[found.x]
        if not isinstance(pad, Digital) or len(self._users[pad.name]) > 1:
            return found
        read = _padding(pad, window.rank)
        if read is None or any(s != 1 for s in window.spread) or window.mode != "zeros":
            return found
        source, before, after, mode = read
        if mode != "zeros" and any((*window.before, *window.after)):
            return found
        both = replace(
            window,
            before=tuple(a + b for a, b in zip(window.before, before, strict=True)),
            after=tuple(a + b for a, b in zip(window.after, after, strict=True)),
            mode=mode,
        )
        if both.fault() is not None:
            return found
        return replace(found, x=source, window=both, pads=(*found.pads, pad))


def _arguments(op: Digital) -> dict[str, Any]:
    """The arguments by the names in torch's schema, with its defaults."""
    schema = resolve(op.call.op)._schema  # type: ignore[union-attr]
    defaults = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    names = [a.name for a in schema.arguments]
    return defaults | dict(zip(names, op.call.args, strict=False)) | dict(op.call.kwargs)


def _moved(given: dict[str, Any], kernel: tuple[int, ...]) -> Window | None:
    stride, dilation = (_numbers(given[k], len(kernel)) for k in ("stride", "dilation"))
    if stride is None or dilation is None:
        return None
    once = (1,) * len(kernel)
    match given["padding"]:
        case "same":
            total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            before = tuple(t // 2 for t in total)
            after = tuple(t - b for t, b in zip(total, before, strict=True))
        case "valid":
            before = after = (0,) * len(kernel)
        case padding:
            found = _numbers(padding, len(kernel))
            if found is None:
                return None
            before = after = found
    return Window(kernel, stride, dilation, before, after, once)


def _spread_out(given: dict[str, Any], kernel: tuple[int, ...]) -> Window | None:
    """A transposed convolution: its stride becomes the distance between inputs."""
    rank = len(kernel)
    names = ("stride", "padding", "output_padding", "dilation")
    stride, padding, more, dilation = (_numbers(given[k], rank) for k in names)
    if stride is None or padding is None or more is None or dilation is None:
        return None
    lacking = zip(dilation, kernel, padding, strict=True)
    before = tuple(d * (k - 1) - p for d, k, p in lacking)
    after = tuple(b + m for b, m in zip(before, more, strict=True))
    return Window(kernel, (1,) * rank, dilation, before, after, stride)


def _flipped(kernel: Tensor, groups: int) -> Tensor:
    """[in, out of a group, *taps] of a transposed convolution as [out, in of a group, *taps]."""
    taps = list(range(3, kernel.dim() + 1))
    split = kernel.unflatten(0, (groups, -1))  # type: ignore[no-untyped-call]
    turned: Tensor = split.transpose(1, 2).flip(taps).flatten(0, 1)
    return turned


def _numbers(value: Any, rank: int) -> tuple[int, ...] | None:
    """One number for each dimension; torch takes a single one for all."""
    values = (value,) if isinstance(value, int) else value
    if not isinstance(values, Sequence) or not all(isinstance(v, int) for v in values):
        return None
    return tuple(values) * rank if len(values) == 1 else tuple(values)


_MODES = {"constant": "zeros", "circular": "circular", "reflect": "reflect"}
_NAMED_MODES: dict[str, PaddingMode] = {
    "constant_pad_nd": "zeros",
    **{f"reflection_pad{rank}d": "reflect" for rank in (1, 2, 3)},
    **{f"replication_pad{rank}d": "replicate" for rank in (1, 2, 3)},
}


def _padding(
    op: Digital, rank: int
) -> tuple[str, tuple[int, ...], tuple[int, ...], PaddingMode] | None:
    """What a padding operation pads, by how much before and after in each dimension, and how."""
    name = base_name(op.call.op)
    if name != "pad" and name not in _NAMED_MODES:
        return None
    given = _arguments(op)
    widths: Arg = given.get("pad", given.get("padding"))
    source, mode = op.call.args[0], _NAMED_MODES.get(name)
    if name == "pad":
        word = given.get("mode")
        mode = next((m for m in get_args(PaddingMode) if m == _MODES.get(str(word), word)), None)
    if mode is None or not isinstance(widths, tuple) or not isinstance(source, Ref):
        return None
    numbers = [w for w in widths if isinstance(w, int)]
    if len(numbers) < len(widths) or len(numbers) > 2 * rank or given.get("value"):
        return None
    numbers += [0] * (2 * rank - len(numbers))
    return source.name, tuple(numbers[-2::-2]), tuple(numbers[::-2]), mode
