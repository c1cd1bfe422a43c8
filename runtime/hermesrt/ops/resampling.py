"""The window of inputs that each output of an upsampling or a pixel shuffle sees.

An output of an upsampling by a whole factor s sees the inputs around its own place: one (nearest),
two in each dimension (linear) or four (cubic). That is a window over the inputs with zeros between,
as of a transposed convolution: its taps reach from `before` in front of an output to the inputs
after it. Other factors and aligned corners have no such window.
"""

from typing import Any

from hermesrt.ops.tokens import Arguments, Shape
from hermesrt.ops.window import Window


def resampling_window(
    name: str, arguments: Arguments, shape: Shape, result: Shape
) -> Window | None:
    """The window of the operation of this name from one shape to another, if it is one."""
    factor = arguments.get("upscale_factor", arguments.get("downscale_factor"))
    if name == "pixel_unshuffle":
        return _checked((factor, factor), _blocks)
    if name == "pixel_shuffle":
        return _checked((factor, factor), _spread)
    pairs = list(zip(shape[2:], result[2:], strict=True))
    if arguments.get("align_corners") or any(size < 1 or out % size for size, out in pairs):
        return None
    beyond = 2 if "cubic" in name else int("linear" in name)
    return _checked(tuple(out // size for size, out in pairs), lambda s: _spread(s, beyond))


def _checked(factors: tuple[Any, ...], made: Any) -> Window | None:
    if not all(isinstance(f, int) and f > 0 for f in factors):
        return None
    window: Window = made(factors)
    return None if window.fault() else window


def _blocks(factors: tuple[int, ...]) -> Window:
    """Blocks of so many inputs, side by side."""
    once, none = (1,) * len(factors), (0,) * len(factors)
    return Window(factors, factors, once, none, none, once)


def _spread(factors: tuple[int, ...], beyond: int = 0) -> Window:
    """The input at an output's place; or so many before and after the middle between them."""
    once = (1,) * len(factors)
    if not beyond:
        before = tuple(f - 1 for f in factors)
        return Window(factors, once, once, before, before, factors)
    before = tuple(f // 2 + beyond * f - 1 for f in factors)
    after = tuple((f + 1) // 2 + (beyond - 1) * f for f in factors)
    kernel = tuple(2 * beyond * f for f in factors)
    return Window(kernel, once, once, before, after, factors)
