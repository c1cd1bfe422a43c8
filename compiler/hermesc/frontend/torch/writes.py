"""Operations in place, written as operations that give a new tensor, and parts under no_grad().

Torch's own way, functionalisation, traces the whole model a second time, which takes longer than
the first time. Where nothing else can see the memory that is written, renaming is enough.
"""

import contextlib
import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

from hermesc.frontend.torch.branches import inlined, replace_results, settle
from hermesc.frontend.torch.expand import writes_in_place
from hermesrt.ops.call import resolve

_ATEN = torch.ops.aten
# Composed of other operations, and never one of their own arguments.
_NEW = {
    _ATEN.linear.default,
    _ATEN.conv1d.default,
    _ATEN.conv2d.default,
    _ATEN.conv3d.default,
    _ATEN.conv1d.padding,
    _ATEN.conv2d.padding,
    _ATEN.conv3d.padding,
    _ATEN.conv_transpose1d.default,
    _ATEN.conv_transpose2d.input,
    _ATEN.conv_transpose3d.input,
    _ATEN.batch_norm.default,
    _ATEN.group_norm.default,
    _ATEN.layer_norm.default,
    _ATEN.max_pool2d.default,
}


_DROPOUTS = {
    _ATEN.dropout.default,
    _ATEN.feature_dropout.default,
    _ATEN.alpha_dropout.default,
    _ATEN.feature_alpha_dropout.default,
    _ATEN.dropout_.default,
    _ATEN.feature_dropout_.default,
    _ATEN.alpha_dropout_.default,
    _ATEN.feature_alpha_dropout_.default,
}
_STRUCTURED = "CompositeImplicitAutograd"  # torch holds all others to what their schema says


def without_gradient_modes(exported: ExportedProgram) -> ExportedProgram:
    """The program with its parts under torch.no_grad() among the others, in place."""
    owner = exported.graph_module
    while parts := [node for node in owner.graph.nodes if _sets_gradients(node)]:
        for node in parts:
            _inline(owner, node)
        settle(exported)
        owner.recompile()
    return exported


def _sets_gradients(node: Node) -> bool:
    """Whether a node is such a part, and its results are taken by their places."""
    taken = all(user.target is operator.getitem for user in node.users)
    return node.target is torch.ops.higher_order.wrap_with_set_grad_enabled and taken


def _inline(owner: GraphModule, node: Node) -> None:
    part = node.args[1]
    assert isinstance(part, Node)
    replace_results(node, inlined(owner, node, part, node.args[2:]))
    if not part.users:
        owner.graph.erase_node(part)


def write_anew(exported: ExportedProgram) -> ExportedProgram:
    """The program with operations in place renamed where that says the same, in place."""
    graph = exported.graph_module.graph
    dropped = without_idle_dropout(graph)
    order = {node: place for place, node in enumerate(graph.nodes)}
    written = [node for node in graph.nodes if writes_in_place(node)]
    renamed = [_rename(node, order) for node in written]
    if dropped or any(renamed):
        settle(exported)
        exported.graph_module.recompile()
    return exported


def without_idle_dropout(graph: Graph) -> bool:
    """Take it out of a graph, in place; whether there was any."""
    dropped = [node for node in graph.nodes if _drops_nothing(node)]
    for node in dropped:
        node.replace_all_uses_with(node.args[0])
        graph.erase_node(node)
    return bool(dropped)


def _drops_nothing(node: Node) -> bool:
    """Whether it is a dropout in evaluation, which gives back the very tensor that it takes; one
    that always drops (`F.dropout(x)`) is refused as random."""
    return node.target in _DROPOUTS and node.args[2] is False


def _rename(node: Node, order: Mapping[Node, int]) -> bool:
    """Rename one operation, if nothing that stands before it shares the memory that it writes."""
    pure, old = _pure_form(node.target), node.args[0] if node.args else None
    if pure is None or not isinstance(old, Node) or not _gives_new(old):
        return False
    if not _same_kind(node, pure):
        return False
    before = [user for user in old.users if user is not node and order[user] < order[node]]
    if not all(_gives_new(user) for user in before):
        return False
    node.target = pure
    old.replace_all_uses_with(node, lambda user: user is not node and user not in before)
    return True


def _pure_form(target: Any) -> OpOverload | None:
    """The same operation that gives a new tensor, if it writes its first argument alone and a
    program may hold the other."""
    name, overload = target._opname, target._overloadname
    taken = target._schema.arguments
    written = [i for i, a in enumerate(taken) if a.alias_info and a.alias_info.is_write]
    packet = getattr(_ATEN, name.removesuffix("_"), None)
    if not name.endswith("_") or written != [0] or packet is None:
        return None
    pure = getattr(packet, overload, None)
    known = resolve(f"aten.{name[:-1]}.{overload}") is not None
    return pure if known and _takes(pure) == _takes(target) else None


def _takes(target: Any) -> list[tuple[str, str]]:
    """Names and types of arguments: `pow_.Scalar` and `pow.Scalar` are not the same power."""
    return [(a.name, str(a.type)) for a in target._schema.arguments]


def _gives_new(node: Node) -> bool:
    """Whether a node's results are memory that none of its arguments holds."""
    target = node.target
    if node.op == "output":
        return True
    if not isinstance(target, OpOverload):
        return False
    composed = torch._C._dispatch_has_kernel_for_dispatch_key(_full_name(target), _STRUCTURED)
    shares = any(r.alias_info for r in target._schema.returns)
    return target in _NEW if composed else not shares


def _same_kind(node: Node, pure: OpOverload) -> bool:
    """Whether the new tensor has the type of the one that is written, which a comparison, for one,
    would not have."""
    values = [n.meta.get("val") for n in node.all_input_nodes]
    types = {getattr(value, "dtype", None) for value in values}
    if len(types) > 1 or None in types:
        return False
    with detect_fake_mode(values) or contextlib.nullcontext(), torch.no_grad():
        made = pure(*map_arg(node.args, _value), **map_arg(node.kwargs, _value))
    return made.dtype in types


def _value(node: Node) -> Any:
    return node.meta["val"]


def _full_name(target: OpOverload) -> str:
    """As torch's dispatcher knows it."""
    name, overload = target._schema.name, target._schema.overload_name
    return f"{name}.{overload}" if overload else str(name)
