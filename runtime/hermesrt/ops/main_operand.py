"""Where the tokens of an operation's main operand lie in its result, by the rule that the table of
operations names; None where a token needs all of them."""

from collections.abc import Callable, Mapping, Sequence
from math import prod

from hermesrt.ops.table import StreamRule
from hermesrt.ops.tokens import Arguments, Operand, Shape, span_of

MainRule = Callable[[Arguments, Operand, Shape], int | None]


def dim_of(arguments: Arguments, rank: int, default: int | None = None) -> int:
    """The argument `dim`, counted from the front; -1 stays where there is none."""
    dim = arguments.get("dim", default)
    return dim % rank if isinstance(dim, int) and rank else -1


def _viewed(_: Arguments, operand: Operand, result: Shape) -> int | None:
    """The dimensions of the same size with as many elements before them."""
    assert operand.stream is not None
    before = prod(operand.shape[: operand.stream.dim])
    for dim, first in enumerate(result):
        fits = first > 1 and prod(result[:dim]) == before
        if fits and span_of(result, dim, operand.stream.size):
            return dim
    return None


def _permuted(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    assert operand.stream is not None
    dims, rank = arguments.get("dims"), len(operand.shape)
    if not isinstance(dims, Sequence) or not all(isinstance(d, int) for d in dims):
        return None
    order = [d % rank for d in dims]
    start, span = order.index(operand.stream.dim), operand.stream.span
    together = order[start : start + span] == list(range(operand.stream.dim, operand.stream.end))
    return start if together else None


def _swapped(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    assert operand.stream is not None
    rank = len(operand.shape)
    pair = [arguments.get(f"dim{i}", arguments.get(f"axis{i}", i - 2)) for i in (0, 1)]
    if not all(isinstance(d, int) for d in pair):
        return None
    first, second = (d % rank for d in pair)
    swapped: dict[int, int] = {first: second, second: first}
    if operand.stream.span > 1:
        apart = not operand.stream.along(first) and not operand.stream.along(second)
        return operand.stream.dim if apart else None
    return swapped.get(operand.stream.dim, operand.stream.dim)


def _beside(arguments: Arguments, operand: Operand, result: Shape) -> int | None:
    """Works along one dimension, which must not be the tokens'."""
    assert operand.stream is not None
    if "dim" not in arguments and len(result) != len(operand.shape):
        return None  # of the flattened operand
    dim = dim_of(arguments, len(operand.shape), default=-1)
    return None if operand.stream.along(dim) else operand.stream.dim


def _in_place(_: Arguments, operand: Operand, __: Shape) -> int | None:
    """The tokens stay where they are: a lookup, or sums along some dimension, for which a token
    needs those before it at most."""
    assert operand.stream is not None
    return operand.stream.dim


def _cut(arguments: Arguments, operand: Operand, result: Shape) -> int | None:
    """Takes a part along a dimension; all of it where that is the tokens'."""
    assert operand.stream is not None
    dim = dim_of(arguments, len(operand.shape), default=0)
    whole = len(result) == len(operand.shape) and result[dim] == operand.shape[dim]
    return None if operand.stream.along(dim) and not whole else operand.stream.dim


def _dropped(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    """Takes one place along a dimension, which disappears."""
    assert operand.stream is not None
    dim = dim_of(arguments, len(operand.shape), default=0)
    return None if operand.stream.along(dim) else operand.stream.dim - (dim < operand.stream.dim)


def _reduced(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    """Reduces some dimensions, all where it names none."""
    assert operand.stream is not None
    dims, rank = arguments.get("dim"), len(operand.shape)
    if isinstance(dims, int):
        dims = (dims,)
    if not isinstance(dims, Sequence) or not dims or not all(isinstance(d, int) for d in dims):
        return None
    gone = {d % rank for d in dims}
    if any(operand.stream.along(d) for d in gone):
        return None
    before = 0 if arguments.get("keepdim") else sum(d < operand.stream.dim for d in gone)
    return operand.stream.dim - before


def _normalised(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    """Norms over the last dimensions."""
    assert operand.stream is not None
    last = arguments.get("normalized_shape")
    if not isinstance(last, Sequence):
        return None
    return operand.stream.dim if operand.stream.end <= len(operand.shape) - len(last) else None


def _padded(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    assert operand.stream is not None
    pad = arguments.get("pad")
    if not isinstance(pad, Sequence):
        return None
    return operand.stream.dim if operand.stream.end <= len(operand.shape) - len(pad) // 2 else None


def _evaluated(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    """A batch norm, whose statistics are known in evaluation."""
    assert operand.stream is not None
    return operand.stream.dim if arguments.get("training") is False else None


def _leading(_: Arguments, operand: Operand, __: Shape) -> int | None:
    """Works on the last dimension: a product with a matrix, a lookup's result."""
    assert operand.stream is not None
    return operand.stream.dim if operand.stream.end <= len(operand.shape) - 1 else None


MAIN_RULES: Mapping[StreamRule, MainRule] = {
    "first": _in_place,
    "viewed": _viewed,
    "permuted": _permuted,
    "swapped": _swapped,
    "beside": _beside,
    "prefix": _in_place,
    "cut": _cut,
    "dropped": _dropped,
    "reduced": _reduced,
    "normalised": _normalised,
    "padded": _padded,
    "evaluated": _evaluated,
    "leading": _leading,  # of attention: a token of the queries, all keys and values
    "looked_up": _in_place,
}
