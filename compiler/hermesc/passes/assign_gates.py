"""Assign gates: give LSTMs the chip's own gate unit, as far as it goes.

In: Partitioned, the chip's usable arrays and closed cores. Out: Partitioned, in which some
recurrences have their gates made by that unit: their matrices have the four gates of a value beside
each other, and each block of columns a slice of the unit. A layer gets slices when its matrix has
no more row blocks than there are rows of cores above the unit, its cores there are open, its cell
state begins at zero and is no result of the model, and one matrix serves it alone; others have
their gates made by the host. Layers come in order, and a slice belongs to one of them, whose cell
states it keeps. Source: Le Gallo 2023 (slices behind one row of cores, four neighbouring bit lines
a value). Cost: linear in operations.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.stages import Partitioned
from hermesrt.chip.spec import ChipSpec
from hermesrt.ops.call import Ref
from hermesrt.ops.recurrence import GATES
from hermesrt.ops.table import base_name

_ZEROS = ("zeros", "new_zeros", "zeros_like")
_VIEWS = ("select", "slice", "transpose", "expand", "unsqueeze", "squeeze", "view", "reshape", "to")
_TORCHS_ORDER = (0, 2, 1, 3)  # input, cell, forget, output among input, forget, cell, output


@dataclass(frozen=True, slots=True)
class GateOptions:
    """Who makes the gates of recurrent layers.

    unit: `auto`: the chip's own unit where it has one and it serves; `host`: the host, always.
    """

    unit: Literal["auto", "host"] = "auto"


def assign_gates(
    partitioned: Partitioned,
    weights: Weights,
    chip: ChipSpec,
    closed: frozenset[int],
    chips: int,
    options: GateOptions,
) -> tuple[Partitioned, dict[str, Tensor]]:
    """The partition with slices of the chip's gate unit, and the weights with the columns that it
    takes; `closed` are cores that nothing may use, of as many `chips`."""
    found = dict(weights)
    if options.unit == "host" or chip.gate_unit is None:
        return partitioned, found
    graph, free = partitioned.graph, _free_slices(chip, closed, chips)
    serves = Counter(op.matrix for op in graph.mvms)
    slices: dict[str, tuple[int, ...]] = {}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Mvm) and serves[op.matrix] == 1 and _suits(op, graph, weights):
            mine = _slices(op, weights, chip, free)
            if mine:
                slices[op.matrix] = mine
                free = {s: rows for s, rows in free.items() if s not in mine}
                op = _interleaved(op, found)
        ops.append(op)
    changed = replace(graph, ops=tuple(ops))
    noted = _noted(partitioned, changed, slices)
    return replace(noted, graph=changed, slices=slices), changed.live_weights(found)


def _free_slices(chip: ChipSpec, closed: frozenset[int], chips: int) -> dict[int, int]:
    """Slices over all chips, and how many open cores lead down to each."""
    unit = chip.gate_unit
    assert unit is not None
    found: dict[int, int] = {}
    for number in range(chips * chip.grid.columns):
        which, column = divmod(number, chip.grid.columns)
        rows = 0
        while rows < unit.row and _core(chip, which, unit.row - 1 - rows, column) not in closed:
            rows += 1
        if column < unit.slices and rows:
            found[number] = rows
    return found


def _core(chip: ChipSpec, which: int, row: int, column: int) -> int:
    return which * chip.cores + row * chip.grid.columns + column


def _suits(op: Mvm, graph: Graph, weights: Weights) -> bool:
    """Whether the unit can make a layer's gates, wherever it lies."""
    r = op.recurrence
    if r is None or r.kind != "lstm" or r.projection is not None:
        return False
    return not r.cells and _is_zero(r.states[1], {op.name: op for op in graph.ops}, weights)


def _is_zero(name: str, ops: Mapping[str, Op], weights: Weights) -> bool:
    match ops[name]:
        case Constant(weight=weight):
            return not bool(weights[weight].any())
        case Digital(call=call) if base_name(call.op) in _ZEROS:
            return True
        case Digital(call=call) if base_name(call.op) in _VIEWS:
            source = call.args[0]
            return isinstance(source, Ref) and _is_zero(source.name, ops, weights)
    return False


def _slices(op: Mvm, weights: Weights, chip: ChipSpec, free: Mapping[int, int]) -> tuple[int, ...]:
    """The first free slices of one chip that a layer fits; none where it does not."""
    unit, rows = chip.gate_unit, weights[op.matrix].shape[0]
    assert unit is not None
    assert op.recurrence is not None
    values = min(unit.inputs, chip.crossbar.columns) // GATES
    needed, stages = ceil(op.recurrence.hidden / values), ceil(rows / chip.crossbar.rows)
    open_ = [s for s, above in free.items() if above >= stages]
    for which in {s // chip.grid.columns: None for s in open_}:
        mine = [s for s in open_ if s // chip.grid.columns == which]
        if len(mine) >= needed:
            return tuple(mine[:needed])
    return ()


def _interleaved(op: Mvm, weights: dict[str, Tensor]) -> Mvm:
    """The layer with the four gates of each value beside each other, as the unit takes them."""
    assert op.recurrence is not None
    names: dict[str, str] = {}
    for name in (op.matrix, op.bias):
        if name is not None:
            parts = weights[name].reshape(*weights[name].shape[:-1], GATES, -1)
            ordered = parts[..., list(_TORCHS_ORDER), :].transpose(-1, -2)
            names[name] = name if name == op.matrix else f"{name}.gdpu"
            weights[names[name]] = ordered.flatten(-2).contiguous()
    bias = None if op.bias is None else names[op.bias]
    return replace(op, bias=bias, recurrence=replace(op.recurrence, unit="gdpu"))


def _noted(
    partitioned: Partitioned, graph: Graph, slices: Mapping[str, tuple[int, ...]]
) -> Partitioned:
    """With a word on who makes the gates of each layer."""
    who: dict[str, list[str]] = {}
    for op in graph.mvms:
        if op.recurrence is not None:
            maker = "the GDPU" if op.matrix in slices else "the host"
            who.setdefault(op.origin, []).append(maker)
    assignments = []
    for a in partitioned.assignments:
        makers = list(dict.fromkeys(who.get(a.node, ())))
        more = f"; gates in {' and in '.join(makers)}".replace("in the host", "on the host")
        assignments.append(replace(a, reason=a.reason + more) if makers else a)
    return replace(partitioned, assignments=tuple(assignments))
