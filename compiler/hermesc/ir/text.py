"""Each stage as text, what it adds to the stage before and no more: for dumps, tests and people."""

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op
from hermesc.ir.stages import (
    LineMap,
    Partitioned,
    Placed,
    Quantized,
    Remapped,
    Routed,
    Scheduled,
    Tiled,
    TiledMatrix,
)
from hermesrt.facts.cut import cut_text
from hermesrt.ops.call import Arg, Body, Call, DType, Ref
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.window import Window
from hermesrt.report.text.stages import (
    RANGE_HEADER,
    TILE_HEADER,
    extent,
    node_table,
    range_cells,
    route_table,
    tile_cells,
)
from hermesrt.report.text.terminal import table
from hermesrt.shown import shown
from hermesrt.units import plural

Stage = Graph | Partitioned | Tiled | Quantized | Placed | Remapped | Routed | Scheduled


def stage_text(stage: Stage) -> str:
    """The stage's text; the same stage gives the same text."""
    match stage:
        case Graph():
            return graph_text(stage)
        case Partitioned():
            return f"{graph_text(stage.graph)}{node_table(stage.assignments)}\n"
        case Tiled():
            return _tiled(stage)
        case Quantized():
            return _quantized(stage)
        case Placed():
            return _placed(stage)
        case Remapped():
            return _remapped(stage)
        case Routed():
            labels = _labels(stage.remapped.placed.quantized.tiled)
            return f"{route_table(stage.routes, labels)}\n"
        case Scheduled():
            return "".join(f"{name}\n" for name in stage.order)
    assert_never(stage)


def graph_text(graph: Graph) -> str:
    """The graph's text; the same graph gives the same text."""
    lines = [shown(_line(op)) for op in graph.ops]
    return "\n".join([*lines, f"return {', '.join('%' + name for name in graph.outputs)}"]) + "\n"


def _line(op: Op) -> str:
    match op:
        case Input():
            return f"%{op.name} = input : {op.type}"
        case Constant():
            return f"%{op.name} = constant {op.weight} : {op.type}"
        case Digital():
            return f"%{op.name} = {_call(op.call)} : {op.type}  # {op.location}"
        case Mvm():
            parts = [f"%{op.input}", op.matrix]
            parts += [f"scale={op.scale}"] if op.scale else []
            parts += [f"bias={op.bias}"] if op.bias else []
            parts += ["relu"] if op.relu else []
            parts += [f"slice {op.slice}"] if op.slice else []
            parts += [f"window={_window(op.window)}"] if op.window else []
            parts += [f"recurrence={_recurrence(op.recurrence)}"] if op.recurrence else []
            if op.second is not None:
                bias = f" bias={op.second.bias}" if op.second.bias else ""
                parts += [f"then={op.second.matrix}{bias}"]
            return f"%{op.name} = mvm({', '.join(parts)}) : {op.type}  # {op.location}"
    assert_never(op)


def _window(window: Window) -> str:
    """The window's kernel, and what of it is not as usual."""
    once, none = (1,) * window.rank, (0,) * window.rank
    usual = (("stride", once), ("dilation", once), ("spread", once), ("before", none),
             ("after", none), ("mode", "zeros"))  # fmt: skip
    parts = ["x".join(map(str, window.kernel))]
    for name, value in usual:
        found = getattr(window, name)
        if found != value:
            parts.append(
                f"{name} {'x'.join(map(str, found)) if isinstance(found, tuple) else found}"
            )
    return f"<{', '.join(parts)}>"


def _recurrence(recurrence: Recurrence) -> str:
    """The gates, and what of them is not as usual."""
    parts = [recurrence.kind, *(f"%{name}" for name in recurrence.states)]
    parts += ["reverse"] if recurrence.reverse else []
    parts += ["cells"] if recurrence.cells else []
    parts += [f"projection {recurrence.projection}"] if recurrence.projection else []
    parts += [recurrence.unit] if recurrence.unit != "host" else []
    return f"<{', '.join(parts)}>"


def _tiled(tiled: Tiled) -> str:
    header = ("layer", "size", "row blocks", "column blocks", "copies", "read", "used by")
    waits = [
        (op.name, str(work.vectors), _waits(tiled, number))
        for number, (op, work) in enumerate(zip(tiled.graph.mvms, tiled.workloads, strict=True))
    ]
    works = table(("MVM", "vectors", "waits for"), waits)
    return f"{table(header, map(_matrix, tiled.matrices))}\n{works}\n"


def _matrix(matrix: TiledMatrix) -> tuple[str, ...]:
    columns = (cascade[0].columns for cascade in matrix.cascades)
    return (
        matrix.label,
        f"{matrix.rows}x{matrix.columns}",
        ", ".join(map(extent, matrix.row_ranges)),
        ", ".join(map(extent, columns)),
        str(matrix.copies),
        matrix.mode,
        ", ".join(matrix.uses),
    )


def _waits(tiled: Tiled, number: int) -> str:
    """The MVMs that an MVM waits for: all of their results, or one vector for one of its own."""
    names = [op.name for op in tiled.graph.mvms]
    return ", ".join(
        f"{'all of ' if d.barrier else ''}{names[d.mvm]}"
        for d in tiled.workloads[number].dependences
    )


def _quantized(quantized: Quantized) -> str:
    tiled = quantized.tiled
    layers = {use: matrix.label for matrix in tiled.matrices for use in matrix.uses}
    ranges = [
        range_cells(r.mvm, layers[r.mvm], r.input_max, r.clipped_share, r.output_max)
        for r in quantized.ranges
    ]
    g_max = [
        (matrix.label, ", ".join(f"{g * 1e6:.2f}" for g in siemens))
        for matrix, siemens in zip(tiled.matrices, quantized.g_max_siemens, strict=True)
    ]
    kept = ", ".join(str(len(v)) for v in quantized.vectors)
    lines = [
        table(RANGE_HEADER, ranges),
        table(("layer", "g_max by stage (uS)"), g_max),
        f"calibrated on {plural(quantized.calibration_rows, 'row')}; input vectors kept: {kept}",
        *quantized.notes,
    ]
    return "".join(f"{line}\n" for line in lines)


def _placed(placed: Placed) -> str:
    labels = _labels(placed.quantized.tiled)
    rows = [
        (*tile_cells(labels[name], tile), str(tile.copy))
        for name, tiles in placed.tiles.items()
        for tile in tiles
    ]
    score = placed.score
    cut = "" if placed.cut is None else f"cut over chips: {cut_text(placed.cut)}\n"
    return (
        f"{table((*TILE_HEADER, 'copy'), rows)}\n{plural(placed.chips, 'chip')}; "
        f"{score.objective} by {score.solver}: {score.value:.6g} {score.unit}, at least "
        f"{score.bound:.6g}\n{cut}"
    )


def _remapped(remapped: Remapped) -> str:
    if not remapped.line_maps:
        return "No defects are known: logical lines are the physical ones.\n"
    cores = table(("core", "rows moved", "columns moved", "stuck"), map(_core, remapped.line_maps))
    header = ("layer", "stuck", "left", "error", "error without the map")
    return f"{cores}\n{table(header, _defects(remapped))}\n"


def _core(lines: LineMap) -> tuple[str, ...]:
    moved = (str(int((o != np.arange(len(o))).sum())) for o in (lines.rows, lines.columns))
    return (str(lines.core), *moved, str(len(lines.stuck)))


def _defects(remapped: Remapped) -> Iterator[tuple[str, ...]]:
    for d in remapped.layers:
        yield d.label, str(d.stuck), str(d.left), f"{d.error:.3g}", f"{d.blind_error:.3g}"


def _labels(tiled: Tiled) -> dict[str, str]:
    """The label of each stored matrix."""
    return {matrix.matrix: matrix.label for matrix in tiled.matrices}


def _call(call: Call) -> str:
    kwargs = [f"{key}={_arg(value)}" for key, value in call.kwargs]
    return f"{call.op}({', '.join([*map(_arg, call.args), *kwargs])})"


def _arg(arg: Arg) -> str:
    match arg:
        case Ref(name):
            return f"%{name}"
        case DType(name):
            return name
        case Body(inputs, steps, outputs):
            calls = [f"%{name} = {_call(call)}; " for name, call in steps]
            names = [", ".join(f"%{name}" for name in some) for some in (inputs, outputs)]
            return f"({names[0]}) {{{''.join(calls)}return {names[1]}}}"
        case tuple():
            return f"[{', '.join(map(_arg, arg))}]"
        case _:
            return repr(arg)
