"""Which operations work position by position, so that token i+1 can follow token i.

A stream is the dimension of a tensor along which its tokens lie, or several that follow each other,
as those of an image. An operation keeps the stream of an operand when token i of its result needs
token i of that operand, and of the tokens before it at most; where it moves a window over them, a
token needs those of its window; it needs all of an operand otherwise (a reduction over the
sequence, a product of two activations). The table of operations names the rule of each; the rules
look at arguments and shapes. An operation without one needs all of its operands, which is never too
optimistic.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from hermesrt.ops.call import Arg, Call, Ref, resolve
from hermesrt.ops.table import StreamRule, base_name, row_of
from hermesrt.ops.window import Places, Window, last_inputs, line_buffer

Shape = tuple[int, ...]


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


_BARRIER = Followed()
Arguments = Mapping[str, Any]
MainRule = Callable[[Arguments, Operand, Shape], int | None]


def of_input(shape: Shape) -> Stream | None:
    """The tokens of a model's input: its second dimension, or a batch that the model fixes."""
    if len(shape) >= 3 and shape[1] > 1:
        return Stream(1, shape[1])
    return Stream(0, shape[0]) if len(shape) >= 2 and shape[0] > 1 else None


def of_indices(shape: Shape) -> Stream | None:
    """The tokens of an input of whole numbers, one a token."""
    return Stream(1, shape[1]) if len(shape) == 2 and shape[1] > 1 else of_input(shape)


def of_vectors(operand: Operand) -> Followed:
    """The tokens of an MVM's input, whose last dimension is the vectors'; without a stream the
    longest dimension becomes one."""
    stream, leading = operand.stream, operand.shape[:-1]
    if stream is not None and stream.end <= len(leading):
        return Followed(stream, (operand.name,))
    if max(leading, default=1) <= 1:
        return _BARRIER
    dim = leading.index(max(leading))
    return Followed(Stream(dim, leading[dim]))


def of_mvm(window: Window | None, operand: Operand, result: Shape | None) -> Followed:
    """What an MVM does to the stream of its input, at every position of a window if it has one."""
    if window is None or result is None:
        return of_vectors(operand)
    return of_window(window, operand, result)


def of_window(window: Window, operand: Operand, result: Shape) -> Followed:
    """The positions of a window over an operand [..., channels, *sizes]: each needs the operand's
    positions that it sees, as far as those are its tokens, and all of the operand otherwise."""
    dim, outputs = len(result) - window.rank, result[-window.rank :]
    if prod(outputs) <= 1:
        return _BARRIER
    stream = Stream(dim, prod(outputs), window.rank)
    sizes = operand.shape[-window.rank :]
    if operand.stream != Stream(dim, prod(sizes), window.rank):
        return Followed(stream)
    depth = prod(operand.shape) // prod(sizes)
    return Followed(stream, windows=(Windowed(operand.name, window, sizes, outputs, depth),))


def follow(call: Call, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """What an operation does to its operands' streams; `result` is (the first of) its results'
    shape."""
    row = row_of(call.op)
    rule = row.stream if row is not None else "all"
    if rule == "all":
        return _BARRIER
    if rule == "each":
        return _same(operands, result)
    arguments = _arguments(call)
    if rule in ("joined", "stacked"):
        return (_joined if rule == "joined" else _stacked)(arguments, operands, result)
    found = _by_role(rule, call, arguments, operands, result)
    once = tuple(n for n in found.each if _uses(call.args, n) == 1)  # else in another role too
    windows = tuple(w for w in found.windows if _uses(call.args, w.name) == 1)
    return Followed(found.stream, once, windows)


def _by_role(
    rule: StreamRule,
    call: Call,
    arguments: Arguments,
    operands: Mapping[str, Operand],
    result: Shape,
) -> Followed:
    """Operations whose operands have roles of their own."""
    if rule == "multiplied":
        return _matmul(arguments, operands, result)
    if rule == "einsum":
        return _einsum(call, operands, result)
    main = _main(call, operands)
    if main is None or main.stream is None:
        return _BARRIER
    window = _window(rule, arguments, main, operands)
    if window is not None and main.stream.end > len(main.shape) - window.rank:
        return of_window(window, main, result)
    dim = _MAIN_RULES[rule](arguments, main, result) if rule in _MAIN_RULES else None
    span = _span(result, dim, main.stream.size)
    return Followed(Stream(dim, main.stream.size, span), (main.name,)) if span else _BARRIER  # type: ignore[arg-type]


def _span(result: Shape, dim: int | None, size: int) -> int:
    """How many dimensions from this one on hold so many tokens; 0 where none do."""
    ends = () if dim is None else range(dim + 1, len(result) + 1)
    return next((end - dim for end in ends if prod(result[dim:end]) == size), 0)  # type: ignore[operator]


def _window(
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


def _uses(arg: Arg, name: str) -> int:
    """How often an operation takes a result."""
    if isinstance(arg, tuple):
        return sum(_uses(part, name) for part in arg)
    return int(isinstance(arg, Ref) and arg.name == name)


def _arguments(call: Call) -> Arguments:
    """The arguments by the names in torch's schema."""
    function = resolve(call.op)
    schema = getattr(function, "_schema", None)
    if schema is None:
        return dict(call.kwargs)
    names = [argument.name for argument in schema.arguments]
    return dict(zip(names, call.args, strict=False)) | dict(call.kwargs)


def _main(call: Call, operands: Mapping[str, Operand]) -> Operand | None:
    """The first operand; for a lookup, the indices."""
    refs = [a.name for a in call.args if isinstance(a, Ref)]
    if base_name(call.op) == "embedding":
        refs = refs[1:]
    return next((operands[name] for name in refs if name in operands), None)


def _same(operands: Mapping[str, Operand], result: Shape) -> Followed:
    """Results that lie where their operands do, after broadcasting."""
    found: Stream | None = None
    each = []
    for operand in operands.values():
        if operand.stream is None:
            continue
        dim, span = operand.stream.dim + len(result) - len(operand.shape), operand.stream.span
        own = operand.shape[operand.stream.dim : operand.stream.end]
        if dim < 0 or result[dim : dim + span] != own:
            continue
        here = Stream(dim, operand.stream.size, span)
        if found in (None, here):
            found = here
            each.append(operand.name)
    return Followed(found, tuple(each))


def _matmul(arguments: Arguments, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """Rows of the left operand, columns of the right one, or products that lie side by side."""
    if any(len(operand.shape) < 2 for operand in operands.values()):
        return _BARRIER  # a vector, whose dimension the result lacks
    names = ("batch1", "batch2") if "batch1" in arguments else ("mat1", "mat2")
    if "mat1" not in arguments and "batch1" not in arguments:
        names = ("self", "mat2" if "mat2" in arguments else "other")
    found: Stream | None = None
    each = []
    for side, name in enumerate(names):
        ref = arguments.get(name)
        operand = operands.get(ref.name) if isinstance(ref, Ref) else None
        if operand is None or operand.stream is None or operand.stream.span > 1:
            continue
        from_end = len(operand.shape) - operand.stream.dim
        if from_end == (1 if side == 0 else 2):  # it is summed over
            continue
        dim = len(result) - from_end
        if found is None or found.dim == dim:
            found = Stream(dim, operand.stream.size)
            each.append(operand.name)
    return Followed(found, tuple(each))


def _einsum(call: Call, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """The operands' letter for tokens, where the result has it too."""
    equation, terms = call.args[0], call.args[1]
    if not isinstance(equation, str) or not isinstance(terms, tuple):
        return _BARRIER
    if "->" not in equation or "." in equation:
        return _BARRIER
    inputs, _, output = equation.replace(" ", "").partition("->")
    letter: str | None = None
    each = []
    for term, ref in zip(inputs.split(","), terms, strict=True):
        operand = operands.get(ref.name) if isinstance(ref, Ref) else None
        if operand is None or operand.stream is None or len(term) != len(operand.shape):
            continue
        if operand.stream.span > 1:
            continue
        here = term[operand.stream.dim]
        if here in output and letter in (None, here):
            letter = here
            each.append(operand.name)
    if letter is None or len(output) != len(result):
        return _BARRIER
    dim = output.index(letter)
    return Followed(Stream(dim, result[dim]), tuple(each))


def _joined(arguments: Arguments, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """Concatenation beside the tokens; along them it needs all."""
    dim = _dim(arguments, len(result), default=0)
    along = any(o.stream is not None and o.stream.along(dim) for o in operands.values())
    return _BARRIER if along else _same(operands, result)


def _stacked(arguments: Arguments, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """Concatenation along a new dimension."""
    dim = _dim(arguments, len(result), default=0)
    return _same({n: _wider(o, dim) for n, o in operands.items()}, result)


def _wider(operand: Operand, dim: int) -> Operand:
    """The operand with a new dimension of one."""
    shape, stream = operand.shape, operand.stream
    if stream is not None and stream.dim < dim < stream.end:
        stream = None
    elif stream is not None:
        stream = Stream(stream.dim + (stream.dim >= dim), stream.size, stream.span)
    return Operand(operand.name, (*shape[:dim], 1, *shape[dim:]), stream)


def _dim(arguments: Arguments, rank: int, default: int | None = None) -> int:
    """The argument `dim`, counted from the front; -1 stays where there is none."""
    dim = arguments.get("dim", default)
    return dim % rank if isinstance(dim, int) and rank else -1


def _viewed(_: Arguments, operand: Operand, result: Shape) -> int | None:
    """The dimensions of the same size with as many elements before them."""
    assert operand.stream is not None
    before = prod(operand.shape[: operand.stream.dim])
    for dim, first in enumerate(result):
        fits = first > 1 and prod(result[:dim]) == before
        if fits and _span(result, dim, operand.stream.size):
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
    dim = _dim(arguments, len(operand.shape), default=-1)
    return None if operand.stream.along(dim) else operand.stream.dim


def _in_place(_: Arguments, operand: Operand, __: Shape) -> int | None:
    """The tokens stay where they are: a lookup, or sums along some dimension, for which a token
    needs those before it at most."""
    assert operand.stream is not None
    return operand.stream.dim


def _cut(arguments: Arguments, operand: Operand, result: Shape) -> int | None:
    """Takes a part along a dimension; all of it where that is the tokens'."""
    assert operand.stream is not None
    dim = _dim(arguments, len(operand.shape), default=0)
    whole = len(result) == len(operand.shape) and result[dim] == operand.shape[dim]
    return None if operand.stream.along(dim) and not whole else operand.stream.dim


def _dropped(arguments: Arguments, operand: Operand, _: Shape) -> int | None:
    """Takes one place along a dimension, which disappears."""
    assert operand.stream is not None
    dim = _dim(arguments, len(operand.shape), default=0)
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


_MAIN_RULES: Mapping[StreamRule, MainRule] = {
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
