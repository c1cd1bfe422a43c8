"""Values that an ONNX file holds: attributes, constants and weights, as arrays and tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, numpy_helper
from torch import Tensor

from hermesrt.errors import ModelError

_TEXT = (AttributeProto.STRING, AttributeProto.STRINGS)


def attribute_value(proto: AttributeProto) -> Any:
    """A plain value; a tensor as an array; strings decoded."""
    value = onnx.helper.get_attribute_value(proto)
    if proto.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    if proto.type in _TEXT:
        words = [
            v.decode("utf-8", "replace") for v in ([value] if isinstance(value, bytes) else value)
        ]
        return words[0] if proto.type == AttributeProto.STRING else words
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def constant_value(proto: NodeProto) -> NDArray[Any] | None:
    """The value of a Constant node, in whichever attribute it lies."""
    for attribute in proto.attribute:
        value = attribute_value(attribute)
        match attribute.name:
            case "value" if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
                return value
            case "value_float" | "value_floats":
                return np.array(value, dtype=np.float32)
            case "value_int" | "value_ints":
                return np.array(value, dtype=np.int64)
    return None


def weight_array(proto: TensorProto) -> NDArray[Any]:
    """A weight as an array.

    Raises: ModelError for a damaged one.
    """
    try:
        return np.asarray(numpy_helper.to_array(proto))
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise ModelError(f"the weight {proto.name} is damaged: {error}") from None


def weight_tensor(array: NDArray[Any], name: str) -> Tensor:
    """A weight as a tensor.

    Raises: ModelError for a dtype that torch does not have.
    """
    try:
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.astype(np.float32)).bfloat16()
        return torch.from_numpy(np.array(array, order="C"))
    except TypeError:
        raise ModelError(f"the weight {name} has the dtype {array.dtype}, no torch dtype") from None
