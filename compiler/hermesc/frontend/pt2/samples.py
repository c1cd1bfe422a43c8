"""Example inputs, which torch.save wrote as a pickle: read here as data, without unpickling.

A pickle is a program. Those of tensors use few instructions, and call five functions of torch. Only
these are understood; what they would do is done here, on bytes, and anything else is refused.
Source: the pickle protocol 2 (Python's pickletools); torch/serialization.py.
"""

import io
import math
import pickletools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermesc.frontend.pt2.archive import RefusedPart, read_parts

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_FUNCTIONS = {
    "torch._tensor _rebuild_from_type_v2",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch Tensor",
    "torch.nn.parameter Parameter",
    "collections OrderedDict",
}
_MOST_INSTRUCTIONS = 100_000
_MOST_BYTES = 2**20  # of the pickle; its tensors lie beside it
_MOST_DIMENSIONS = 16
_DEEPEST = 16
_ALWAYS_FINE = 2**28  # bytes of an input that repeats its data


@dataclass(frozen=True, slots=True)
class _Global:
    """A function or class that the pickle names: `torch._utils _rebuild_tensor_v2`."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: torch.dtype
    data: bytes


_MARK = object()


def read_samples(data: bytes) -> Any:
    """The value: tensors and plain values, nested in tuples, lists and dicts; None of no bytes.

    Raises: RefusedPart for anything else.
    """
    if not data:
        return None
    parts = read_parts(io.BytesIO(data))
    if "data.pkl" not in parts or len(parts["data.pkl"]) > _MOST_BYTES:
        raise _unsafe("they lack data.pkl, or it is too long")
    if parts.get("byteorder", b"little") != b"little":
        raise _unsafe("their bytes are not in little-endian order")
    value = _Reader(parts).value()
    if _depth(value, _DEEPEST) > _DEEPEST:
        raise _unsafe(f"they nest deeper than {_DEEPEST}")
    return value


def _unsafe(why: str) -> RefusedPart:
    return RefusedPart(
        "its example inputs (data/sample_inputs/model.pt) hold objects that only an unsafe load "
        f"would read: {why}"
    )


def _may_repeat(value: Any) -> bool:
    """What a pickle may use twice; lists that hold lists twice would grow without end."""
    if isinstance(value, tuple):
        return all(type(item) is int for item in value)
    return isinstance(value, str | Tensor | _Global | _Storage)


def _depth(value: Any, most: int) -> int:
    """How deep it nests; stops beyond `most`."""
    below = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(below, list | tuple) or most < 0:
        return 0
    return 1 + max((_depth(item, most - 1) for item in below), default=0)


class _Reader:
    """A stack, a memo, and the instructions of a pickle of tensors."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._parts = parts
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def value(self) -> Any:
        try:
            for count, (code, argument, _) in enumerate(
                pickletools.genops(self._parts["data.pkl"])
            ):
                if count > _MOST_INSTRUCTIONS:
                    raise _unsafe(f"more than {_MOST_INSTRUCTIONS} instructions")
                if code.name == "STOP":
                    return self._stack.pop()
                self._do(code.name, argument)
        except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise _unsafe(f"a damaged pickle: {error}") from None
        raise _unsafe("a pickle without an end")

    def _do(self, code: str, argument: Any) -> None:
        stack = self._stack
        match code:
            case "PROTO" if argument == 2:
                pass
            case "GLOBAL" if argument in _FUNCTIONS or self._is_storage(argument):
                stack.append(_Global(argument))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET" if _may_repeat(self._memo[argument]):
                stack.append(self._memo[argument])
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(code == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "BINUNICODE" | "BINFLOAT":
                stack.append(argument)
            case "LONG1" if abs(argument) < 2**63:
                stack.append(argument)
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._tuple(code)
            case "APPEND" | "APPENDS" | "SETITEM" | "SETITEMS":
                self._fill(code)
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(self._call(stack.pop(), arguments))
            case _:
                raise _unsafe(f"{code} {str(argument)[:60]!r}")

    def _is_storage(self, name: str) -> bool:
        module, _, kind = name.partition(" ")
        return module == "torch" and kind in _DTYPES

    def _since_mark(self) -> list[Any]:
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise _unsafe("a pickle without a mark")
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def _tuple(self, code: str) -> None:
        count = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}.get(code)
        if count is None:
            self._stack.append(tuple(self._since_mark()))
            return
        items = tuple(self._stack[-count:])
        if len(items) != count or any(item is _MARK for item in items):
            raise _unsafe("a pickle without a mark")
        self._stack[-count:] = [items]

    def _fill(self, code: str) -> None:
        if code == "APPEND":
            items = [self._stack.pop()]
        elif code == "SETITEM":
            items = [self._stack.pop(), self._stack.pop()][::-1]
        else:
            items = self._since_mark()
        target = self._stack[-1]
        if code.startswith("APPEND") and type(target) is list:
            target.extend(items)
        elif code.startswith("SETITEM") and type(target) is dict and len(items) % 2 == 0:
            if not all(type(key) in (str, int) for key in items[::2]):
                raise _unsafe("a dict with other keys than text and numbers")
            target.update(zip(items[::2], items[1::2], strict=True))
        else:
            raise _unsafe(f"{code} on a {type(target).__name__}")

    def _storage(self, key: Any) -> _Storage:
        match key:
            case ("storage", _Global(name=kind), str(number), str(), int(count)):
                dtype = _DTYPES[kind.partition(" ")[2]]
                data = self._parts[f"data/{number}"]
                if count >= 0 and len(data) == count * dtype.itemsize:
                    return _Storage(dtype, data)
        raise _unsafe("a storage of other bytes than it declares")

    def _call(self, function: Any, arguments: Any) -> Any:
        name = function.name if isinstance(function, _Global) else ""
        match name, arguments:
            case "collections OrderedDict", ():
                return {}
            case "torch._utils _rebuild_tensor_v2", (
                _Storage() as storage, int(offset), tuple(sizes), tuple(strides), bool(), {},
            ):  # fmt: skip
                return _tensor(storage, offset, sizes, strides)
            case "torch._utils _rebuild_parameter", (Tensor() as tensor, bool(), {}):
                return tensor
            case "torch._tensor _rebuild_from_type_v2", (
                _Global() as inner, _Global(name="torch Tensor"), tuple(below), dict(),
            ):  # fmt: skip
                return self._call(inner, below)
        raise _unsafe(f"a call of {name or type(function).__name__}")


def _tensor(storage: _Storage, offset: int, sizes: Sequence[Any], strides: Sequence[Any]) -> Tensor:
    """The view of the bytes, as a tensor of its own.

    Raises: RefusedPart where it would lie outside of them.
    """
    numbers = (offset, *sizes, *strides)
    if not all(type(n) is int and 0 <= n < 2**62 for n in numbers) or len(sizes) != len(strides):
        raise _unsafe("a tensor whose sizes are no numbers")
    width = storage.dtype.itemsize
    count = math.prod(sizes)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if len(sizes) > _MOST_DIMENSIONS or count * width > max(_ALWAYS_FINE, 16 * len(storage.data)):
        raise _unsafe(f"a tensor of {count * width} bytes made of {len(storage.data)}")
    if count == 0:
        return torch.empty(tuple(sizes), dtype=storage.dtype)
    if (last + 1) * width > len(storage.data):
        raise _unsafe("a tensor larger than its bytes")
    flat = torch.frombuffer(bytearray(storage.data), dtype=storage.dtype)
    return flat.as_strided(tuple(sizes), tuple(strides), offset).clone()
