"""Where a tensor's tokens lie, and what becomes of them in an operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from hermesrt.ops.window import Places, Window, last_inputs, line_buffer

Shape = tuple[int, ...]
Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """The dimension of a tensor along which its tokens lie, or several dimensions of an image.

    dim: the dimension, or the first of several.
    size: how many tokens there are.
    span: how many dimensions; the tokens of an image come in raster order.
    """

    dim: int
    size: int
    span: int = 1

    @property
    def end(self) -> int:
        """The dimension after its last."""
        return self.dim + self.span

    def along(self, dim: int) -> bool:
        """Whether a dimension is one of its own."""
        return self.dim <= dim < self.end


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor that an operation takes.

    name: of the result that it is.
    shape: its sizes.
    stream: where its tokens lie; None without any.
    """

    name: str
    shape: Shape
    stream: Stream | None


@dataclass(frozen=True, slots=True)
class Windowed:
    """An operand of which each token of a result needs those in a window.

    name: of the operand.
    window: what each token of the result sees.
    sizes: of the operand, in the window's dimensions.
    outputs: of the result.
    depth: values of the operand in a token.
    """

    name: str
    window: Window
    sizes: Shape
    outputs: Shape
    depth: int

    def last(self) -> Places:
        """The last token that each one of the result needs, -1 where it needs none."""
        return last_inputs(self.window, self.sizes, self.outputs)

    @property
    def kept(self) -> int:
        """Tokens of the operand that must be kept at once."""
        return line_buffer(self.window, self.sizes, self.outputs)


@dataclass(frozen=True, slots=True)
class Followed:
    """What becomes of the streams of an operation's operands.

    stream: of the result; None without any.
    each: names of the operands of which it needs but the same token.
    windows: the operands over which it moves a window.
    """

    stream: Stream | None = None
    each: tuple[str, ...] = ()
    windows: tuple[Windowed, ...] = ()


BARRIER = Followed()


def of_input(shape: Shape) -> Stream | None:
    """The tokens of a model's input: its second dimension, or a batch that the model fixes."""
    if len(shape) >= 3 and shape[1] > 1:
        return Stream(1, shape[1])
    return Stream(0, shape[0]) if len(shape) >= 2 and shape[0] > 1 else None


def of_indices(shape: Shape) -> Stream | None:
    """The tokens of an input of whole numbers, one a token."""
    return Stream(1, shape[1]) if len(shape) == 2 and shape[1] > 1 else of_input(shape)


def span_of(result: Shape, dim: int | None, size: int) -> int:
    """How many dimensions from this one on hold so many tokens; 0 where none do."""
    ends = () if dim is None else range(dim + 1, len(result) + 1)
    return next((end - dim for end in ends if prod(result[dim:end]) == size), 0)  # type: ignore[operator]
