"""Slice: spread the matrices of layers over several, whose outputs the host adds (bit slicing).

In: Partitioned. Out: Partitioned, in which each sliced product is several, with the matrices of
`hermesrt.chip.slices` and with their significances in the LDPUs' scales; a bias goes with the most
significant one, the outputs (of 8 bits each) are added on the host, and a ReLU follows there. Each
slice is a matrix of its own for all later passes: it has its own devices, ranges and errors, and
costs what a layer costs. A layer's slices keep its label. Source: Le Gallo et al. 2022. What it
does not do: slice inputs, or recurrent layers. Cost: a copy of each matrix that is not filled
equally, for each slice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Digital, Mvm, Op
from hermesc.ir.stages import Partitioned
from hermesc.placement.options import LayerOptions, TileOptions
from hermesrt.artifact.schema import NodeAssignment, Slice
from hermesrt.chip.slices import slice_shares, sliced
from hermesrt.errors import OptionError
from hermesrt.ops.call import Call, Ref
from hermesrt.ops.table import base_name


def slice_matrices(
    partitioned: Partitioned, weights: Weights, options: TileOptions, single: LayerOptions
) -> tuple[Partitioned, dict[str, Tensor]]:
    """The partition with every layer in as many slices as `options` say, or `single` of it.

    Raises: OptionError for slices of a recurrent layer.
    """
    graph, found = partitioned.graph, dict(weights)
    labels: dict[str, list[str]] = {}
    for mvm in graph.mvms:
        labels.setdefault(mvm.matrix, []).append(mvm.label)
    ops: list[Op] = []
    spread: list[tuple[Mvm, int]] = []
    for op in graph.ops:
        own = options
        if isinstance(op, Mvm):
            parts = [single.applied(labels[p.matrix], options) for p in op.products]
            own = max(parts, key=lambda part: part.slices)
        if isinstance(op, Mvm) and own.slices > 1:
            ops += _in_slices(op, own, found)
            spread.append((op, own.slices))
        else:
            ops.append(op)
    if not spread:
        return partitioned, found
    changed = replace(graph, ops=tuple(ops))
    told = tuple(_told(a, spread) for a in partitioned.assignments)
    return replace(partitioned, graph=changed, assignments=told), changed.live_weights(found)


def _told(assignment: NodeAssignment, spread: Sequence[tuple[Mvm, int]]) -> NodeAssignment:
    """With a word on what the slices change: who adds them, and where a ReLU is now."""
    for op, count in spread:
        if assignment.node == op.origin:
            reason = f"{assignment.reason}; in {count} slices, which the host adds"
            return replace(assignment, reason=reason)
        is_relu = op.relu and base_name(assignment.op) in ("relu", "relu_")
        if is_relu and assignment.node in op.absorbed:
            reason = f"follows the sum of the slices of {op.label}"
            return replace(assignment, unit="digital", reason=reason)
    return assignment


def _in_slices(op: Mvm, options: TileOptions, weights: dict[str, Tensor]) -> Iterator[Op]:
    """The products of a layer's slices, and what adds them up under the layer's name."""
    if op.recurrence is not None:
        whole = " and ".join(f"layers.{product.label}.slices=1" for product in op.products)
        raise OptionError(
            f"tile.slices={options.slices}: {op.label} is recurrent: its gates need each sum at "
            f"once; give {whole}"
        )
    total = ""
    for part in _parts(op, options, weights):
        yield part
        if total:
            last = part.slice is not None and part.slice.number == options.slices - 1
            name = op.name if last and not op.relu else f"{part.name}.sum"
            yield _digital(op, name, Call("aten.add.Tensor", (Ref(total), Ref(part.name))))
            total = name
        else:
            total = part.name
    if op.relu:
        yield _digital(op, op.name, Call("aten.relu.default", (Ref(total),)))


def _parts(op: Mvm, options: TileOptions, weights: dict[str, Tensor]) -> Iterator[Mvm]:
    shares = slice_shares(options.slices, options.base)
    matrices = sliced(weights[op.matrix], shares, options.slice_fill)
    for number, (share, matrix) in enumerate(zip(shares, matrices, strict=True)):
        name = f"{op.matrix}.slice{number}"
        scale = f"{op.name}.scale{number}"
        weights[name], weights[scale] = matrix, _scale(op, weights, share)
        yield replace(
            op,
            name=f"{op.name}.slice{number}",
            matrix=name,
            scale=scale,
            bias=None if number else op.bias,
            relu=False,
            absorbed=() if number else op.absorbed,
            slice=Slice(op.matrix, options.slice_fill, number, options.slices, share),
        )


def _scale(op: Mvm, weights: Mapping[str, Tensor], share: float) -> Tensor:
    matrix = weights[op.matrix]
    before = torch.ones_like(matrix[0]) if op.scale is None else weights[op.scale]
    return before * share


def _digital(op: Mvm, name: str, call: Call) -> Digital:
    return Digital(name, call, op.type, op.origin, op.location)
