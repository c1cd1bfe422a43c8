"""Emit: the last stage as an artifact.

In: Scheduled, and what a program carries beside its graph. Out: Artifact: the steps in schedule
order, the stored matrices with their tiles, and the account of the model's nodes. Cost: linear in
operations and tiles.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Constant, Digital, Input, Mvm
from hermesc.ir.stages import Placed, Quantized, Ranges, Remapped, Scheduled
from hermesrt.artifact import line_map as wiring
from hermesrt.artifact import schema
from hermesrt.artifact.schema import Artifact, Manifest
from hermesrt.chip.load import chip_tables
from hermesrt.chip.spec import ChipSpec
from hermesrt.data import array_of
from hermesrt.errors import Location, ModelError
from hermesrt.ops.call import DType, Ref, to_json

_HALF = "bfloat16"  # which no array of a file holds; it is exact in FP32


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What a program carries beside its graph.

    name: of the model.
    examples: sample inputs by name, [samples, ...].
    labels: of the examples, [samples]; None without.
    rows_independent: whether each output row depends on its own input row alone.
    notes: sentences for the report.
    classes: what the columns of the first output stand for, if the model tells.
    predicted: errors that are expected of each MVM.
    """

    name: str
    examples: Mapping[str, Tensor]
    labels: Tensor | None
    rows_independent: bool
    notes: tuple[str, ...]
    classes: tuple[int | float | str, ...] = ()
    predicted: tuple[schema.PredictedError, ...] = ()


def emit(scheduled: Scheduled, weights: Weights, chip: ChipSpec, info: ProgramInfo) -> Artifact:
    """The program.

    Raises: ModelError for a weight of a dtype that no file of ours holds.
    """
    routed = scheduled.routed
    remapped = routed.remapped
    placed = remapped.placed
    quantized = placed.quantized
    graph = scheduled.graph
    steps = tuple(_steps(scheduled, quantized))
    manifest = Manifest(
        name=info.name,
        generator=f"hermesc {_version()}",
        chip=chip_tables(chip),
        inputs=tuple(schema.InputSpec(i.name, i.type.dims, i.type.dtype) for i in graph.inputs),
        steps=steps,
        outputs=graph.outputs,
        matrices=tuple(_matrices(placed)),
        routes=routed.routes,
        account=quantized.tiled.partitioned.assignments,
        rows_independent=info.rows_independent,
        calibration_rows=quantized.calibration_rows,
        notes=(*info.notes, *quantized.notes),
        placement=placed.score,
        chips=placed.chips,
        defects=remapped.layers,
        classes=info.classes,
        predicted=_in_order(info.predicted, steps),
        cut=placed.cut,
    )
    tensors = {name: _array(name, value) for name, value in graph.live_weights(weights).items()}
    for step, vectors in zip(graph.mvms, quantized.vectors, strict=True):
        tensors[f"codes:{step.name}"] = _array(step.name, vectors)
    tensors |= _wiring(remapped)
    examples = {name: _array(name, value) for name, value in info.examples.items()}
    labels = None if info.labels is None else _array("labels", info.labels)
    return Artifact(manifest, tensors, examples, labels)


@cache
def _version() -> str:
    return version("hermesc")


def _steps(scheduled: Scheduled, quantized: Quantized) -> Iterator[schema.Step]:
    ops = {op.name: op for op in scheduled.graph.ops}
    ranges = {r.mvm: r for r in quantized.ranges}
    for name in scheduled.order:
        match ops[name]:
            case Constant(weight=weight, type=kind) if kind.dtype == _HALF:
                yield schema.ConstantStep(f"{name}.fp32", weight)
                args = [to_json(Ref(f"{name}.fp32")), to_json(DType(_HALF))]
                yield schema.HostStep(name, "aten.to.dtype", args, {}, Location())
            case Constant(weight=weight):
                yield schema.ConstantStep(name, weight)
            case Digital(call=call, location=location):
                yield schema.host_step(name, call, location)
            case Mvm() as op:
                yield _product(op, ranges)
            case Input():
                pass


def _product(op: Mvm, ranges: Mapping[str, Ranges]) -> schema.MvmStep:
    """A product with its ranges, and its second one with its own."""
    r = ranges[op.name]
    return schema.MvmStep(
        name=op.name,
        input=op.input,
        matrix=op.matrix,
        scale=op.scale,
        bias=op.bias,
        relu=op.relu,
        location=op.location,
        input_max=r.input_max,
        output_max=r.output_max,
        calibration=f"codes:{op.name}",
        clipped_share=r.clipped_share,
        window=op.window,
        recurrence=op.recurrence,
        second=None if op.second is None else _product(op.second, ranges),
    )


def _matrices(placed: Placed) -> Iterator[schema.Matrix]:
    quantized = placed.quantized
    for matrix, g_max in zip(quantized.tiled.matrices, quantized.g_max_siemens, strict=True):
        tiles = placed.tiles[matrix.matrix]
        yield schema.Matrix(
            name=matrix.matrix,
            label=matrix.label,
            mode=matrix.mode,
            row_ranges=matrix.row_ranges,
            tiles=tuple(sorted(tiles, key=lambda t: (t.copy, t.columns, t.stage))),
            rows=matrix.rows,
            columns=matrix.columns,
            g_max_siemens=g_max,
            slice=matrix.slice,
            devices=matrix.devices,
            method=matrix.method,
        )


def _in_order(
    predicted: tuple[schema.PredictedError, ...], steps: tuple[schema.Step, ...]
) -> tuple[schema.PredictedError, ...]:
    """As the steps run; the schedule may have changed their order."""
    by_mvm = {error.mvm: error for error in predicted}
    products = (p for s in steps if isinstance(s, schema.MvmStep) for p in s.products)
    return tuple(by_mvm[p.name] for p in products if p.name in by_mvm)


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
    if value.is_meta:
        blank = array_of(torch.zeros((), dtype=value.dtype))
        return as_strided(blank, tuple(value.shape), (0,) * value.dim())  # takes no memory
    array = array_of(value.cpu().contiguous())
    if value.dtype in (torch.bfloat16, torch.from_numpy(array).dtype):
        return array
    raise ModelError(
        f"{name} has the dtype {value.dtype}, which a program cannot hold; convert the model with "
        "model.float()"
    )
