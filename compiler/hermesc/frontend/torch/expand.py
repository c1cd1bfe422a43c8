"""Operations that no program may hold, written as those that one may, by torch's own tables."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Graph, Node

from hermesc.frontend.own_layers import NAMESPACE
from hermesc.frontend.torch.experts import ALL_EXPERTS, forms, grouped
from hermesc.ir.ops import UNKNOWN_TO_TORCH
from hermesrt.ops.absent import absence_of
from hermesrt.ops.call import resolve


def expand(
    exported: ExportedProgram, *, writes: bool = False
) -> tuple[ExportedProgram, tuple[str, ...]]:
    """The program with such operations decomposed as far as torch's tables go, and notes; as it is
    where it holds none, or where that makes no fewer of them.

    `writes`: it holds operations in place, which torch makes functional on the way.
    """
    experts, unknown = _grouped(exported), _unknown(exported.graph)
    table = _known(unknown) | dict(forms(experts))
    if not table and not writes:
        return exported, ()
    expanded = exported.run_decompositions(table)
    left = _unknown(expanded.graph)
    if left - unknown:  # functional forms of what wrote in place
        return expand(expanded)[0], (ALL_EXPERTS,) if experts else ()
    if not experts and not writes and len(left) >= len(unknown):
        return exported, ()
    return expanded, (ALL_EXPERTS,) if experts else ()


def _grouped(exported: ExportedProgram) -> set[Any]:
    """The products of rows with one matrix for each group of them."""
    calls = (n for n in exported.graph.nodes if n.op == "call_function")
    return {node.target for node in calls if grouped(op_name(node), node)}


def op_name(node: Node) -> str:
    """The name of a node's operation as a program writes it."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        if target.namespace == NAMESPACE:
            own = f"hermesc.{target._opname}.input"
            if target._opname in ("while_loop", "scan"):
                return f"loop.{target._opname.removesuffix('_loop')}"
            overload = "default" if target._opname.endswith("_cell") else "input"
            return own if own in UNKNOWN_TO_TORCH else f"aten.{target._opname}.{overload}"
        return f"{target.namespace}.{target._opname}.{target._overloadname}"
    if target is operator.getitem:
        return "size.getitem"
    name = getattr(target, "__name__", str(target)).removeprefix("_")
    known = isinstance(target, Callable) and getattr(target, "__module__", "") in (  # type: ignore[arg-type]
        "_operator",
        "math",
        "torch",
        "torch.fx.experimental.sym_node",
        "torch.sym_node",
    )
    return f"size.{name}" if known else f"python.{name}"


def writes_in_place(node: Node) -> bool:
    """Whether it is an operation of torch that writes in place."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def is_pure(node: Node) -> bool:
    """Whether it is an operation of torch that neither writes nor draws."""
    target = node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and not writes_in_place(node)
        and torch.Tag.nondeterministic_seeded not in target.tags
    )


def expansions(graph: Graph) -> dict[Any, Callable[..., Any]]:
    """How torch writes those operations of a graph that no program may hold, as far as it does."""
    return _known(_unknown(graph))


def _unknown(graph: Graph) -> set[Any]:
    """What no program holds; memory that nothing has written stays as it is in every table."""
    targets = {
        node.target
        for node in graph.nodes
        if node.op == "call_function" and is_pure(node) and resolve(op_name(node)) is None
    }
    targets = {op for op in targets if getattr(op, "namespace", "") != NAMESPACE}
    return {op for op in targets if absence_of(op) != "uninitialised"}


def _known(unknown: set[Any]) -> dict[Any, Callable[..., Any]]:
    known = _decompositions() if unknown else {}
    return {op: known[op] for op in unknown if op in known}


def _decompositions() -> dict[Any, Callable[..., Any]]:
    """Torch's core table, and what it knows besides."""
    known: dict[Any, Callable[..., Any]] = dict(torch._decomp.decomposition_table)
    return known | dict(torch.export.default_decompositions())
