"""torch.while_loop, scan and map without control flow: their steps written out.

A scan or map has as many steps as its input has rows; a while_loop as many as its condition says,
where that follows from constants alone, such as a counter. A loop whose number of steps depends on
the data or on a free size stays one; see `hermesc.frontend.torch.held_loops`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from hermesc.frontend.torch.branches import inlined, placed, replace_results, settle
from hermesc.frontend.torch.expand import is_pure

MOST_STEPS = 4096
_LARGEST = 4096  # values of a tensor that is followed to count steps

Known = Mapping[Node, Any]


def unroll_loops(exported: ExportedProgram) -> tuple[ExportedProgram, tuple[str, ...]]:
    """The program with its loops written out, in place, and notes."""
    notes = unroll_within(exported.graph_module, lambda: _constants(exported))
    if notes:
        settle(exported)
        exported.graph_module.graph.eliminate_dead_code()
        exported.graph_module.recompile()
    return exported, tuple(dict.fromkeys(notes))


def unroll_within(owner: GraphModule, constants: Callable[[], Known]) -> list[str]:
    """Write out the loops of a graph, in place; notes."""
    loops = [node for node in owner.graph.nodes if loop_name(node) is not None]
    known, notes = constants() if loops else {}, []
    for node in loops:
        name = loop_name(node)
        whiles = name == "while_loop"
        written = _while(owner, node, known) if whiles else _scan(owner, node)
        if written is not None:
            results, count = written
            replace_results(node, results)
            notes.append(f"torch.{name}: its {count} steps are written out one after the other")
    return notes


def loop_name(node: Node) -> str | None:
    """`scan`, `map` or `while_loop`, if a node is one."""
    if node.op != "call_function" or not isinstance(node.target, HigherOrderOperator):
        return None
    name = str(node.target._name).removesuffix("_impl")
    return name if name in ("scan", "map", "while_loop") else None


def scan_parts(node: Node) -> tuple[Node, list[Any], list[Any], list[Any]]:
    """Body, carried values, rows and other inputs of a scan, or of a map, which carries nothing."""
    given: Sequence[Any] = node.args
    body, *carried, rows, others = given
    return body, [x for some in carried for x in some], list(rows), list(others)


def _scan(owner: GraphModule, node: Node) -> tuple[list[Any], int] | None:
    """Results of a scan, carried values first, and its number of steps; None where that is free."""
    combine, carried, rows, others = scan_parts(node)
    count = _length(rows)
    if count is None or count > MOST_STEPS:
        return None
    given: list[list[Any]] = []
    for step in range(count):
        with owner.graph.inserting_before(node):
            parts = [_made(node, torch.ops.aten.select.int, (x, 0, step)) for x in rows]
        results = inlined(owner, node, combine, (*carried, *parts, *others))
        carried, own = results[: len(carried)], results[len(carried) :]
        given.append(own)
    with owner.graph.inserting_before(node):
        stacked = [
            _made(node, torch.ops.aten.stack.default, (list(values), 0), node.meta["val"][place])
            for place, values in enumerate(zip(*given, strict=True), len(carried))
        ]
    return [*carried, *stacked], count


def _length(rows: Sequence[Any]) -> int | None:
    sizes = [x.meta["val"].shape[0] for x in rows]
    return sizes[0] if all(type(s) is int and s == sizes[0] for s in sizes) else None


def _while(owner: GraphModule, node: Node, known: Known) -> tuple[list[Any], int] | None:
    """Results of a while_loop and its number of steps; None where that is not known."""
    condition, body, start, others = node.args
    assert isinstance(condition, Node)
    assert isinstance(body, Node)
    assert isinstance(start, Sequence)
    assert isinstance(others, Sequence)
    operands = [*start, *others]
    values = [_value(x, known) for x in operands]
    plans: list[list[Any]] = []
    while True:
        (going,) = _followed(getattr(owner, str(condition.target)), values)
        if going is _UNKNOWN or len(plans) > MOST_STEPS:
            return None
        if not bool(going):
            break
        found = _followed(getattr(owner, str(body.target)), values)
        values = [*found, *values[len(found) :]]
        plans.append(found)
    carried: list[Any] = list(start)
    for found in plans:
        carried = inlined(owner, node, body, (*carried, *others))
        numbers = zip(found, carried, strict=True)
        carried = [v if isinstance(v, int | float) else node_ for v, node_ in numbers]
    return carried, len(plans)


_UNKNOWN = object()


def _value(x: Any, known: Known) -> Any:
    return known.get(x, _UNKNOWN) if isinstance(x, Node) else x


def _followed(graph: GraphModule, given: Sequence[Any]) -> list[Any]:
    """What a graph gives, as far as it follows from what is known of its inputs."""
    inputs: Iterator[Any] = iter(given)
    known: dict[Node, Any] = {}
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            value = next(inputs)
            if value is not _UNKNOWN:
                known[node] = value
        elif node.op == "call_function":
            _follow(node, known)
        elif node.op == "output":
            results = node.args[0]
            several = results if isinstance(results, tuple | list) else (results,)
            return [_value(r, known) for r in several]
    raise AssertionError("a graph without output")


def _follow(node: Node, known: dict[Node, Any]) -> None:
    """Compute a node if all that it takes is known and small."""
    held = [known.get(n, _UNKNOWN) for n in node.all_input_nodes]
    if any(v is _UNKNOWN for v in held) or not callable(node.target):
        return
    if not held and not is_pure(node):
        return
    made = node.meta.get("val")
    if any(isinstance(v, Tensor) and v.numel() > _LARGEST for v in (*held, made)):
        return
    target: Callable[..., Any] = node.target
    args, kwargs = map_arg((node.args, dict(node.kwargs)), lambda n: _own(known[n]))
    known[node] = target(*args, **kwargs)


def _own(value: Any) -> Any:
    """A copy, for some operations write."""
    return value.clone() if isinstance(value, Tensor) else value


def _constants(exported: ExportedProgram) -> dict[Node, Any]:
    """The nodes of the program that follow from its constants."""
    signature = exported.graph_signature
    held = {**exported.state_dict, **exported.constants}
    places = {
        **signature.inputs_to_lifted_tensor_constants,
        **signature.inputs_to_buffers,
        **signature.inputs_to_parameters,
    }
    known: dict[Node, Any] = {}
    for node in exported.graph.nodes:
        if node.op == "placeholder" and places.get(node.name) in held:
            known[node] = held[places[node.name]]
        elif node.op == "get_attr" and isinstance(
            value := getattr(exported.graph_module, str(node.target), None), Tensor
        ):
            known[node] = value
        elif node.op == "call_function" and loop_name(node) is None:
            _follow(node, known)
    return known


def _made(node: Node, target: Any, args: tuple[Any, ...], value: Any = None) -> Node:
    """A new node before another one, at its place in the user's code."""
    made = node.graph.call_function(target, args)
    first = args[0]
    value = target(first.meta["val"], *args[1:]) if value is None else value
    made.meta = {**placed(node, node), "val": value}
    return made
