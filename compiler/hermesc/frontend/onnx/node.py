"""One ONNX node and the values that flow between nodes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor

DTYPES: Mapping[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.BOOL: torch.bool,
}


LARGEST = 2**28  # numbers in a tensor that a model may ask to be made


class RefusedNode(Exception):
    """Why a node has no torch form."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whole numbers that are known before the run, such as sizes: an array of int, bool, or
    symbolic sizes. ONNX computes shapes with ordinary operations; torch.export needs them apart.

    array: the numbers
    dtype: what they become where a tensor is needed; booleans stay booleans
    """

    array: NDArray[Any]
    dtype: torch.dtype = torch.int64

    def ints(self) -> list[Any]:
        """Its numbers in a row."""
        return list(self.array.reshape(-1).tolist())


OnnxValue = Tensor | Known


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """What an operation is told beside its inputs.

    name, op, domain: as the file has them
    version: of the opset
    attributes: by name, as plain values
    outputs: how many it makes
    constants: inputs of few numbers whose values are in the file, by their place
    """

    name: str
    op: str
    domain: str
    version: int
    attributes: Mapping[str, Any]
    outputs: int
    constants: Mapping[int, NDArray[Any]] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)


Run = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class OnnxOp:
    """How an operation runs, and which attributes it takes; `refuse` says of a node why not."""

    run: Run
    attributes: Sequence[str] = ()
    refuse: Callable[[OnnxNode], str | None] = lambda _: None


def tensor(value: OnnxValue) -> Tensor:
    """A value as a tensor; known numbers become a constant, symbolic sizes a small tensor."""
    if isinstance(value, Tensor):
        return value
    array = value.array
    if array.dtype != object:
        kind = torch.bool if array.dtype == bool else value.dtype
        return torch.tensor(array.reshape(-1).tolist(), dtype=kind).reshape(array.shape)
    flat = [torch.scalar_tensor(size, dtype=torch.int64) for size in array.reshape(-1)]
    return torch.stack(flat).reshape(array.shape) if array.shape else flat[0]


def ints(value: OnnxValue | None, what: str) -> list[Any]:
    """Known numbers in a row.

    Raises: RefusedNode for numbers that depend on the data.
    """
    if not isinstance(value, Known):
        raise RefusedNode(f"its {what} depend on the data; they must be known before the run")
    return value.ints()


def number(node: OnnxNode, place: int, value: OnnxValue | None, what: str) -> Any:
    """The one number of an input: whole or not, or a symbolic size.

    Raises: RefusedNode if it depends on the data.
    """
    if place in node.constants:
        return node.constants[place].astype(np.float64).reshape(-1)[0].item()
    if not isinstance(value, Known) or not value.ints():
        raise RefusedNode(f"its {what} depends on the data; it must be known before the run")
    return value.ints()[0]


def bounded(sizes: list[Any]) -> list[Any]:
    """The sizes of a tensor to be made.

    Raises: RefusedNode for one that only burns memory.
    """
    if math.prod(s for s in sizes if isinstance(s, int)) > LARGEST:
        raise RefusedNode(f"it makes a tensor of the sizes {sizes}")
    return sizes


def known(numbers: Any) -> Known:
    """Known numbers from a list, an int or an array; of plain ints where none is symbolic."""
    array = np.array(numbers, dtype=object)
    if all(type(n) is bool for n in array.reshape(-1)) and array.size:
        return Known(array.astype(np.bool_))
    if all(isinstance(n, int | np.integer) for n in array.reshape(-1)):
        return Known(array.astype(np.int64))
    return Known(array)
