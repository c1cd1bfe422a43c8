"""What a captured node is in our graph: one call, and the type of its result."""

import json
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from hermesc.frontend.torch.expand import op_name
from hermesc.ir.types import Dim, SizeType, TensorType, TupleType, ValueType
from hermesrt.errors import ModelError
from hermesrt.ops.call import Arg, Call, DType, Ref, dtype_names, from_json
from hermesrt.ops.table import base_name

# What run_decompositions makes of a batch norm in evaluation; its further results are empty.
NORM = "aten._native_batch_norm_legit_no_training.default"
# Nothing has written to these yet; where the model does so before it reads, zeros are as good.
EMPTY = {
    "aten.empty.memory_format": "aten.zeros.default",
    "aten.empty_like.default": "aten.zeros_like.default",
    "aten.new_empty.default": "aten.new_zeros.default",
}
# Torch's own checks on sizes and dtypes: they were made while capturing and compute nothing.
_CHECKS = ("_assert", "sym_constrain_range", "_check")
# The graph writes nothing in place, so a view may as well be a copy where strides ask for one.
_VIEWS = {
    "aten.view.default": "aten.reshape.default",
    "aten._unsafe_view.default": "aten.reshape.default",
    "aten.view_as.default": "aten.reshape_as.default",
}
_WRITES = ("copy", "slice_scatter", "select_scatter", "diagonal_scatter", "index_put", "fill")
_PARTS = ("slice", "select", "view", "reshape", "transpose", "permute", "unsqueeze", "squeeze")
# Arguments that say where or how a tensor lies in memory; the host decides that.
_PLACEMENT = ("device", "layout", "pin_memory", "memory_format", "non_blocking")
# Inputs of a loop that stays one, by place; sizes follow, and the last is the loop itself, as text.
LOOP_INPUTS = {"loop.while": ("carried", "others"), "loop.scan": ("carried", "rows", "others")}


def call_of(node: Node, name: str) -> Call:
    """The call of a node that is no check."""
    if name in LOOP_INPUTS:
        return _loop_call(node, name)
    kwargs = tuple((k, _arg(v)) for k, v in sorted(node.kwargs.items()) if k not in _PLACEMENT)
    args = tuple(_arg(a) for a in node.args)
    if name == NORM:
        x, weight, bias, mean, variance, momentum, epsilon = args
        given = (x, weight, bias, mean, variance, False, momentum, epsilon, False)
        return Call("aten.batch_norm.default", given)
    if name == "size.getitem" and op_name(node.all_input_nodes[0]) == NORM:
        return Call("aten.alias.default", args[:1])
    if name in _VIEWS:
        return Call(_VIEWS[name], args)
    if name in EMPTY:
        return Call(EMPTY[name], args, kwargs)
    if is_move(name):
        dtype = DType(str(node.meta["val"].dtype).removeprefix("torch."))
        return Call("aten.to.dtype", (args[0], dtype))
    return Call(name, args, kwargs)


def _loop_call(node: Node, name: str) -> Call:
    """A loop with its inputs; see `hermesc.frontend.torch.held_loops`."""
    given: dict[str, Arg] = {}
    for group, values in zip((*LOOP_INPUTS[name], "sizes"), node.args, strict=False):
        assert isinstance(values, list | tuple)
        given |= {f"{group}{i}": _arg(value) for i, value in enumerate(values)}

    def named(arg: Arg) -> Arg:
        if isinstance(arg, Ref):
            return given[arg.name]
        return tuple(map(named, arg)) if isinstance(arg, tuple) else arg

    args = from_json(json.loads(str(node.args[-1])))
    assert isinstance(args, tuple)
    return Call(name, tuple(map(named, args)))


def is_check(name: str) -> bool:
    """Whether it only looks at sizes and dtypes."""
    return name.split(".")[1].startswith(_CHECKS)


def is_move(name: str) -> bool:
    """A move to another device is no work here: only a new dtype counts."""
    return name in ("aten.to.device", "aten.to.other", "aten.to.dtype_layout", "aten._to_cpu")


def is_overwritten(node: Node) -> bool:
    """Whether the model only writes to it, in whole or in parts."""
    for user in node.users:
        base = base_name(op_name(user)) if user.op == "call_function" else ""
        if base not in _WRITES and not (base in _PARTS and is_overwritten(user)):
            return False
    return True


def _arg(value: Any) -> Arg:
    match value:
        case Node():
            return Ref(value.name)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return tuple(_arg(v) for v in value)
        case torch.dtype():
            name = str(value).removeprefix("torch.")
            if name not in dtype_names():
                raise ModelError(f"the model uses the dtype {name}, which no program holds")
            return DType(name)
        case torch.device() | torch.layout() | torch.memory_format():
            return None
    raise ModelError(f"the model passes a {type(value).__name__} to an operation: {value!r}")


def type_of(value: Any) -> ValueType:
    """The type of what a node was captured with."""
    if isinstance(value, Tensor):
        return tensor_type(value)
    if isinstance(value, list | tuple):
        return TupleType(tuple(type_of(v) for v in value))
    return SizeType()


def tensor_type(value: Tensor) -> TensorType:
    """The type of a tensor."""
    dims = tuple(_dim(size) for size in value.shape)
    return TensorType(dims, str(value.dtype).removeprefix("torch."))


def _dim(size: int | torch.SymInt) -> Dim:
    if isinstance(size, int):
        return size
    fixed = size.node.maybe_as_int()  # a symbol that the model's own code tied to one value
    return str(size) if fixed is None else int(fixed)
