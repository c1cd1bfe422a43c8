"""Tensors in bytes: the safetensors format, of which there is one way to write given tensors.

Read are only bytes that are what we would write: the header is built again from what it says and
compared, so no tensor can overlap another, leave a gap, or claim more than there is. Arrays are
views of the bytes where they lie as the processor wants them, and copies elsewhere.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.errors import ArtifactError

Tensors = Mapping[str, NDArray[Any]]
Buffer = bytes | bytearray | memoryview

# the library writes wide numbers first, so that all are aligned
_ORDER = ["U64", "I64", "F64", "C64", "F32", "U32", "I32", "F16", "U16", "I16", "I8", "U8", "BOOL"]
_KINDS = {"U": "u", "I": "i", "F": "f", "C": "c"}
_DTYPES = {n: np.dtype(f"<{_KINDS[n[0]]}{int(n[1:]) // 8}") for n in _ORDER if n != "BOOL"}
_DTYPES["BOOL"] = np.dtype(np.bool_)
_DEEPEST = 32  # sizes of a shape
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def tensor_chunks(tensors: Tensors) -> tuple[bytes | NDArray[Any], ...]:
    """The header, and the arrays themselves in the order in which their bytes follow.

    Raises: ArtifactError for a dtype that no file holds.
    """
    shapes = {name: (_name(name, array.dtype), array.shape) for name, array in tensors.items()}
    names = _ordered(shapes)
    return (_header({name: shapes[name] for name in names}), *(tensors[name] for name in names))


def tensors_from_bytes(data: Buffer, where: str) -> dict[str, NDArray[Any]]:
    """Named arrays of those bytes; a view that can be written to gives arrays that can.

    Raises: ArtifactError.
    """
    try:
        return _parsed(data)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as e:
        text = str(e)[:200]
        raise ArtifactError(f"{where}: damaged: a part is not valid safetensors ({text})") from None


def _parsed(data: Buffer) -> dict[str, NDArray[Any]]:
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError("its header is longer than the part")
    header = bytes(data[:start])
    found = json.loads(header[8:])
    shapes = {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in found.items()}
    for _, shape in shapes.values():
        if len(shape) > _DEEPEST or not all(map(_is_size, shape)):
            raise ValueError("a shape is not one of whole numbers, 32 at most")
    if header != _header({name: shapes[name] for name in _ordered(shapes)}):
        raise ValueError("its header is not as it is written")
    ends = _ends(shapes, start)
    if ends[-1] != len(data):
        raise ValueError(f"it holds {len(data) - start} bytes of tensors, not {ends[-1] - start}")
    return {
        name: _array(data, _DTYPES[dtype], shape, end)
        for (name, (dtype, shape)), end in zip(shapes.items(), ends[1:], strict=True)
    }


def _array(data: Buffer, dtype: np.dtype[Any], shape: tuple[int, ...], end: int) -> NDArray[Any]:
    count = math.prod(shape)
    flat = np.frombuffer(data, dtype, count, end - count * dtype.itemsize) if count else np.empty(0)
    array = flat.astype(dtype, copy=False).reshape(shape)
    return array if array.flags.aligned and array.flags.writeable else array.copy()


def _header(shapes: Mapping[str, tuple[str, Sequence[int]]]) -> bytes:
    """The header of tensors of those dtypes and shapes, in that order."""
    ends = _ends(shapes, 0)
    table = {
        name: {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        for (name, (dtype, shape)), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
    }
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _ends(shapes: Mapping[str, tuple[str, Sequence[int]]], start: int) -> list[int]:
    """Where the first tensor starts, and where each ends."""
    sizes = (math.prod(shape) * _DTYPES[dtype].itemsize for dtype, shape in shapes.values())
    return list(accumulate(sizes, initial=start))


def _ordered(shapes: Mapping[str, tuple[str, Sequence[int]]]) -> list[str]:
    return sorted(shapes, key=lambda name: (_ORDER.index(shapes[name][0]), name))


def _name(tensor: str, dtype: np.dtype[Any]) -> str:
    found = _NAMES.get(dtype.newbyteorder("<"))
    if found is None:
        raise ArtifactError(f"{tensor} holds {dtype}, which no file of ours does; convert it")
    return found


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63
