"""Partition: say of every node of the model where it runs, and fuse what an LDPU can do.

In: a decomposed Graph. Out: Partitioned: Mvm operations carry the per-channel affine (bias, scale,
batch norm) and the ReLU that follow them, as far as nothing else needs the value between; every
captured node is assigned to analog, LDPU, digital or free, with the reason. A layer can be kept
digital by its label, a scope says which layers may go to crossbars at all, and low-rank adapters
stay digital, so that a chip keeps its weights when they change. Cost: linear in operations.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from torch import Tensor

from hermesc.analysis.adapters import adapters
from hermesc.analysis.assignments import assignments
from hermesc.analysis.ldpu_fusion import fuse_epilogues
from hermesc.analysis.random_projections import random_projections
from hermesc.analysis.time_steps_in_torch import has_no_operation, steps_in_torch
from hermesc.analysis.torch_recurrence import with_host_projection
from hermesc.analysis.torch_spelling import in_torch
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Mvm, Op
from hermesc.ir.stages import Partitioned
from hermesrt.errors import OptionError
from hermesrt.ops.table import base_name

ALL, PROJECTIONS = "all", "projections"
_ADAPTER = "adapter of {}: low-rank, and digital so that the chip keeps its weights"


@dataclass(frozen=True, slots=True)
class PartitionOptions:
    """What goes to the crossbars and their LDPUs.

    bias: who adds biases and batch norms, `ldpu` (inside the chip, before its output code) or
        `host` (in
        FP32 after it, as in the published kernel experiments).
    digital: labels of layers that stay off the chip.
    scope: which layers may go to the chip: `all`, `projections` (the random projections of
        attention, by `hermesc.analysis.random_projections`), or patterns as file names have them,
        of module paths (with all that is in the module), layers or operations.
    adapters: where low-rank adapters run, on the `host` or on the `chip` as all other products.
    """

    bias: Literal["ldpu", "host"] = "ldpu"
    digital: tuple[str, ...] = ()
    scope: tuple[str, ...] = (ALL,)
    adapters: Literal["host", "chip"] = "host"


def partition(
    graph: Graph, weights: Weights, options: PartitionOptions
) -> tuple[Partitioned, dict[str, Tensor]]:
    """Every node of the model with its place.

    Raises: OptionError when `options.digital` or `options.scope` names no layer.
    """
    outside = f"outside partition.scope={','.join(options.scope)}"
    kept = dict.fromkeys(_out_of_scope(graph, options.scope), outside)
    if options.adapters == "host":
        kept |= {n: _ADAPTER.format(layer) for n, layer in adapters(graph, weights).items()}
    kept |= dict.fromkeys(_unwanted(graph, options.digital), "kept digital by partition.digital")
    origins = {op.origin: kept[op.name] for op in graph.mvms if op.name in kept}
    graph, weights = _without(graph, weights, kept)
    fused, live = fuse_epilogues(graph, weights, biases=options.bias == "ldpu")
    return Partitioned(fused, assignments(fused, origins)), live


def _unwanted(graph: Graph, labels: Sequence[str]) -> Iterator[str]:
    """The Mvms of layers that are to stay digital."""
    known = {op.label for op in graph.mvms}
    for label in labels:
        if label not in known:
            raise OptionError(
                f"--set partition.digital={label}: there is no such layer; the model has "
                f"{', '.join(sorted(known)) or 'no fixed matrix'}"
            )
    yield from (op.name for op in graph.mvms if op.label in labels)


def _out_of_scope(graph: Graph, scope: Sequence[str]) -> set[str]:
    """The Mvms that no part of the scope names."""
    if ALL in scope:
        return set()
    names = {op.name for op in graph.mvms}
    return names.difference(*(_within(graph, part) for part in scope))


def _within(graph: Graph, part: str) -> set[str]:
    """The Mvms that a part of the scope names.

    Raises: OptionError where it names none.
    """
    if part == PROJECTIONS:
        found = set(random_projections(graph))
    else:
        ops = {node.name: node.op for node in graph.captured}
        found = {m.name for m in graph.mvms if _fits(m, ops[m.origin], part)}
    if found or not graph.mvms:
        return found
    layers = ", ".join(sorted({op.label for op in graph.mvms}))
    what = "random projection of attention" if part == PROJECTIONS else "such module or operation"
    raise OptionError(
        f"--set partition.scope={part}: the model has no {what} with a fixed matrix; its layers "
        f"are {layers}; a scope is {ALL}, {PROJECTIONS}, or patterns such as encoder.*.attention"
    )


def _fits(mvm: Mvm, operation: str, pattern: str) -> bool:
    """Whether a pattern is that of an Mvm's module or one around it, its layer or operation."""
    path = mvm.location.module.split(".")
    modules = (".".join(path[: i + 1]) for i in range(len(path)))
    names = (*modules, mvm.label, operation, base_name(operation))
    return any(fnmatchcase(name, pattern) for name in names)


def _without(
    graph: Graph, weights: Weights, kept: Collection[str]
) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with these Mvms in torch's own operations."""
    ops: list[Op] = []
    tensors = dict(weights)
    for op in graph.ops:
        products = op.products if isinstance(op, Mvm) else ()
        if not isinstance(op, Mvm) or not any(p.name in kept for p in products):
            ops.append(op)
        elif has_no_operation(op, graph.ops):
            ops += steps_in_torch(op, weights)
        elif op.name in kept:
            spelled, values = in_torch(op, weights)
            ops += spelled
            tensors |= values
        else:
            ops.append(with_host_projection(op))
    return replace(graph, ops=tuple(ops)), tensors
