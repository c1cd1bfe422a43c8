"""torch.cond without control flow: both branches are computed, and one result is taken.

A branch is a pure function, so a program may run both and select, on the host. A predicate that is
known while capturing leaves one branch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import TensorArgument
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from hermesc.frontend.torch.location import user_frames

BOTH = "torch.cond: both branches are computed for every batch, and one result is taken"


def select_branches(exported: ExportedProgram) -> tuple[ExportedProgram, tuple[str, ...]]:
    """The program with its torch.cond operations written as selections, in place, and notes."""
    both = select_within(exported.graph_module)
    if both:
        settle(exported)
        exported.graph_module.graph.eliminate_dead_code()
        exported.graph_module.recompile()
    return exported, (BOTH,) if any(both) else ()


def select_within(owner: GraphModule) -> list[bool]:
    """Write the torch.cond operations of a graph as selections, in place; of each, whether both
    branches remain."""
    found = [n for n in owner.graph.nodes if n.op == "call_function" and is_cond(n)]
    return [_select(owner, node) for node in found]


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
    parts = [inlined(owner, node, branch, operands) for branch in branches]
    known = _known(predicate)
    chosen = parts[0 if known else 1] if known is not None else _where(node, predicate, *parts)
    replace_results(node, chosen)
    return known is None


def replace_results(node: Node, results: Sequence[Any]) -> None:
    """Give those that take a node's results by their places these instead: nodes, or numbers."""
    for user in list(node.users):
        place = user.args[1]
        assert isinstance(place, int)
        chosen = results[place]
        if isinstance(chosen, Node):
            user.replace_all_uses_with(chosen)
        else:
            for taker in list(user.users):
                taker.args = map_arg(taker.args, _instead(user, chosen))
        node.graph.erase_node(user)
    node.graph.erase_node(node)


def _instead(old: Node, new: Any) -> Callable[[Node], Any]:
    return lambda node: new if node is old else node


def settle(exported: ExportedProgram) -> None:
    """The signature names the nodes that are given out now, and constants of inner graphs are the
    program's."""
    for node in exported.graph.nodes:
        value = getattr(exported.graph_module, str(node.target), None)
        if node.op == "get_attr" and isinstance(value, Tensor):
            exported.constants[str(node.target)] = value
    given = exported.graph.output_node().args[0]
    assert isinstance(given, tuple | list)
    for spec, node in zip(exported.graph_signature.output_specs, given, strict=True):
        if isinstance(spec.arg, TensorArgument) and isinstance(node, Node):
            spec.arg = TensorArgument(name=node.name)


def _known(predicate: Any) -> bool | None:
    value = predicate.meta.get("val") if isinstance(predicate, Node) else predicate
    return value if isinstance(value, bool) else None


def inlined(owner: GraphModule, node: Node, branch: Any, operands: Any) -> list[Any]:
    """The results of a branch, whose operations are written before the node."""
    inner: GraphModule = getattr(owner, branch.target)
    places = [n for n in inner.graph.nodes if n.op == "placeholder"]
    values: dict[Node, Any] = dict(zip(places, operands, strict=True))
    with owner.graph.inserting_before(node):
        for step in inner.graph.nodes:
            if step.op == "get_attr":
                values[step] = _attribute(owner, inner, f"{branch.target}_{step.target}", step)
            elif step.op == "call_function":
                values[step] = owner.graph.node_copy(step, values.__getitem__)
                values[step].meta = {**step.meta, **placed(step, node)}
            elif step.op == "output":
                return [values[s] if isinstance(s, Node) else s for s in step.args[0]]
    raise AssertionError("a graph without output")


def _attribute(owner: GraphModule, inner: GraphModule, name: str, step: Node) -> Node:
    """A graph or a constant of an inner graph, in the outer one under this name."""
    part = getattr(inner, str(step.target))
    if isinstance(part, GraphModule):
        owner.register_module(name, part)
    elif not hasattr(owner, name):
        owner.register_buffer(name, part)
    made = owner.graph.get_attr(name)
    made.meta = dict(step.meta)
    return made


def _where(node: Node, predicate: Any, yes: list[Any], no: list[Any]) -> list[Any]:
    chosen = []
    with node.graph.inserting_before(node):
        for i, pair in enumerate(zip(yes, no, strict=True)):
            made = node.graph.call_function(torch.ops.aten.where.self, (predicate, *pair))
            made.meta = {**placed(node, node), "val": node.meta["val"][i]}
            chosen.append(made)
    return chosen


def placed(step: Node, node: Node) -> dict[str, Any]:
    """Where a step of an inner graph was written, or else where the node is that holds it."""
    known = step if user_frames(step.meta) else near(node)
    return {k: known.meta[k] for k in ("stack_trace", "nn_module_stack") if k in known.meta}
