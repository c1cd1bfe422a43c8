"""An Mvm as torch's own operations, for layers that stay off the crossbars."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from hermesc.analysis.torch_recurrence import layer_in_torch
from hermesc.ir.graph import Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.types import TensorType
from hermesrt.ops.call import Call, Ref
from hermesrt.ops.window import Window


def in_torch(op: Mvm, weights: Weights) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
    """Operations with the Mvm's result under its name, and the weights that are new to them."""
    matrix = weights[op.matrix]
    if op.recurrence is not None:
        return layer_in_torch(op, op.recurrence, weights)
    if op.window is None:
        constant = Constant(f"{op.name}.matrix", op.matrix, _type(op, matrix))
        call = Call("aten.matmul.default", (Ref(op.input), Ref(constant.name)))
        return (constant, Digital(op.name, call, op.type, op.origin, op.location)), {}
    kernel, name = kernel_of(op.window, matrix), f"{op.matrix}~kernel"
    constant = Constant(f"{op.name}.kernel", name, _type(op, kernel))
    return (constant, *_convolution(op, op.window, constant)), {name: kernel}


def _type(op: Mvm, weight: Tensor) -> TensorType:
    return TensorType(tuple(weight.shape), op.type.dtype)


def kernel_of(window: Window, matrix: Tensor) -> Tensor:
    """The matrix as torch's kernel: [out, in, *taps], or [in, out, *taps] of a transposed one."""
    kernel = matrix.reshape(*window.kernel, -1, matrix.shape[1]).movedim((-1, -2), (0, 1))
    if max(window.spread) > 1:
        kernel = kernel.flip(list(range(2, kernel.dim()))).transpose(0, 1)
    return kernel.contiguous()


def _convolution(op: Mvm, window: Window, kernel: Constant) -> Iterator[Op]:
    """Padding where that is needed, and a convolution."""
    sides, spread = range(window.rank), max(window.spread) > 1
    x, padding, more = Ref(op.input), (0,) * window.rank, (0,) * window.rank
    if spread:
        padding = tuple(window.reach(d) - 1 - window.before[d] for d in sides)
        more = tuple(window.after[d] - window.before[d] for d in sides)
    elif window.mode == "zeros" and window.before == window.after and min(window.before) >= 0:
        padding = window.before
    else:
        widths = tuple(w for d in sides[::-1] for w in (window.before[d], window.after[d]))
        mode = "constant" if window.mode == "zeros" else window.mode
        pad = Call("aten.pad.default", (x, widths, mode))
        dims = (*op.type.dims[: op.channel_dim], *("padded" for _ in range(window.rank + 1)))
        yield Digital(f"{op.name}.pad", pad, replace(op.type, dims=dims), op.origin, op.location)
        x = Ref(f"{op.name}.pad")
    stride = window.spread if spread else window.stride
    moved = (stride, padding, window.dilation, spread, more, 1)
    call = Call("aten.convolution.default", (x, Ref(kernel.name), None, *moved))
    yield Digital(op.name, call, op.type, op.origin, op.location)
