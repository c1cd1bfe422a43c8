"""The window that a pooling, a convolution or a padding on the host moves over its operand."""

from collections.abc import Mapping, Sequence
from typing import Any

from hermesrt.ops.call import Ref
from hermesrt.ops.table import StreamRule
from hermesrt.ops.tokens import Arguments, Operand
from hermesrt.ops.window import Window


def moved_window(
    rule: StreamRule, arguments: Arguments, main: Operand, operands: Mapping[str, Operand]
) -> Window | None:
    """The window of a pooling, of a convolution or of a padding with zeros, if it is one."""
    match rule:
        case "pooled":
            kernel = arguments.get("kernel_size")
            return _moved(arguments, (kernel,) if isinstance(kernel, int) else kernel or ())
        case "convolved":
            ref = arguments.get("weight")
            weight = operands.get(ref.name) if isinstance(ref, Ref) else None
            if weight is None or arguments.get("transposed"):
                return None
            return _moved(arguments, weight.shape[2:])
        case "padded" if arguments.get("mode", "constant") == "constant":
            widths = arguments.get("pad")
            if not isinstance(widths, Sequence) or not all(isinstance(w, int) for w in widths):
                return None
            count = len(widths) // 2
            once = (1,) * count
            window = Window(once, once, once, tuple(widths[-2::-2]), tuple(widths[::-2]), once)
            return None if window.fault() or count >= len(main.shape) else window
    return None


def _moved(arguments: Arguments, kernel: Sequence[int]) -> Window | None:
    """A kernel moved as the arguments say; None where they are not numbers."""
    rank = len(kernel)
    none, once = (0,) * rank, (1,) * rank
    stride, padding, dilation = (
        _numbers(arguments.get(k), rank) for k in ("stride", "padding", "dilation")
    )
    if stride is None or padding is None or dilation is None:
        return None
    pooled = tuple(kernel) if "kernel_size" in arguments else once
    before = padding or none
    window = Window(tuple(kernel), stride or pooled, dilation or once, before, before, once)
    return None if window.fault() else window


def _numbers(value: Any, count: int) -> tuple[int, ...] | None:
    """One number for each dimension, none where they are the default; None for unknown ones."""
    values = (value,) if isinstance(value, int) else () if value is None else value
    if not isinstance(values, Sequence) or not all(isinstance(v, int) for v in values):
        return None
    return tuple(values) * count if len(values) == 1 else tuple(values)
