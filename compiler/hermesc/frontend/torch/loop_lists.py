"""A captured loop as the lists of calls that a program holds (`hermesrt.ops.loop_rules`).

In: a loop of a graph, with a graph for its step and, for torch.while_loop, its condition. Out: its
text, and the tensors that the graphs hold, which become inputs of the loop. What no program holds
is refused with the reason.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._guards import detect_fake_mode
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from hermesc.frontend.torch.branches import select_within
from hermesc.frontend.torch.calls import call_of, is_check
from hermesc.frontend.torch.expand import expansions, op_name, writes_in_place
from hermesc.frontend.torch.loops import loop_name, scan_parts, unroll_within
from hermesc.frontend.torch.refusals import why_refused
from hermesc.frontend.torch.writes import without_idle_dropout
from hermesrt.ops.call import Body, Call, Ref, to_json
from hermesrt.ops.loop_rules import (
    MOST_DEPTH,
    USUAL_LIMIT,
    Scan,
    WhileLoop,
    limited,
    loop_depth,
    shared_limit,
)
from hermesrt.ops.table import op_class

_MATRIX = (
    "multiplies by a fixed matrix, {0}, and its number of steps is known at the run alone, but "
    "crossbars serve a fixed list of products; write a Python loop of a fixed number of steps, in "
    "which torch.where keeps what is done, or move the loop out of the model"
)


class RefusedLoopError(Exception):
    """A loop that no program holds, and why."""


@dataclass(frozen=True, slots=True)
class LoopNode:
    """A loop of a captured graph.

    owner: the graph that it is in.
    node: the loop.
    graphs: its step; for torch.while_loop, its condition and its step.
    carried: values that a step takes from the one before it, tensors or whole numbers.
    rows: tensors of which each step takes a row; none for torch.while_loop.
    others: values that all steps take, tensors or sizes.
    """

    owner: GraphModule
    node: Node
    graphs: tuple[GraphModule, ...]
    carried: tuple[Any, ...]
    rows: tuple[Any, ...]
    others: tuple[Any, ...]

    @property
    def is_scan(self) -> bool:
        """Whether it takes rows, as torch.scan and torch.map do."""
        return len(self.graphs) == 1

    @property
    def moving(self) -> int:
        """Inputs of a step that change from one to the next."""
        return len(self.carried) + len(self.rows)

    def split(self) -> tuple[list[Any], list[Any]]:
        """The other inputs that are tensors, and those that are sizes."""
        tensors = [x for x in self.others if is_tensor(x)]
        return tensors, [x for x in self.others if not is_tensor(x)]


@dataclass(frozen=True, slots=True)
class LoopConstant:
    """A tensor that a body holds: an input of the loop from now on.

    node: in the body's graph.
    value: the tensor.
    """

    node: Node
    value: Tensor


def loop_node(owner: GraphModule, node: Node) -> LoopNode:
    """A node that `loop_name` names, with its parts."""
    given: Sequence[Any] = node.args
    parts: Sequence[Node]
    rows: Sequence[Any] = ()
    if loop_name(node) == "while_loop":
        condition, body, carried, others = given
        parts = [condition, body]
    else:
        body, carried, rows, others = scan_parts(node)
        parts = [body]
    graphs = tuple(getattr(owner, str(part.target)) for part in parts)
    return LoopNode(owner, node, graphs, tuple(carried), tuple(rows), tuple(others))


def is_tensor(x: Any) -> bool:
    """Whether an input of a loop is a tensor, not a number or a size."""
    return isinstance(x, Node) and isinstance(x.meta.get("val"), Tensor)


def fixed_nodes(owner: GraphModule, inputs: Mapping[str, str]) -> dict[Node, str]:
    """Nodes whose value depends on no other input than these, with the name of one of them."""
    found: dict[Node, str] = {}
    for node in owner.graph.nodes:
        if node.op == "get_attr":
            found[node] = str(node.target)
        elif node.op == "placeholder" and node.name in inputs:
            found[node] = inputs[node.name]
        elif node.op == "call_function" and node.all_input_nodes:
            names = [found.get(n) for n in node.all_input_nodes]
            if None not in names:
                found[node] = str(names[0])
    return found


def fixed_inputs(loop: LoopNode, graph: GraphModule, fixed: Mapping[Node, str]) -> dict[str, str]:
    """Inputs of a body that are the same in all steps and all runs, with their names around it."""
    places = [n for n in graph.graph.nodes if n.op == "placeholder"]
    given = [*loop.carried, *loop.rows, *loop.others]
    pairs = list(zip(places, given, strict=True))[loop.moving :]
    return {p.name: fixed[x] for p, x in pairs if isinstance(x, Node) and x in fixed}


def check_numbers(loop: LoopNode) -> None:
    """Raises: RefusedLoopError for a Python number that a program could not carry."""
    if any(isinstance(x, bool | float) for x in loop.carried):
        raise RefusedLoopError("it carries a Python number that is not whole; make it a tensor")
    if not all(_is_used_as_tensor(u) for u in loop.node.users if _is_number(loop, u)):
        raise RefusedLoopError("its counter is used behind it as a Python number; make it a tensor")


def check_matrices(graph: GraphModule, fixed: Mapping[Node, str]) -> None:
    """Raises: RefusedLoopError for a product of a step with a fixed matrix."""
    for node in graph.graph.nodes:
        if node.op != "call_function" or node in fixed:
            continue
        if op_class(op_name(node)) == "product":
            taken = [n for n in node.all_input_nodes if n in fixed]
            wide = [fixed[n] for n in taken if n.meta["val"].dim() > 1]
            if wide:
                raise RefusedLoopError(_MATRIX.format(wide[0]))


def simplify(graph: GraphModule) -> None:
    """Loops of known length in a body are written out, and choices made."""
    while unroll_within(graph, lambda: _constants_of(graph)):
        select_within(graph)
    select_within(graph)
    without_idle_dropout(graph.graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def loop_text(loop: LoopNode) -> tuple[str, list[LoopConstant]]:
    """The loop as text, and the constants of its bodies, which are taken out of them.

    Raises: RefusedLoopError.
    """
    found = [_lift_constants(graph) for graph in loop.graphs]
    constants = [c for own in found for c in own]
    bodies = [_body(loop, g, own, found) for g, own in zip(loop.graphs, found, strict=True)]
    call = _call(loop, bodies, len(constants))
    depth = loop_depth(call)
    if depth > MOST_DEPTH:
        raise RefusedLoopError(f"it holds loops {depth} deep; a program holds {MOST_DEPTH}")
    return json.dumps(to_json(limited(call, shared_limit(USUAL_LIMIT, call)).args)), constants


def _call(loop: LoopNode, bodies: Sequence[Body], constants: int) -> Call:
    tensors, sizes = loop.split()
    carried = tuple(Ref(f"carried{i}") for i in range(len(loop.carried)))
    others = [Ref(f"others{i}") for i in range(len(tensors) + constants)]
    others += [Ref(f"sizes{i}") for i in range(len(sizes))]
    if loop.is_scan:
        rows = tuple(Ref(f"rows{i}") for i in range(len(loop.rows)))
        return Scan(bodies[0], carried, rows, tuple(others)).call
    places = tuple(i for i, x in enumerate(loop.carried) if not is_tensor(x))
    return WhileLoop(bodies[0], bodies[1], carried, tuple(others), places).call


def _body(
    loop: LoopNode,
    graph: GraphModule,
    own: Sequence[LoopConstant],
    all_of: Sequence[Sequence[LoopConstant]],
) -> Body:
    """The calls of a graph, whose inputs come in the order of the loop's."""
    places = [n.name for n in graph.graph.nodes if n.op == "placeholder"]
    pure = _pure(graph)
    now = [n.name for n in pure.graph.nodes if n.op == "placeholder"]
    named = dict(zip(places, now, strict=True))
    others = list(zip(places[loop.moving :], loop.others, strict=False))
    inputs = places[: loop.moving] + [n for n, x in others if is_tensor(x)]
    for part in all_of:
        inputs += [c.node.name if part is own else f"~{id(c)}" for c in part]
    inputs += [n for n, x in others if not is_tensor(x)]
    unused = {name: f"~{i}" for i, name in enumerate(inputs) if name not in named}
    taken = tuple(unused.get(name) or named[name] for name in inputs)
    return Body(taken, tuple(_steps(pure)), _outputs(pure))


def _steps(pure: GraphModule) -> Iterator[tuple[str, Call]]:
    for node in pure.graph.nodes:
        if node.op == "call_function" and not is_check(op_name(node)):
            reason = why_refused(node, op_name(node))
            if reason is not None:
                raise RefusedLoopError(f"{op_name(node)} in it: {reason}")
            yield node.name, call_of(node, op_name(node))


def _outputs(pure: GraphModule) -> tuple[str, ...]:
    given: Any = pure.graph.output_node().args[0]
    several = given if isinstance(given, tuple | list) else (given,)
    if not all(isinstance(x, Node) for x in several):
        raise RefusedLoopError("a step gives a Python number; make it a tensor")
    return tuple(x.name for x in several)


def _is_number(loop: LoopNode, user: Node) -> bool:
    place = user.args[1]
    assert isinstance(place, int)
    return place < len(loop.carried) and not is_tensor(loop.carried[place])


def _is_used_as_tensor(user: Node) -> bool:
    return all(taker.op == "output" for taker in user.users)


def _constants_of(graph: GraphModule) -> dict[Node, Any]:
    return {
        node: value
        for node in graph.graph.nodes
        if node.op == "get_attr"
        and isinstance(value := getattr(graph, str(node.target), None), Tensor)
    }


def _lift_constants(graph: GraphModule) -> list[LoopConstant]:
    """The tensors that a body holds become its last inputs."""
    found: list[LoopConstant] = []
    last = [n for n in graph.graph.nodes if n.op == "placeholder"][-1]
    for node, value in _constants_of(graph).items():
        with graph.graph.inserting_after(found[-1].node if found else last):
            made = graph.graph.placeholder(f"{node.name}_input")
        mode: Any = detect_fake_mode([n.meta.get("val") for n in graph.graph.nodes])
        made.meta = {"val": mode.from_tensor(value)}
        node.replace_all_uses_with(made)
        graph.graph.erase_node(node)
        found.append(LoopConstant(made, value))
    graph.recompile()
    return found


def _pure(graph: GraphModule) -> GraphModule:
    """A body without writing in place and operations that no program holds."""
    table = expansions(graph.graph)
    if not table and not any(map(writes_in_place, graph.graph.nodes)):
        return graph
    values = [n.meta["val"] for n in graph.graph.nodes if n.op == "placeholder"]
    mode: Any = detect_fake_mode(values)
    functional = torch.func.functionalize(graph, remove="mutations")
    with mode, torch.no_grad():
        return make_fx(functional, decomposition_table=table)(*values)
