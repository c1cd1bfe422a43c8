"""Operations that no program may hold, written as those that one may, by torch's own tables."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from hermesc.frontend.torch.recurrence import NAMESPACE
from hermesrt.ops.call import resolve


def expand(exported: ExportedProgram) -> ExportedProgram:
    """The program with such operations decomposed as far as torch's tables go; as it is where it
    holds none, or where that makes no fewer of them."""
    unknown = _unknown(exported)
    table = {op: how for op, how in _decompositions().items() if op in unknown} if unknown else {}
    if not table:
        return exported
    expanded = exported.run_decompositions(table)
    return expanded if len(_unknown(expanded)) < len(unknown) else exported


def op_name(node: Node) -> str:
    """The name of a node's operation as a program writes it."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        if target.namespace == NAMESPACE:
            overload = "default" if target._opname.endswith("_cell") else "input"
            return f"aten.{target._opname}.{overload}"
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


def is_pure(node: Node) -> bool:
    """Whether it is an operation of torch that neither writes nor draws."""
    target = node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and not target._schema.is_mutable
        and torch.Tag.nondeterministic_seeded not in target.tags
    )


def _unknown(exported: ExportedProgram) -> set[Any]:
    return {
        node.target
        for node in exported.graph.nodes
        if node.op == "call_function" and is_pure(node) and resolve(op_name(node)) is None
    }


def _decompositions() -> dict[Any, Callable[..., Any]]:
    """Torch's core table, and what it knows besides."""
    known: dict[Any, Callable[..., Any]] = dict(torch._decomp.decomposition_table)
    return known | dict(torch.export.default_decompositions())
