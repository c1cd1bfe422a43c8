"""Emit: the last stage as an artifact.

In: Scheduled. Out: Artifact: the steps in schedule order, the stored matrices with their tiles, and
the account of the model's nodes. Cost: linear in operations and tiles.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version

import numpy as np
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Input, Mvm
from hermesc.ir.stages import Placement, Remapped, Scheduled
from hermesrt.artifact import line_map as wiring
from hermesrt.artifact import schema
from hermesrt.artifact.schema import Artifact, Manifest
from hermesrt.chip.load import chip_tables
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ModelError
from hermesrt.ops.table import to_json


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What a program carries beside its graph."""

    name: str
    examples: Mapping[str, Tensor]
    labels: Tensor | None
    rows_independent: bool
    notes: tuple[str, ...]
    remapped: Remapped
    classes: tuple[int | float | str, ...] = ()


def emit(scheduled: Scheduled, weights: Weights, chip: ChipSpec, extras: ProgramInfo) -> Artifact:
    """The program.

    Raises: ModelError for a weight of a dtype that no file of ours holds.
    """
    placed = scheduled.routed.placed
    quantized = placed.quantized
    partitioned = quantized.tiled.partitioned
    graph = partitioned.graph
    routes = scheduled.routed.routes
    manifest = Manifest(
        name=extras.name,
        generator=f"hermesc {version('hermesc')}",
        chip=chip_tables(chip),
        inputs=tuple(schema.InputSpec(i.name, i.type.dims, i.type.dtype) for i in graph.inputs),
        steps=tuple(_steps(graph, scheduled)),
        outputs=graph.outputs,
        matrices=tuple(_matrices(scheduled)),
        routes=tuple(schema.Route(r.matrix, r.copy, r.columns, r.stage, r.cores) for r in routes),
        account=tuple(
            schema.NodeAssignment(a.node, a.op, a.unit, a.reason, a.location)
            for a in partitioned.assignments
        ),
        rows_independent=extras.rows_independent,
        calibration_rows=quantized.calibration_rows,
        notes=extras.notes,
        placement=schema.Score(*(getattr(placed.score, f.name) for f in fields(placed.score))),
        chips=placed.chips,
        defects=tuple(
            schema.LayerDefects(d.label, d.stuck, d.left, d.error, d.blind_error)
            for d in extras.remapped.layers
        ),
        classes=extras.classes,
    )
    tensors = {name: _array(name, value) for name, value in graph.live_weights(weights).items()}
    for step, vectors in zip(graph.mvms, quantized.vectors, strict=True):
        tensors[f"codes:{step.name}"] = _array(step.name, vectors)
    tensors |= _wiring(extras.remapped)
    examples = {name: _array(name, value) for name, value in extras.examples.items()}
    labels = None if extras.labels is None else _array("labels", extras.labels)
    return Artifact(manifest, tensors, examples, labels)


def _steps(graph: Graph, scheduled: Scheduled) -> Iterator[schema.Step]:
    ops = {op.name: op for op in graph.ops}
    ranges = {r.mvm: r for r in scheduled.routed.placed.quantized.ranges}
    for name in scheduled.order:
        match ops[name]:
            case Constant(weight=weight):
                yield schema.ConstantStep(name, weight)
            case Digital(call=call, location=location):
                args = [to_json(a) for a in call.args]
                kwargs = {k: to_json(v) for k, v in call.kwargs}
                yield schema.HostStep(name, call.op, args, kwargs, location)
            case Mvm() as op:
                r = ranges[name]
                yield schema.MvmStep(
                    name=name,
                    input=op.input,
                    matrix=op.matrix,
                    scale=op.scale,
                    bias=op.bias,
                    relu=op.relu,
                    location=op.location,
                    input_max=r.input_max,
                    output_max=r.output_max,
                    calibration=f"codes:{name}",
                    clipped_share=r.clipped_share,
                    window=op.window,
                )
            case Input():
                pass


def _matrices(scheduled: Scheduled) -> Iterator[schema.Matrix]:
    placed = scheduled.routed.placed
    tiles: dict[str, list[Placement]] = {}
    for p in placed.placements:
        tiles.setdefault(p.matrix, []).append(p)
    quantized = placed.quantized
    for matrix, g_max in zip(quantized.tiled.matrices, quantized.g_max_siemens, strict=True):
        mine = sorted(tiles[matrix.matrix], key=lambda p: (p.copy, p.block.columns, p.stage))
        yield schema.Matrix(
            name=matrix.matrix,
            label=matrix.label,
            mode=matrix.mode,
            row_ranges=matrix.row_ranges,
            tiles=tuple(
                schema.Tile(
                    p.copy, p.stage, p.block.rows, p.block.columns, p.core, p.rows, p.columns
                )
                for p in mine
            ),
            rows=matrix.rows,
            columns=matrix.columns,
            g_max_siemens=g_max,
        )


def _wiring(remapped: Remapped) -> "dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]":
    if not remapped.line_maps:
        return {}
    stuck = [np.insert(w.stuck, 0, w.core, axis=1) for w in remapped.line_maps]
    return {
        wiring.ROWS: np.stack([w.rows for w in remapped.line_maps]).astype(np.int16),
        wiring.COLUMNS: np.stack([w.columns for w in remapped.line_maps]).astype(np.int16),
        wiring.STUCK: np.concatenate(stuck).astype(np.int32),
        wiring.SIEMENS: np.concatenate([w.siemens for w in remapped.line_maps]),
    }


def _array(name: str, value: Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]]":
    try:
        return value.detach().cpu().contiguous().numpy()
    except TypeError:
        raise ModelError(
            f"{name} has the dtype {value.dtype}, which a program cannot hold; convert the model "
            "with model.float()"
        ) from None
