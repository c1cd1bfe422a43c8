"""One call of a digital operation: its arguments, how they are written as JSON, how it runs.

A program stores an operation by its ATen name and arguments, so no operator is written twice, and a
name outside the table (`hermesrt.ops.table`) is refused before anything runs.
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union

from hermesrt.ops.table import base_name, is_loop, row_of

if TYPE_CHECKING:
    import torch

_BIGGEST_INT = 2**63  # of a size or an index; larger numbers only burn memory


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for numbers alone, and for results that a size can be."""

    def bounded(*operands: Any) -> Any:
        if not all(isinstance(o, bool | int | float) for o in operands):
            raise TypeError("arithmetic on sizes takes numbers only")
        if function is operator.pow and abs(operands[1]) > 64:
            raise OverflowError("too large a power in the sizes of a program")
        result = function(*operands)
        if abs(result) > _BIGGEST_INT:
            raise OverflowError("too large a number in the sizes of a program")
        return result

    return bounded


# Arithmetic on sizes, as torch.export writes it into the graph.
SIZE_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "truediv": operator.truediv,
    "mod": operator.mod,
    "neg": operator.neg,
    "pow": operator.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "and_": operator.and_,
    "or_": operator.or_,
    "sqrt": math.sqrt,
    "ceil": math.ceil,
    "floor": math.floor,
    "trunc": math.trunc,
    "sym_max": max,
    "sym_min": min,
    "sym_float": float,
    "sym_int": int,
    "sym_not": operator.not_,
}
_SIZE_FUNCTIONS = {name: _bounded(f) for name, f in SIZE_ARITHMETIC.items()} | {
    "getitem": operator.getitem
}


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is the result of another operation.

    name: of that operation.
    """

    name: str


@dataclass(frozen=True, slots=True)
class DType:
    """An argument that is a torch dtype.

    name: such as `float32`.
    """

    name: str


Arg = Union[Ref, DType, "Body", None, bool, int, float, str, tuple["Arg", ...]]


@dataclass(frozen=True, slots=True)
class Body:
    """An argument that is a list of calls, which a loop makes again and again; it sees nothing but
    its own inputs.

    inputs: names of what it is given.
    steps: names of results and the calls that make them, in order.
    outputs: names of what it gives.
    """

    inputs: tuple[str, ...]
    steps: tuple[tuple[str, "Call"], ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation and its arguments.

    op: its name, such as `aten.cos.default` or `size.mul`.
    args: by position.
    kwargs: name and value of each.
    """

    op: str
    args: tuple[Arg, ...]
    kwargs: tuple[tuple[str, Arg], ...] = ()

    def refs(self) -> tuple[str, ...]:
        """Names of the operations whose results it takes, each once, in order."""
        found = dict.fromkeys(_refs((self.args, tuple(v for _, v in self.kwargs))))
        return tuple(found)

    def rename(self, names: Mapping[str, str]) -> "Call":
        """The same call with other names for the results it takes."""
        args = tuple(_rename(a, names) for a in self.args)
        return Call(self.op, args, tuple((k, _rename(v, names)) for k, v in self.kwargs))


@lru_cache(maxsize=2**12)
def resolve(op: str) -> Callable[..., Any] | None:
    """The function of that name, or None when it is not in the list or not pure, or is a loop."""
    import torch

    if row_of(op) is None or is_loop(op):
        return None
    if op.startswith("size."):
        return _SIZE_FUNCTIONS[base_name(op)]
    _, name, overload_name = op.split(".")
    packet = getattr(torch.ops.aten, name, None)
    if packet is None or overload_name not in packet.overloads():
        return None
    overload = getattr(packet, overload_name)
    schema = overload._schema
    if schema.is_mutable or any(argument.is_out for argument in schema.arguments):
        return None
    return overload  # type: ignore[no-any-return]


def run(call: Call, values: Mapping[str, Any], device: "torch.device | str" = "cpu") -> Any:
    """Run one call on the values of the operations before it."""
    if is_loop(call.op):
        from hermesrt.ops.loop import run_loop  # which runs calls

        return run_loop(call, values, device)
    function = resolve(call.op)
    if function is None:
        raise KeyError(call.op)
    args = [_value(a, values) for a in call.args]
    kwargs = {k: _value(v, values) for k, v in call.kwargs}
    if str(device) == "meta":
        from hermesrt.ops.shape_rules import known_result  # takes torch

        found = known_result(call.op, function, args, kwargs)
        if found is not None:
            return found
    schema = getattr(function, "_schema", None)
    if schema is not None and any(a.name == "device" for a in schema.arguments):
        kwargs["device"] = device
    return function(*args, **kwargs)


def to_json(arg: Arg) -> Any:
    """An argument as JSON: references and dtypes as one-key objects, tuples as lists, a body as an
    object of its inputs, steps (name, operation, arguments, named arguments) and outputs."""
    match arg:
        case Ref(name):
            return {"ref": name}
        case DType(name):
            return {"dtype": name}
        case Body(inputs, steps, outputs):
            written = [[name, *_call_to_json(call)] for name, call in steps]
            return {"inputs": list(inputs), "steps": written, "outputs": list(outputs)}
        case tuple():
            return [to_json(a) for a in arg]
        case float() if not math.isfinite(arg):
            return {"float": str(arg)}
        case _:
            return arg


def from_json(data: Any) -> Arg:
    """The inverse of `to_json`.

    Raises: ValueError for anything that `to_json` does not write.
    """
    match data:
        case {"ref": str(name)} if len(data) == 1:
            return Ref(name)
        case {"dtype": str(name)} if len(data) == 1 and name in dtype_names():
            return DType(name)
        case {"float": "inf" | "-inf" | "nan" as text} if len(data) == 1:
            return float(text)
        case {"inputs": list(inputs), "steps": list(steps), "outputs": list(outputs)}:
            if len(data) > 3 or not all(isinstance(n, str) for n in (*inputs, *outputs)):
                raise ValueError("a body holds names of inputs and outputs, and steps")
            return Body(tuple(inputs), tuple(map(_step_from_json, steps)), tuple(outputs))
        case list():
            return tuple(from_json(d) for d in data)
        case None | bool() | int() | float() | str():
            return data
    raise ValueError(f"not an argument: {data!r}")


def _call_to_json(call: Call) -> tuple[str, Any, Any]:
    return call.op, to_json(call.args), {k: to_json(v) for k, v in call.kwargs}


def _step_from_json(data: Any) -> tuple[str, Call]:
    match data:
        case [str(name), str(op), list(args), dict(kwargs)]:
            named = tuple((str(k), from_json(v)) for k, v in kwargs.items())
            return name, Call(op, tuple(map(from_json, args)), named)
    raise ValueError("a step of a body is a name, an operation, and its arguments")


def dtype_names() -> tuple[str, ...]:
    """The dtypes that a program's arguments may name."""
    return (
        "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64",
        "uint8", "bool", "complex64", "complex128",
    )  # fmt: skip


def _value(arg: Arg, values: Mapping[str, Any]) -> Any:
    match arg:
        case Ref(name):
            return values[name]
        case DType(name):
            import torch

            return getattr(torch, name)
        case tuple():
            return [_value(a, values) for a in arg]
        case _:
            return arg


def _refs(arg: Arg) -> Iterator[str]:
    if isinstance(arg, Ref):
        yield arg.name
    elif isinstance(arg, tuple):
        for item in arg:
            yield from _refs(item)


def _rename(arg: Arg, names: Mapping[str, str]) -> Arg:
    if isinstance(arg, Ref):
        return Ref(names.get(arg.name, arg.name))
    if isinstance(arg, tuple):
        return tuple(_rename(a, names) for a in arg)
    return arg


def last_uses(steps: Sequence[tuple[str, Sequence[str]]], keep: Sequence[str]) -> list[list[str]]:
    """For each (name, names it takes) the values that nothing after it needs.

    Lets an executor free memory as it goes; `keep` holds the values wanted at the end.
    """
    last: dict[str, int] = {}
    for index, (name, taken) in enumerate(steps):
        last.update(dict.fromkeys((name, *taken), index))
    dead: list[list[str]] = [[] for _ in steps]
    for name, index in last.items():
        if name not in keep:
            dead[index].append(name)
    return dead
