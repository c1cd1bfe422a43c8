"""Quantize: fixed-point ranges from calibration data, and g_max from the current limit.

In: Tiled and calibration inputs. Out: Quantized. Method: run the exact graph on the calibration
inputs; an MVM's input range is the largest |x|, the range of its output word after row block i of
the cascade the largest |partial sum| there, the last with the LDPU's affine and ReLU in it (rule of
the simulator model; see the chip's `ldpu_code`). g_max of a block is the devices' limit, or the
largest conductance that keeps the current of every line below the ADC's saturation on the
calibration data (Le Gallo 2023, Methods); a line's current is highest when all pulses of a phase
are on. Columns are scaled one by one: g = w / max|w_column| * g_max.
Cost: one pass over the calibration data, two products for each MVM.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hermesc.errors import ModelError
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Quantized, Ranges, Tiled, TiledMatrix
from hermesc.target.spec import ChipSpec

_ROWS = 1024  # of the batch at once


def quantize(
    tiled: Tiled,
    weights: Weights,
    calibration: Mapping[str, Tensor],
    streams: bool,
    chip: ChipSpec,
) -> Quantized:
    """Ranges of every MVM and g_max of every row block.

    `streams` says that the calibration rows may be run in parts.
    Raises: ModelError when a matrix or a calibration result is not finite.
    """
    graph = tiled.partitioned.graph
    matrices = {use: m for m in tiled.matrices for use in m.uses}
    seen = {op.name: _Seen(op, matrices[op.name], weights) for op in graph.mvms}
    for part in _parts(calibration, streams):
        interpret(graph, weights, part, lambda op, x: seen[op.name].update(x))
    rows = max((t.shape[0] for t in calibration.values() if t.dim()), default=0)
    return Quantized(
        tiled,
        tuple(seen[op.name].ranges() for op in graph.mvms),
        tuple(_g_max(m, [seen[use] for use in m.uses], chip) for m in tiled.matrices),
        rows,
    )


def _parts(inputs: Mapping[str, Tensor], streams: bool) -> list[Mapping[str, Tensor]]:
    if not streams:
        return [inputs]
    rows = max((t.shape[0] for t in inputs.values()), default=0)
    starts = range(0, rows, _ROWS)
    return [{name: t[s : s + _ROWS] for name, t in inputs.items()} for s in starts]


@dataclass(slots=True)
class _Seen:
    """The extremes of one MVM so far."""

    op: Mvm
    matrix: TiledMatrix
    weights: Weights
    input_max: float = 0.0
    output_max: list[float] = field(default_factory=list)
    line_max: list[float] = field(default_factory=list)  # sums of |w| / max|w_column| in a phase

    def update(self, x: Tensor) -> None:
        x = x.reshape(-1, x.shape[-1]).to(torch.float32)
        if not bool(torch.isfinite(x).all()):
            raise ModelError(
                f"{self.op.location}: the input of {self.op.label} is not finite on the "
                "calibration data; check the model and calibration_inputs for NaN and infinity"
            )
        self.input_max = max(self.input_max, float(x.abs().amax()) if x.numel() else 0.0)
        sums = _partial_sums(self.op, self.matrix, self.weights, x)
        outputs = [float(s.abs().amax()) if s.numel() else 0.0 for s in sums]
        self.output_max = _larger(self.output_max, outputs)
        self.line_max = _larger(self.line_max, self._lines(x))

    def _lines(self, x: Tensor) -> list[float]:
        """Largest sum of scaled weights that inputs of one sign switch on, of each row block."""
        matrix = self.weights[self.op.matrix].to(torch.float32)
        unit = matrix / column_max(matrix)
        found = []
        for start, end in self.matrix.row_ranges:
            block = unit[start:end]
            polarities = torch.cat([block.clamp(min=0), (-block).clamp(min=0)], 1)
            signs = torch.cat([x[:, start:end] > 0, x[:, start:end] < 0])
            lines = signs.to(torch.float32) @ polarities
            found.append(float(lines.amax()) if lines.numel() else 0.0)
        return found

    def ranges(self) -> Ranges:
        """Ranges above zero even for inputs or weights that are all zero."""
        outputs = tuple(m or 1.0 for m in self.output_max)
        return Ranges(self.op.name, self.input_max or 1.0, outputs)


def column_max(matrix: Tensor) -> Tensor:
    """Largest magnitude of each column, 1 where the column is zero."""
    largest = matrix.abs().amax(0)
    return torch.where(largest > 0, largest, torch.ones_like(largest))


def _partial_sums(op: Mvm, matrix: TiledMatrix, weights: Weights, x: Tensor) -> list[Tensor]:
    """What each stage of the cascade sends on: scaled sums, the last one finished."""
    stored = weights[op.matrix].to(torch.float32)
    if not bool(torch.isfinite(stored).all()):
        raise ModelError(
            f"{op.location}: the weights of {op.label} hold NaN or infinity; load trained weights"
        )
    total = torch.zeros(x.shape[0], stored.shape[1])
    sums = []
    for start, end in matrix.row_ranges:
        part = x[:, start:end] @ stored[start:end]
        total = total + (part if op.scale is None else part * weights[op.scale])
        sums.append(total)
    last = total if op.bias is None else total + weights[op.bias]
    sums[-1] = last.relu() if op.relu else last
    return sums


def _g_max(matrix: TiledMatrix, seen: Sequence[_Seen], chip: ChipSpec) -> tuple[float, ...]:
    limits = []
    for stage in range(len(matrix.row_ranges)):
        full = max((s.line_max[stage] for s in seen), default=0.0)
        allowed = chip.line_siemens / full if full > 0 else chip.pcm.g_max_siemens
        limits.append(min(chip.pcm.g_max_siemens, allowed))
    return tuple(limits)


def _larger(old: list[float], new: list[float]) -> list[float]:
    return [max(a, b) for a, b in zip(old, new, strict=True)] if old else new


def rows_are_independent(graph: Graph, weights: Weights, inputs: Mapping[str, Tensor]) -> bool:
    """Whether each output row depends on its own input row alone, tried on the given inputs.

    Such a program can be run on part of the rows after another. Compares the outputs of each half
    of the rows, of every other row and of one row, each run alone, with those of all rows.
    """
    rows = {t.shape[0] if t.dim() else 0 for t in inputs.values()}
    if len(rows) != 1 or (count := rows.pop()) < 2:
        return False
    middle = count // 2
    parts = (slice(0, middle), slice(middle, None), slice(1, None, 2), slice(middle, middle + 1))
    try:
        whole = interpret(graph, weights, inputs)
        return all(
            _same_rows(whole, interpret(graph, weights, {n: t[p] for n, t in inputs.items()}), p)
            for p in parts
        )
    except (RuntimeError, ValueError, IndexError):
        return False  # the model insists on the example's number of rows


def _same_rows(whole: Sequence[Tensor], part: Sequence[Tensor], rows: slice) -> bool:
    return all(
        a.dim() > 0
        and b.shape == a[rows].shape
        and torch.allclose(a[rows].double(), b.double(), rtol=1e-3, atol=1e-4, equal_nan=True)
        for a, b in zip(whole, part, strict=True)
    )
