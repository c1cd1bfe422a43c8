"""torch.cond without control flow: both branches are computed, and one result is taken.

A branch is a pure function, so a program may run both and select, on the host. A predicate that is
known while capturing leaves one branch.
"""

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import TensorArgument
from torch.fx import GraphModule, Node

from hermesc.frontend.torch.location import user_frames

BOTH = "torch.cond: both branches are computed for every batch, and one result is taken"


def select_branches(exported: ExportedProgram) -> tuple[ExportedProgram, tuple[str, ...]]:
    """The program with its torch.cond operations written as selections, in place, and notes."""
    graph = exported.graph_module.graph
    found = [n for n in graph.nodes if n.op == "call_function" and is_cond(n)]
    both = [_select(exported.graph_module, node) for node in found]
    if found:
        _name_outputs(exported)
        graph.eliminate_dead_code()
        exported.graph_module.recompile()
    return exported, (BOTH,) if any(both) else ()


def is_cond(node: Node) -> bool:
    """Whether a node is torch.cond."""
    return node.target is torch.ops.higher_order.cond


def near(node: Node) -> Node:
    """The node itself, or the last one before it whose line in the user's code is known."""
    at = node
    while at.op != "root" and not user_frames(at.meta):
        at = at.prev
    return node if at.op == "root" else at


def _select(owner: GraphModule, node: Node) -> bool:
    """Write one selection; whether both branches remain."""
    predicate, *branches, operands = node.args
    parts = [_inlined(owner, node, branch, operands) for branch in branches]
    known = _known(predicate)
    chosen = parts[0 if known else 1] if known is not None else _where(node, predicate, *parts)
    for user in list(node.users):
        place = user.args[1]
        assert isinstance(place, int)
        user.replace_all_uses_with(chosen[place])
        owner.graph.erase_node(user)
    owner.graph.erase_node(node)
    return known is None


def _name_outputs(exported: ExportedProgram) -> None:
    """The signature names the nodes that are given out now."""
    given = exported.graph.output_node().args[0]
    assert isinstance(given, tuple | list)
    for spec, node in zip(exported.graph_signature.output_specs, given, strict=True):
        if isinstance(spec.arg, TensorArgument) and isinstance(node, Node):
            spec.arg = TensorArgument(name=node.name)


def _known(predicate: Any) -> bool | None:
    value = predicate.meta.get("val") if isinstance(predicate, Node) else predicate
    return value if isinstance(value, bool) else None


def _inlined(owner: GraphModule, node: Node, branch: Any, operands: Any) -> list[Any]:
    """The results of a branch, whose operations are written before the node."""
    inner: GraphModule = getattr(owner, branch.target)
    places = [n for n in inner.graph.nodes if n.op == "placeholder"]
    values: dict[Node, Any] = dict(zip(places, operands, strict=True))
    with owner.graph.inserting_before(node):
        for step in inner.graph.nodes:
            if step.op == "get_attr":
                owner.register_module(f"{branch.target}_{step.target}", _part(inner, step))
                values[step] = owner.graph.get_attr(f"{branch.target}_{step.target}")
            elif step.op == "call_function":
                values[step] = owner.graph.node_copy(step, values.__getitem__)
                values[step].meta = {**step.meta, **_place(step, node)}
            elif step.op == "output":
                return [values[s] if isinstance(s, Node) else s for s in step.args[0]]
    raise AssertionError("a graph without output")


def _part(inner: GraphModule, step: Node) -> GraphModule:
    part = getattr(inner, str(step.target))
    assert isinstance(part, GraphModule)
    return part


def _where(node: Node, predicate: Any, yes: list[Any], no: list[Any]) -> list[Any]:
    chosen = []
    with node.graph.inserting_before(node):
        for i, pair in enumerate(zip(yes, no, strict=True)):
            made = node.graph.call_function(torch.ops.aten.where.self, (predicate, *pair))
            made.meta = {**_place(node, node), "val": node.meta["val"][i]}
            chosen.append(made)
    return chosen


def _place(step: Node, node: Node) -> dict[str, Any]:
    """Where a step was written, or else where torch.cond was."""
    known = step if user_frames(step.meta) else near(node)
    return {k: known.meta[k] for k in ("stack_trace", "nn_module_stack") if k in known.meta}
