"""Quantize: fixed-point ranges from calibration data, and g_max from the current limit.

In: Tiled and calibration inputs. Out: Quantized. Method: run the exact graph on the calibration
inputs, once where they are few and twice otherwise. First comes each MVM's input range, which needs
all its inputs: the largest |x|, a percentile of |x|, or a number of standard deviations (about
zero, as the range lies). Then its inputs are seen as they will be clipped, or as they are
(`output_range`): the range of the output word after row block i of the cascade is the largest
|partial sum| there, the last with the LDPU's affine and ReLU in it (rule of the simulator model;
see the chip's `ldpu_code`). g_max of a block is the devices' limit, or the largest conductance that
keeps the current of every line below the ADC's saturation on the calibration data (Le Gallo 2023,
Methods); a line's current is highest when all pulses of a phase are on. Conductances come from
weights as `hermesrt.chip.conductance` says. Some input vectors are kept, with 8 bits, for the
LDPU's correction of its columns. Cost: one or two passes over the calibration data, two products
for each MVM.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from hermesc.analysis.calibrated_inputs import SMALLEST, CalibratedInputs, RangeKind
from hermesc.analysis.calibrated_outputs import CalibratedOutputs
from hermesc.analysis.calibration_notes import calibration_notes
from hermesc.analysis.scratch import Scratch
from hermesc.ir.graph import Weights
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Quantized, Ranges, Tiled, TiledMatrix
from hermesc.placement.options import LayerOptions
from hermesrt.chip.cells import with_devices
from hermesrt.chip.conductance import column_max, g_max_siemens
from hermesrt.chip.spec import ChipSpec, limits
from hermesrt.errors import ModelError

_ROWS = 1024  # of the batch at once


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """What an MVM's inputs and outputs clip at.

    range: inputs: the largest magnitude on the calibration data, a percentile of the magnitudes, or
        a number of standard deviations from zero (never more than the largest).
    percentile: of `range`, in per cent.
    deviations: of `range`, in standard deviations.
    output_range: the largest output of inputs that are clipped, or of those that are not; where
        `range` is max they are the same.
    """

    range: RangeKind = "max"
    percentile: float = limits(0.0, 100.0, 99.9)
    deviations: float = limits(1e-3, 1e3, 3.0)
    output_range: Literal["clipped", "unclipped"] = "clipped"


def quantize(
    tiled: Tiled,
    weights: Weights,
    calibration: Mapping[str, Tensor],
    rows_independent: bool,
    chip: ChipSpec,
    options: QuantizeOptions,
    learned: Mapping[str, float] = MappingProxyType({}),
    programmed: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
    single: LayerOptions = LayerOptions(),  # noqa: B008 it never changes
) -> Quantized:
    """Ranges of every MVM and g_max of every row block.

    `rows_independent` says that the calibration rows may be run in parts; `learned` are ranges of
    inputs, by `Graph.slots`, that come from training; `programmed` are the g_max, by matrix, of a
    chip that holds the weights already; `single` says what single layers clip at.
    Raises: ModelError when a matrix or a calibration result is not finite.
    """
    slots = tiled.graph.slots()
    _check_learned(learned, slots.values())
    seen = _Calibrated(
        tiled,
        weights,
        {op.name: single.applied([op.label], options) for op in tiled.graph.mvms},
        {name: learned[slot] for name, slot in slots.items() if slot in learned},
    )
    seen.look(_parts(calibration, rows_independent))
    outputs = {op.name: seen.outputs(op) for op in tiled.graph.mvms}
    rows = max((t.shape[0] for t in calibration.values() if t.dim()), default=0)
    return Quantized(
        tiled,
        tuple(found.ranges() for found in outputs.values()),
        tuple(
            programmed.get(m.matrix) or _g_max(m, [outputs[use] for use in m.uses], chip)
            for m in tiled.matrices
        ),
        tuple(found.vectors() for found in outputs.values()),
        rows,
        tuple(calibration_notes(tiled, weights, seen.column_max, seen.inputs, seen.scratch)),
    )


class _Calibrated:
    """What is known of each MVM so far."""

    def __init__(
        self,
        tiled: Tiled,
        weights: Weights,
        options: Mapping[str, QuantizeOptions],
        learned: Mapping[str, float],
    ) -> None:
        self._graph, self._weights = tiled.graph, weights
        self._options, self._learned = options, learned
        self._matrices = {use: m for m in tiled.matrices for use in m.uses}
        self._outputs: dict[str, CalibratedOutputs] = {}
        self.scratch = Scratch()
        self.inputs = {op.name: CalibratedInputs(op) for op in tiled.graph.mvms}
        self.column_max = {
            m.matrix: column_max(weights[m.matrix].to(torch.float32)) for m in tiled.matrices
        }

    def look(self, parts: Sequence[Mapping[str, Tensor]]) -> None:
        """All inputs of an MVM are known before its outputs are looked at, which is so in one pass
        where there is one part: a pass runs each MVM once."""
        passes = [self._see] if len(parts) == 1 else [self._see_inputs, self._see_outputs]
        for observe in passes:
            for part in parts:
                interpret(self._graph, self._weights, part, observe)

    def _see(self, op: Mvm, x: Tensor) -> None:
        self._see_inputs(op, x)
        self._see_outputs(op, x)

    def _see_inputs(self, op: Mvm, x: Tensor) -> None:
        self.inputs[op.name].update(x)

    def _see_outputs(self, op: Mvm, x: Tensor) -> None:
        self.outputs(op).update(x)

    def outputs(self, op: Mvm) -> CalibratedOutputs:
        """What is known of an MVM whose inputs are all known."""
        if op.name not in self._outputs:
            options, inputs = self._options[op.name], self.inputs[op.name]
            chosen = inputs.limit(options.range, options.percentile, options.deviations)
            self._outputs[op.name] = CalibratedOutputs(
                op,
                self._matrices[op.name],
                self._weights,
                self.column_max[op.matrix],
                inputs,
                self._learned.get(op.name) or chosen,
                options.output_range,
                self.scratch,
            )
        return self._outputs[op.name]


def without_values(tiled: Tiled, chip: ChipSpec) -> Quantized:
    """The same for weights and inputs that are shapes alone: ranges of 1, the largest conductances
    and no vectors, which neither time nor energy look at."""
    matrices = {use: m for m in tiled.matrices for use in m.uses}
    mvms = [(op, matrices[op.name]) for op in tiled.graph.mvms]
    return Quantized(
        tiled,
        tuple(Ranges(op.name, 1.0, tuple(1.0 for _ in m.row_ranges), 0.0) for op, m in mvms),
        tuple(tuple(g_max_siemens(chip, 0.0) for _ in m.row_ranges) for m in tiled.matrices),
        tuple(torch.zeros(0, m.rows, dtype=torch.int8) for _, m in mvms),
        0,
        ("made of shapes alone: it has no weights, and cannot be run or written",),
    )


def _check_learned(learned: Mapping[str, float], known: Collection[str]) -> None:
    for slot, limit in learned.items():
        if slot not in known:
            raise ModelError(
                f"input_ranges holds {slot!r}, which is no layer on the chip; those are "
                f"{', '.join(known)}"
            )
        if not SMALLEST <= limit < math.inf:
            raise ModelError(
                f"input_ranges[{slot!r}] is {limit}; a range is a number above {SMALLEST:.3g}"
            )


def _parts(inputs: Mapping[str, Tensor], rows_independent: bool) -> list[Mapping[str, Tensor]]:
    if not rows_independent:
        return [inputs]
    rows = max((t.shape[0] for t in inputs.values()), default=0)
    starts = range(0, rows, _ROWS)
    return [{name: t[s : s + _ROWS] for name, t in inputs.items()} for s in starts]


def _g_max(
    matrix: TiledMatrix, seen: Sequence[CalibratedOutputs], chip: ChipSpec
) -> tuple[float, ...]:
    chip = with_devices(chip, matrix.devices)
    return tuple(
        g_max_siemens(chip, max((s.line_max[stage] for s in seen), default=0.0))
        for stage in range(len(matrix.row_ranges))
    )
