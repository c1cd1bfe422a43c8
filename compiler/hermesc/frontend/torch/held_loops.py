"""torch.while_loop, scan and map with a number of steps that is known at the run alone.

A program holds such a loop as lists of calls, which the host runs. While the graph is made
functional, one operation of ours stands for it (`loop_operations`), with its lists as text
(`loop_lists`). A loop with a fixed matrix is refused at its line, for crossbars serve a fixed list
of products.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Node

from hermesc.frontend.own_layers import NAMESPACE
from hermesc.frontend.torch import loop_operations as loop_operations  # torch knows them from here
from hermesc.frontend.torch.branches import placed, settle
from hermesc.frontend.torch.loop_lists import (
    LoopConstant,
    LoopNode,
    RefusedLoopError,
    check_matrices,
    check_numbers,
    fixed_inputs,
    fixed_nodes,
    is_tensor,
    loop_node,
    loop_text,
    simplify,
)
from hermesc.frontend.torch.loops import loop_name
from hermesc.frontend.torch.refusals import REFUSED_LOOP


def hold_loops(exported: ExportedProgram) -> ExportedProgram:
    """The program with the loops that are left in it as operations of ours, in place."""
    owner = exported.graph_module
    if not _hold_within(owner, _model_constants(exported)):
        return exported
    settle(exported)
    owner.graph.eliminate_dead_code()
    owner.recompile()
    return exported


def _model_constants(exported: ExportedProgram) -> dict[str, str]:
    """What the model calls its weights and buffers, by the names of their nodes."""
    specs = exported.graph_signature.input_specs
    return {s.arg.name: str(s.target) for s in specs if s.kind is not InputKind.USER_INPUT}


def _hold_within(owner: GraphModule, fixed: Mapping[str, str]) -> bool:
    """Whether a graph had loops, which are operations of ours now."""
    loops = [node for node in owner.graph.nodes if loop_name(node) is not None]
    nodes = fixed_nodes(owner, fixed) if loops else {}
    for node in loops:
        loop = loop_node(owner, node)
        try:
            text, constants = _held(loop, nodes)
        except RefusedLoopError as refused:
            text, constants = f"{REFUSED_LOOP}{refused}", []
        _write(loop, text, constants)
    return bool(loops)


def _held(loop: LoopNode, fixed: Mapping[Node, str]) -> tuple[str, list[LoopConstant]]:
    """The loop as text, and the constants of its bodies.

    Raises: RefusedLoopError.
    """
    check_numbers(loop)
    for graph in loop.graphs:
        simplify(graph)
        own = fixed_inputs(loop, graph, fixed)
        _hold_within(graph, own)
        check_matrices(graph, fixed_nodes(graph, own))
    return loop_text(loop)


def _write(loop: LoopNode, text: str, constants: Sequence[LoopConstant]) -> None:
    """Put an operation of ours in the loop's place."""
    owner, node = loop.owner, loop.node
    operations = getattr(torch.ops, NAMESPACE)
    target = operations.scan if loop.is_scan else operations.while_loop
    with owner.graph.inserting_before(node):
        args = _args(loop, text, constants)
        made = owner.graph.call_function(target.default, args)
    values = [_value(owner, x) for x in loop.carried]
    values += node.meta["val"][len(values) :]
    made.meta = {**placed(node, node), "val": values}
    for user in list(node.users):
        user.replace_input_with(node, made)
        user.meta["val"] = values[int(user.args[1])]  # type: ignore[arg-type]
    owner.graph.erase_node(node)


def _args(loop: LoopNode, text: str, constants: Sequence[LoopConstant]) -> tuple[Any, ...]:
    tensors, sizes = loop.split()
    carried = [x if is_tensor(x) else _number(loop, x) for x in loop.carried]
    held = [_constant(loop, f"{loop.node.name}_{i}", c) for i, c in enumerate(constants)]
    if not loop.is_scan:
        return carried, [*tensors, *held], sizes, text
    made = loop.node.meta["val"][len(carried) :]
    dims = [_size(loop, size) for value in made for size in value.shape]
    kinds = [(v.dim(), str(v.dtype).removeprefix("torch.")) for v in made]
    return carried, list(loop.rows), [*tensors, *held], sizes, dims, json.dumps(kinds), text


def _number(loop: LoopNode, value: Any) -> Node:
    """A whole number as a tensor."""
    call = torch.ops.aten.full.default
    made = loop.owner.graph.call_function(call, ([], value), {"dtype": torch.int64})
    made.meta = {**placed(loop.node, loop.node), "val": _value(loop.owner, value)}
    return made


def _constant(loop: LoopNode, name: str, constant: LoopConstant) -> Node:
    loop.owner.register_buffer(name, constant.value)
    made = loop.owner.graph.get_attr(name)
    made.meta = {"val": _mode(loop.owner).from_tensor(constant.value)}
    return made


def _size(loop: LoopNode, size: Any) -> Any:
    """A size of a result: a number, or that size of an input."""
    if isinstance(size, int):
        return size
    for source in (*loop.rows, *loop.carried, *loop.others):
        for dim, known in enumerate(source.meta["val"].shape if is_tensor(source) else ()):
            if not isinstance(known, int) and str(known) == str(size):
                call = torch.ops.aten.sym_size.int
                made = loop.owner.graph.call_function(call, (source, dim))
                made.meta = {**placed(loop.node, loop.node), "val": known}
                return made
    raise AssertionError(f"no input of a scan has the size {size}")


def _mode(owner: GraphModule) -> Any:
    return detect_fake_mode([n.meta.get("val") for n in owner.graph.nodes])


def _value(owner: GraphModule, x: Any) -> Any:
    if is_tensor(x):
        return x.meta["val"]
    with _mode(owner):
        return torch.zeros((), dtype=torch.int64)
