"""The operations that a `.pt2` file may name, and the kinds of argument that each may have.

Torch looks a name up in its own modules and calls what it finds, so only names of the table of
operations pass, those that write in place, checks, and arithmetic on sizes. An argument must be of
the kind that the operation's own schema says: a number where a dtype belongs would crash torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.torch.location import location
from hermesrt.errors import Location, Refusal, UnsupportedOpError
from hermesrt.ops.table import op_class

_CHECKS = (
    "aten._assert_async.msg", "aten._assert_scalar.default", "aten._assert_tensor_metadata.default",
    "aten.sym_constrain_range.default", "aten.sym_constrain_range_for_size.default",
)  # fmt: skip
_DROPOUTS = ("aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default")
# Of weights alone, where they are folded: what torch's parametrisations compute.
_FOLDED = (
    "aten._weight_norm_interface.default", "aten.linalg_householder_product.default",
    "aten.geqrf.default", "aten.linalg_lu_factor.default", "aten.zero_.default",
)  # fmt: skip
_GRAD_MODE = "torch.ops.higher_order.wrap_with_set_grad_enabled"
_SIZES = {
    "_operator.add", "_operator.sub", "_operator.mul", "_operator.floordiv", "_operator.truediv",
    "_operator.mod", "_operator.neg", "_operator.pos", "_operator.pow", "_operator.eq",
    "_operator.ne", "_operator.lt", "_operator.le", "_operator.gt", "_operator.ge",
    "_operator.and_", "_operator.or_", "_operator.lshift", "_operator.rshift", "math.trunc",
    "torch._sym_sqrt", "torch.sym_float", "torch.sym_int", "torch.sym_ite", "torch.sym_max",
    "torch.sym_min", "torch.sym_not",
}  # fmt: skip

_SCALARS = ("as_int", "as_float", "as_bool", "as_sym_int", "as_sym_float", "as_sym_bool")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "Tensor": ("as_tensor", "as_complex", *_SCALARS),
    "List[Tensor]": ("as_tensors",),
    "List[Optional[Tensor]]": ("as_tensors", "as_optional_tensors"),
    "int": ("as_int", "as_sym_int", "as_bool"),
    "float": ("as_float", "as_int", "as_sym_float", "as_sym_int"),
    "bool": ("as_bool", "as_sym_bool"),
    "number": ("as_complex", *_SCALARS),
    "complex": ("as_complex", *_SCALARS),
    "str": ("as_string",),
    "List[int]": ("as_ints", "as_sym_ints", "as_int", "as_sym_int"),
    "List[float]": ("as_floats", "as_sym_floats", "as_ints"),
    "List[bool]": ("as_bools", "as_sym_bools"),
    "ScalarType": ("as_scalar_type",),
    "Layout": ("as_layout",),
    "MemoryFormat": ("as_memory_format",),
    "Device": ("as_device",),
    "Generator": (),
}
_RESULTS = ("Tensor", "List[Tensor]", "int")

_SYMBOL_BITS = 63
_MOST_BITS = 512  # of a whole number that arithmetic on sizes may reach
_BIGGEST_POWER = 16


def check_operations(graph: Mapping[str, Any]) -> None:
    """Every node of a graph, as the schema left it, and of the graphs in it.

    Raises: UnsupportedOpError that lists operations from outside the table; RefusedPart for an
    argument of another kind than the operation takes.
    """
    refusals = list(_refusals(graph))
    if refusals:
        raise UnsupportedOpError(refusals)
    _check_arguments(graph)


def _refusals(graph: Mapping[str, Any]) -> Iterator[Refusal]:
    for node in graph["nodes"]:
        reason = _why_not(node["target"])
        if reason:
            name = node["target"].removeprefix("torch.ops.")
            yield Refusal(name, _location(node), reason)
        for inner in _inner_graphs(node):
            yield from _refusals(inner)


def _location(node: Mapping[str, Any]) -> Location:
    return location({"stack_trace": node["metadata"].get("stack_trace")}, None)


def _inner_graphs(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for argument in node["inputs"]:
        if "as_graph" in argument["arg"]:
            yield argument["arg"]["as_graph"]["graph"]


def _why_not(target: str) -> str | None:
    if target in _SIZES or target == _GRAD_MODE:
        return None
    if target.startswith("torch.ops.higher_order."):
        return "control flow inside the model is not supported"
    overload = _overload(target)
    if overload is None:
        return "not an operation of torch.ops.aten or arithmetic on sizes"
    if _is_listed(target.removeprefix("torch.ops.")) and _has_plain_types(target, overload):
        return None
    if torch.Tag.nondeterministic_seeded in overload.tags:
        return "draws random numbers; draw them once, in __init__, and keep them in a buffer"
    if torch.Tag.data_dependent_output in overload.tags:
        return "the size of its result depends on the data"
    return "not among the operations that the host runs"


def _overload(target: str) -> torch._ops.OpOverload | None:
    """Torch's own operation of that name; names are identifiers, so nothing else is found."""
    match target.split("."):
        case ["torch", "ops", "aten", name, overload]:
            packet = getattr(torch.ops.aten, name, None)
            if isinstance(packet, torch._ops.OpOverloadPacket):
                found = getattr(packet, overload, None)
                return found if isinstance(found, torch._ops.OpOverload) else None
    return None


def _is_listed(op: str) -> bool:
    """Of the table, or what writes in place where the table has the pure operation."""
    if op in _CHECKS or op in _DROPOUTS or op in _FOLDED:
        return True
    _, name, overload = op.split(".")
    return op_class(op) is not None or (
        name.endswith("_") and op_class(f"aten.{name[:-1]}.{overload}") is not None
    )


def _has_plain_types(target: str, overload: torch._ops.OpOverload) -> bool:
    """Tensors and numbers only, not the operations on lists and strings of TorchScript."""
    types = [str(argument.real_type) for argument in overload._schema.arguments]
    plain = all(_bare(kind) in _KINDS for kind in types)
    results = [str(result.real_type) for result in overload._schema.returns]
    op = target.removeprefix("torch.ops.")
    on_tensors = any("Tensor" in kind for kind in types) or op_class(op) == "create"
    return plain and (op in _CHECKS or (on_tensors and all(r in _RESULTS for r in results)))


def _bare(kind: str) -> str:
    return kind.removeprefix("Optional[")[:-1] if kind.startswith("Optional[") else kind


def _check_arguments(graph: Mapping[str, Any]) -> None:
    bits: dict[str, int] = {}
    for node in graph["nodes"]:
        target = node["target"]
        kinds = [next(iter(argument["arg"])) for argument in node["inputs"]]
        overload = _overload(target)
        if overload is not None:
            _check_kinds(node, overload)
        elif target == _GRAD_MODE:
            _check_grad_mode(node, kinds, bits)
        else:
            _check_size_arithmetic(node, bits)


def _check_kinds(node: Mapping[str, Any], overload: torch._ops.OpOverload) -> None:
    types = {a.name: str(a.real_type) for a in overload._schema.arguments}
    names = [argument["name"] for argument in node["inputs"]]
    if len(set(names)) != len(names) or not set(names) <= set(types):
        raise RefusedPart(f"{node['target']} has the arguments {', '.join(names)[:80]}")
    for argument in node["inputs"]:
        ((kind, value),) = argument["arg"].items()
        wanted = types[argument["name"]]
        if not _fits(kind, value, wanted):
            raise RefusedPart(
                f"{node['target']} takes {wanted} for {argument['name']}, not "
                f"{kind.removeprefix('as_')}"
            )


def _fits(kind: str, value: Any, wanted: str) -> bool:
    if kind == "as_none" or (kind == "as_optional_tensor" and "as_none" in value):
        return wanted.startswith("Optional[")
    if kind == "as_optional_tensor":
        return _bare(wanted) == "Tensor"
    empty = isinstance(value, list) and not value and _bare(wanted).startswith("List[")
    return empty or kind in _KINDS[_bare(wanted)]


def _check_grad_mode(
    node: Mapping[str, Any], kinds: Sequence[str], bits: Mapping[str, int]
) -> None:
    """`torch.no_grad()` inside the model: a flag, a graph, and what the graph takes."""
    if kinds[:2] != ["as_bool", "as_graph"] or not set(kinds[2:]) <= {"as_tensor", "as_sym_int"}:
        raise RefusedPart(f"{node['target']} has arguments of the kinds {', '.join(kinds)[:80]}")
    for argument in node["inputs"][2:]:
        if _bits(argument["arg"], bits) > _SYMBOL_BITS:
            raise RefusedPart(f"{node['target']} takes a number of more than 64 bits")
    _check_arguments(node["inputs"][1]["arg"]["as_graph"]["graph"])


def _check_size_arithmetic(node: Mapping[str, Any], bits: dict[str, int]) -> None:
    """Arithmetic on whole numbers, which would take any time and memory if it were not bounded."""
    arguments = [argument["arg"] for argument in node["inputs"]]
    match node["outputs"]:
        case [{"as_sym_int": {"as_name": str(name)}}]:
            pass
        case [{"as_sym_float": {"as_name": str(name)}}]:
            pass
        case [{"as_sym_bool": {"as_name": str(name)}}]:
            pass
        case _:
            raise RefusedPart(f"{node['target']} returns something else than one number")
    if not all(next(iter(argument)) in _SCALARS for argument in arguments):
        raise RefusedPart(f"{node['target']} takes something else than numbers")
    bits[name] = _grown(node["target"], arguments, bits)
    if bits[name] > _MOST_BITS:
        raise RefusedPart(f"{node['target']} may reach a number of more than {_MOST_BITS} bits")


def _grown(target: str, arguments: Sequence[Mapping[str, Any]], bits: Mapping[str, int]) -> int:
    sizes = [_bits(argument, bits) for argument in arguments]
    match target:
        case "_operator.mul":
            return sum(sizes)
        case "_operator.pow" | "_operator.lshift" if len(arguments) == 2:
            power = arguments[1].get("as_int", arguments[1].get("as_float"))
            limit = _BIGGEST_POWER if target == "_operator.pow" else _SYMBOL_BITS
            if power is None or not abs(power) <= limit:
                raise RefusedPart(f"{target} by other than a number up to {limit}")
            exponent = int(abs(power)) + 1
            return sizes[0] * exponent if target == "_operator.pow" else sizes[0] + exponent
        case _:
            return max(sizes, default=0) + 1


def _bits(argument: Mapping[str, Any], bits: Mapping[str, int]) -> int:
    match argument:
        case {"as_sym_int": {"as_name": str(name)}}:
            return bits.get(name, _SYMBOL_BITS)
        case {"as_int": int(value)} | {"as_sym_int": {"as_int": int(value)}}:
            return int(value).bit_length()
        case _:
            return _SYMBOL_BITS
