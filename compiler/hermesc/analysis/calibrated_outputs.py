"""What calibration data tell of one MVM's outputs and lines, with its inputs clipped.

In: an MVM, what its inputs clip at, and these inputs in parts. Out: the largest magnitude after
each row block of the cascade, the last with the LDPU's affine and ReLU in it; the largest sum of
conductances that inputs switch on in one phase of a line; some input vectors. Of an MVM that runs
at every position of a window it looks at vectors spread evenly over all positions, so many at most.
Cost: three products of the inputs with the matrix.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hermesc.analysis.calibrated_inputs import SMALLEST, CalibratedInputs
from hermesc.analysis.finite_weights import all_finite
from hermesc.analysis.scratch import Scratch
from hermesc.ir.graph import Weights
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Ranges, TiledMatrix
from hermesrt.chip.conductance import g_shares
from hermesrt.errors import ModelError
from hermesrt.ops.unfold import sampled
from hermesrt.ops.window import vector_count

_VECTORS = 256  # kept of each MVM's inputs
_GOLDEN = (5**0.5 - 1) / 2
_POSITIONS = 2**14  # of a window that are looked at


@dataclass(slots=True)
class CalibratedOutputs:
    """What is known of one MVM so far.

    op: the MVM.
    matrix: its blocks.
    weights: by name.
    column_max: largest magnitude of each column of its matrix, [columns].
    inputs: what is known of all its inputs.
    limit: what they clip at.
    output_range: `clipped` for outputs of clipped inputs, `unclipped` for those of all.
    scratch: for all MVMs.
    clipped: inputs beyond the limit.
    passed: of a window's vectors.
    picked: vectors that are kept.
    vectors_seen: so far, of those that are looked at.
    output_max: of each row block, with those before it.
    line_max: of each row block, sums of |w| / max|w_column| in a phase.
    kept: input vectors.
    """

    op: Mvm
    matrix: TiledMatrix
    weights: Weights
    column_max: Tensor
    inputs: CalibratedInputs
    limit: float
    output_range: str
    scratch: Scratch
    clipped: int = 0
    passed: int = 0
    picked: int = 0
    vectors_seen: int = 0
    output_max: list[float] = field(default_factory=list)
    line_max: list[float] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)

    def update(self, x: Tensor) -> None:
        """More inputs.

        Raises: ModelError where the weights are not finite.
        """
        x = x.to(torch.float32)
        self.clipped += int((x.abs() > self.limit).sum())
        x = self._looked_at(x)
        clipped = x.clamp(-self.limit, self.limit)
        self._keep(clipped)
        seen = clipped if self.output_range == "clipped" else x
        sums = _partial_sums(self.op, self.matrix, self.weights, seen)
        outputs = [float(s.abs().amax()) if s.numel() else 0.0 for s in sums]
        self.output_max = _larger(self.output_max, outputs)
        self.line_max = _larger(self.line_max, self._lines(clipped))

    def _looked_at(self, x: Tensor) -> Tensor:
        """All vectors, or of a window's every n-th."""
        window = self.op.window
        if window is None:
            return x.reshape(-1, x.shape[-1])
        count, stride = vector_count(self.op.window, tuple(x.shape)), self._stride
        places = torch.arange(-self.passed % stride, count, stride)
        self.passed += count
        return sampled(window, x, places)

    @property
    def _stride(self) -> int:
        """Between the positions that are looked at: odd, so that it meets all columns of an image
        whose width is a power of two."""
        most = -(-self.inputs.vectors // _POSITIONS)
        return 1 if self.op.window is None else max(1, most) | 1

    def _keep(self, x: Tensor) -> None:
        """One vector of every n, so that the kept ones are spread over all calibration data; which
        one moves on by the golden ratio, for every n-th would be always the same few places of a
        sequence, or columns of an image, whose length has a factor with n."""
        stride = max(1, -(-self.inputs.vectors // (_VECTORS * self._stride)))
        first, picked = self.vectors_seen, list[int]()
        self.vectors_seen += x.shape[0]
        while (place := _spread_place(self.picked, stride)) < self.vectors_seen:
            picked.append(place - first)
            self.picked += 1
        self.kept.append(x[picked].clone())

    def _lines(self, x: Tensor) -> list[float]:
        """Largest sum of scaled weights that inputs of one sign switch on, of each row block."""
        matrix, found = self.weights[self.op.matrix].to(torch.float32), []
        for start, end in self.matrix.row_ranges:
            block, part = matrix[start:end], x[:, start:end]
            rows, columns = block.shape
            unit = g_shares(block, self.column_max, self.scratch.of("shares", rows, columns))
            polarities = self.scratch.of("polarities", rows, 2 * columns)
            torch.clamp(unit, min=0, out=polarities[:, :columns])
            torch.clamp(unit, max=0, out=polarities[:, columns:]).neg_()
            lines = torch.cat([part > 0, part < 0]).to(torch.float32) @ polarities
            found.append(float(lines.amax()) if lines.numel() else 0.0)
        return found

    def ranges(self) -> Ranges:
        """Ranges above zero even for inputs or weights that are all zero.

        Raises: ModelError where an output is beyond FP32.
        """
        if not all(map(math.isfinite, self.output_max)):
            stored = self.weights[self.op.matrix]
            raise ModelError(
                f"{self.op.location}: the output of {self.op.label} is beyond FP32 on the "
                f"calibration data; its weights reach {float(stored.abs().amax()):.3g}: scale them "
                "or its inputs down"
            )
        outputs = tuple(max(m, SMALLEST) if m else 1.0 for m in self.output_max)
        share = self.clipped / self.inputs.count if self.inputs.count else 0.0
        return Ranges(self.op.name, self.limit, outputs, share)

    def vectors(self) -> Tensor:
        """The kept input vectors, in steps of a 127th of the range."""
        kept = torch.cat(self.kept) if self.kept else torch.zeros(0, self.matrix.rows)
        return (kept * (127 / self.limit)).round().to(torch.int8)


def _spread_place(number: int, stride: int) -> int:
    """Of a kept vector among all: one of the `stride` places that are its own."""
    return number * stride + int(number * _GOLDEN % 1 * stride)


def _partial_sums(op: Mvm, matrix: TiledMatrix, weights: Weights, x: Tensor) -> list[Tensor]:
    """What each stage of the cascade sends on: scaled sums, the last one finished."""
    stored = weights[op.matrix].to(torch.float32)
    if not all_finite(stored):
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


def _larger(old: list[float], new: list[float]) -> list[float]:
    return [max(a, b) for a, b in zip(old, new, strict=True)] if old else new
