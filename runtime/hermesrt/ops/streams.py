"""Which operations work position by position, so that token i+1 can follow token i.

A stream is the dimension of a tensor along which its tokens lie, or several that follow each other,
as those of an image. An operation keeps the stream of an operand when token i of its result needs
token i of that operand, and of the tokens before it at most; where it moves a window over them, a
token needs those of its window; it needs all of an operand otherwise (a reduction over the
sequence, a product of two activations). The table of operations names the rule of each; the rules
look at arguments and shapes. An operation without one needs all of its operands, which is never too
optimistic.
"""

from collections.abc import Mapping
from math import prod

from hermesrt.ops.call import Arg, Call, Ref, resolve
from hermesrt.ops.main_operand import MAIN_RULES, dim_of
from hermesrt.ops.moved_window import moved_window
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.resampling import resampling_window
from hermesrt.ops.table import StreamRule, base_name, row_of
from hermesrt.ops.tokens import (
    BARRIER,
    Arguments,
    Followed,
    Operand,
    Shape,
    Stream,
    Windowed,
    span_of,
)
from hermesrt.ops.window import Window


def of_vectors(operand: Operand) -> Followed:
    """The tokens of an MVM's input, whose last dimension is the vectors'; without a stream the
    longest dimension becomes one."""
    stream, leading = operand.stream, operand.shape[:-1]
    if stream is not None and stream.end <= len(leading):
        return Followed(stream, (operand.name,))
    if max(leading, default=1) <= 1:
        return BARRIER
    dim = leading.index(max(leading))
    return Followed(Stream(dim, leading[dim]))


def of_mvm(
    window: Window | None,
    operand: Operand,
    result: Shape | None,
    recurrence: Recurrence | None = None,
) -> Followed:
    """What an MVM does to the stream of its input, at every position of a window or time step of a
    recurrence if it has one."""
    if recurrence is not None:
        return of_recurrence(recurrence, operand)
    if window is None or result is None:
        return of_vectors(operand)
    return of_window(window, operand, result)


def of_recurrence(recurrence: Recurrence, operand: Operand) -> Followed:
    """The time steps of an input [batch, time, inputs]; one that begins with the last needs all of
    its input, and ends with the first."""
    steps = operand.shape[1]
    if recurrence.reverse or steps <= 1:
        return BARRIER
    stream = Stream(1, steps)
    return Followed(stream, (operand.name,) if operand.stream == stream else ())


def of_window(window: Window, operand: Operand, result: Shape) -> Followed:
    """The positions of a window over an operand [..., channels, *sizes]: each needs the operand's
    positions that it sees, as far as those are its tokens, and all of the operand otherwise."""
    dim, outputs = len(result) - window.rank, result[-window.rank :]
    if prod(outputs) <= 1:
        return BARRIER
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
        return BARRIER
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
        return BARRIER
    name = base_name(call.op)
    if rule in ("resampled", "shuffled"):
        window = resampling_window(name, arguments, main.shape, result)
    else:
        window = moved_window(rule, arguments, main, operands)
    if window is not None and main.stream.end > len(main.shape) - window.rank:
        return of_window(window, main, result)
    dim = MAIN_RULES[rule](arguments, main, result) if rule in MAIN_RULES else None
    span = span_of(result, dim, main.stream.size)
    return Followed(Stream(dim, main.stream.size, span), (main.name,)) if span else BARRIER  # type: ignore[arg-type]


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
        return BARRIER  # a vector, whose dimension the result lacks
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
        return BARRIER
    if "->" not in equation or "." in equation:
        return BARRIER
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
        return BARRIER
    dim = output.index(letter)
    return Followed(Stream(dim, result[dim]), tuple(each))


def _joined(arguments: Arguments, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """Concatenation beside the tokens; along them it needs all."""
    dim = dim_of(arguments, len(result), default=0)
    along = any(o.stream is not None and o.stream.along(dim) for o in operands.values())
    return BARRIER if along else _same(operands, result)


def _stacked(arguments: Arguments, operands: Mapping[str, Operand], result: Shape) -> Followed:
    """Concatenation along a new dimension."""
    dim = dim_of(arguments, len(result), default=0)
    return _same({n: _wider(o, dim) for n, o in operands.items()}, result)


def _wider(operand: Operand, dim: int) -> Operand:
    """The operand with a new dimension of one."""
    shape, stream = operand.shape, operand.stream
    if stream is not None and stream.dim < dim < stream.end:
        stream = None
    elif stream is not None:
        stream = Stream(stream.dim + (stream.dim >= dim), stream.size, stream.span)
    return Operand(operand.name, (*shape[:dim], 1, *shape[dim:]), stream)
