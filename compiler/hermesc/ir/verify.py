"""The rules of each stage; a broken one is a bug of the pass before it."""

from itertools import pairwise

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import state_width
from hermesc.ir.ops import UNKNOWN_TO_TORCH, Digital, Mvm, takes, weights_of
from hermesc.ir.stages import (
    Block,
    Partitioned,
    Placed,
    Quantized,
    Remapped,
    Routed,
    Scheduled,
    Tiled,
)
from hermesrt.chip.cells import with_devices
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.fabric import linked
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import VerifyError
from hermesrt.ops.table import op_class


def verify_graph(graph: Graph, weights: Weights, after: str) -> None:
    """Names are unique and defined before use; weights exist; every captured node is kept or
    removed for a stated reason.

    Raises: VerifyError that names the pass.
    """
    seen: set[str] = set()
    types = {op.name: op.type for op in graph.ops}
    for op in graph.ops:
        _check(op.name not in seen, after, f"{op.name} is defined twice")
        for name in takes(op):
            _check(name in seen, after, f"{op.name} takes {name}, which is not defined before it")
        for name in weights_of(op):
            _check(name in weights, after, f"{op.name} needs the weight {name}")
        if isinstance(op, Digital):
            known = op_class(op.call.op) is not None or op.call.op in UNKNOWN_TO_TORCH
            _check(known, after, f"{op.name}: {op.call.op} is unknown")
        if isinstance(op, Mvm):
            matrix = weights[op.matrix]
            _check(matrix.dim() == 2, after, f"{op.name}: {op.matrix} is not a matrix")
            x = types[op.input]
            _check(_fits(op, x, weights), after, f"{op.name}: {x} @ {tuple(matrix.shape)}")
            _check(_second_fits(op, weights), after, f"{op.name}: its second product")
        seen.add(op.name)
    for name in graph.outputs:
        _check(name in seen, after, f"output {name} is not defined")
    kept = {origin for op in graph.ops for origin in _origins(op)}
    kept |= {removed.name for removed in graph.removed}
    lost = [node.name for node in graph.captured if node.name not in kept]
    _check(not lost, after, f"captured nodes lost without a reason: {', '.join(lost)}")


def verify_partitioned(partitioned: Partitioned) -> None:
    """Every captured node has exactly one assignment.

    Raises: VerifyError.
    """
    names = [assignment.node for assignment in partitioned.assignments]
    wanted = [node.name for node in partitioned.graph.captured]
    _check(sorted(names) == sorted(wanted), "partition", "assignments do not match the model")


def verify_tiled(tiled: Tiled, weights: Weights, chip: ChipSpec) -> None:
    """Blocks fit a crossbar and cover their matrix exactly once.

    Raises: VerifyError.
    """
    for matrix in tiled.matrices:
        rows, columns = weights[matrix.matrix].shape
        _check((rows, columns) == (matrix.rows, matrix.columns), "tile", f"{matrix.label}: shape")
        _cover([c[0].columns for c in matrix.cascades], columns, matrix.label)
        for cascade in matrix.cascades:
            _cover([block.rows for block in cascade], rows, matrix.label)
            for block in cascade:
                height, width = block.shape
                fits = height <= chip.crossbar.rows and width <= chip.crossbar.columns
                _check(fits, "tile", f"{matrix.label}: a block of {height}x{width} is too big")
    uses = [use for matrix in tiled.matrices for use in matrix.uses]
    wanted = [op.name for op in tiled.graph.mvms]
    _check(sorted(uses) == sorted(wanted), "tile", "not every MVM has one matrix")


def verify_quantized(quantized: Quantized, chip: ChipSpec) -> None:
    """Every MVM has ranges above zero, and no conductance exceeds the devices' limit.

    Raises: VerifyError.
    """
    for ranges in quantized.ranges:
        positive = ranges.input_max > 0 and all(m > 0 for m in ranges.output_max)
        _check(positive, "quantize", f"{ranges.mvm}: a range is not above 0")
    fine = all(
        0 < g <= with_devices(chip, m.devices).pcm.g_max_siemens * (1 + 1e-9)
        for m, row in zip(quantized.tiled.matrices, quantized.g_max_siemens, strict=True)
        for g in row
    )
    _check(fine, "quantize", "a g_max is outside the devices' range")


def verify_remapped(remapped: Remapped, defects: DefectMap | None) -> None:
    """Every core in use has a permutation of its lines that leaves dead ones unused.

    Raises: VerifyError.
    """
    if defects is None:
        return
    placed = remapped.placed
    cores = tuple(w.core for w in remapped.line_maps)
    _check(cores == placed.cores, "remap", "a core is lost or doubled")
    for w in remapped.line_maps:
        _check(w.core not in defects.excluded, "remap", f"core {w.core} is dead")
        mine = [t for tiles in placed.tiles.values() for t in tiles if t.core == w.core]
        dead = defects.lines(w.core)
        ranges = ([t.core_rows for t in mine], [t.core_columns for t in mine])
        for lines, used, broken in zip((w.rows, w.columns), ranges, dead, strict=True):
            whole = sorted(lines.tolist()) == list(range(len(broken)))
            _check(whole, "remap", f"core {w.core}: a line is lost or doubled")
            sound = not any(broken[lines[slice(*r)]].any() for r in used)
            _check(sound, "remap", f"core {w.core}: a dead line is used")


def verify_placed(placed: Placed, chip: ChipSpec) -> None:
    """Every block sits once, inside an existing core's array, and no two overlap.

    Raises: VerifyError.
    """
    by_core: dict[int, list[tuple[int, int, int, int]]] = {}
    for matrix, tile in ((name, t) for name, tiles in placed.tiles.items() for t in tiles):
        rows, columns = tile.core_rows, tile.core_columns
        _check(
            0 <= tile.core < placed.chips * chip.cores, "place", f"{matrix}: no core {tile.core}"
        )
        inside = 0 <= rows[0] < rows[1] <= chip.crossbar.rows
        inside = inside and 0 <= columns[0] < columns[1] <= chip.crossbar.columns
        _check(inside, "place", f"{matrix}: outside the array of core {tile.core}")
        size = (rows[1] - rows[0], columns[1] - columns[0])
        wanted = Block(tile.rows, tile.columns).shape
        _check(size == wanted, "place", f"{matrix}: the place has another size")
        by_core.setdefault(tile.core, []).append((*rows, *columns))
    for core, boxes in by_core.items():
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
                _check(apart, "place", f"two blocks overlap on core {core}")
    blocks = {
        (m.matrix, copy, stage, block.rows, block.columns)
        for m in placed.quantized.tiled.matrices
        for cascade in m.cascades
        for stage, block in enumerate(cascade)
        for copy in range(m.copies)
    }
    found = [
        (matrix, t.copy, t.stage, t.rows, t.columns)
        for matrix, tiles in placed.tiles.items()
        for t in tiles
    ]
    _check(
        len(found) == len(blocks) and set(found) == blocks, "place", "a block is lost or doubled"
    )


def verify_routed(routed: Routed, chip: ChipSpec) -> None:
    """Every hop of every route is a link of the chip.

    Raises: VerifyError.
    """
    for route in routed.routes:
        for here, there in pairwise(route.cores):
            _check(linked(chip, here, there), "route", f"no link from {here} to {there}")


def verify_scheduled(scheduled: Scheduled) -> None:
    """The order holds every operation once, after what it takes.

    Raises: VerifyError.
    """
    graph = scheduled.graph
    position = {name: i for i, name in enumerate(scheduled.order)}
    _check(len(position) == len(graph.ops), "schedule", "an operation is lost or doubled")
    for op in graph.ops:
        early = all(position[name] < position[op.name] for name in takes(op))
        _check(early, "schedule", f"{op.name} comes before what it takes")


def _fits(op: Mvm, x: object, weights: Weights) -> bool:
    """Whether the matrix has the rows that x gives."""
    matrix, recurrence = weights[op.matrix], op.recurrence
    dims, taps, more = getattr(x, "dims", ()), op.window.taps if op.window else 1, 0
    if recurrence is not None:
        more = state_width(op, weights)
        fault = recurrence.fault(second=op.second is not None)
        if fault is not None or matrix.shape[1] != recurrence.columns:
            return False
    at = len(dims) + op.channel_dim
    return at >= 0 and isinstance(dims[at], int) and dims[at] * taps + more == matrix.shape[0]


def _second_fits(op: Mvm, weights: Weights) -> bool:
    """Whether the second product's matrix is that of the recurrence, if there is one."""
    if op.second is None or op.recurrence is None:
        return op.second is None
    rows = int(weights[op.matrix].shape[0])
    wanted = op.recurrence.second_shape(rows, state_width(op, weights))
    named = op.second.input == op.name and op.second.recurrence is None
    return named and tuple(weights[op.second.matrix].shape) == wanted


def _origins(op: object) -> tuple[str, ...]:
    match op:
        case Digital():
            return (op.origin,)
        case Mvm():
            return (op.origin, *op.absorbed)
    return ()


def _cover(ranges: list[tuple[int, int]], size: int, label: str) -> None:
    ends = [0, *(end for _, end in ranges)]
    starts = [*(start for start, _ in ranges), size]
    grows = all(start < end for start, end in ranges)
    _check(grows and ends == starts, "tile", f"{label}: blocks do not cover {size} exactly once")


def _check(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise VerifyError(f"bug in the pass `{where}`: {what}; please report it with your model")
