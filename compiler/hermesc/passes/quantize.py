"""Quantize: fixed-point ranges from calibration data, and g_max from the current limit.

In: Tiled and calibration inputs. Out: Quantized. Method: run the exact graph on the calibration
inputs twice. The first pass gives each MVM's input range: the largest |x|, a percentile of |x|, or
a number of standard deviations (about zero, as the range lies). The second sees the inputs as they
will be clipped, or as they are (`output_range`): the range of the output word after row block i of
the cascade is the largest |partial sum| there, the last with the LDPU's affine and ReLU in it
(rule of the simulator model; see the chip's `ldpu_code`). g_max of a block is the devices' limit,
or the largest conductance that keeps the current of every line below the ADC's saturation on the
calibration data (Le Gallo 2023, Methods); a line's current is highest when all pulses of a phase
are on. Conductances come from weights as `hermesrt.chip.conductance` says. Some input vectors are
kept, with 8 bits, for the LDPU's correction of its columns. Of an MVM that runs at every position
of a window the second pass looks at vectors spread evenly over all positions, so many at most.
Cost: two passes over the calibration data, two products for each MVM.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from hermesc.analysis.finite_weights import all_finite
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Quantized, Ranges, Tiled, TiledMatrix
from hermesc.placement.options import LayerOptions
from hermesrt.chip.cells import with_devices
from hermesrt.chip.conductance import column_max, g_max_siemens, g_shares
from hermesrt.chip.spec import ChipSpec, limits
from hermesrt.errors import ModelError
from hermesrt.ops.unfold import sampled
from hermesrt.ops.window import vector_count
from hermesrt.units import plural

_ROWS = 1024  # of the batch at once
_VECTORS = 256  # kept of each MVM's inputs
_GOLDEN = (5**0.5 - 1) / 2
_POSITIONS = 2**14  # of a window that are looked at
_SAMPLED = 2**20  # values of an input that a percentile looks at
_SMALLEST = 2.0**-118  # range: the inverse of its steps is far from the end of FP32
_OUTLIER = 16.0  # times the others' rms; a normal column of 256 has 3.5


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

    range: Literal["max", "percentile", "deviations"] = "max"
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
    graph = tiled.graph
    slots = graph.slots()
    _check_learned(learned, slots.values())
    matrices = {use: m for m in tiled.matrices for use in m.uses}
    parts = _parts(calibration, rows_independent)
    own = {op.name: single.applied([op.label], options) for op in graph.mvms}
    inputs = {op.name: _Inputs(op) for op in graph.mvms}
    for part in parts:
        interpret(graph, weights, part, lambda op, x: inputs[op.name].update(x))
    scratch = _Scratch()
    seen = {
        op.name: _Seen(
            op,
            matrices[op.name],
            weights,
            inputs[op.name],
            learned.get(slots[op.name]) or inputs[op.name].limit(own[op.name]),
            own[op.name].output_range,
            scratch,
        )
        for op in graph.mvms
    }
    for part in parts:
        interpret(graph, weights, part, lambda op, x: seen[op.name].update(x))
    rows = max((t.shape[0] for t in calibration.values() if t.dim()), default=0)
    return Quantized(
        tiled,
        tuple(seen[op.name].ranges() for op in graph.mvms),
        tuple(
            programmed.get(m.matrix) or _g_max(m, [seen[use] for use in m.uses], chip)
            for m in tiled.matrices
        ),
        tuple(seen[op.name].vectors() for op in graph.mvms),
        rows,
        tuple(_notes(graph, tiled, weights, inputs)),
    )


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
        if not _SMALLEST <= limit < math.inf:
            raise ModelError(
                f"input_ranges[{slot!r}] is {limit}; a range is a number above {_SMALLEST:.3g}"
            )


def _parts(inputs: Mapping[str, Tensor], rows_independent: bool) -> list[Mapping[str, Tensor]]:
    if not rows_independent:
        return [inputs]
    rows = max((t.shape[0] for t in inputs.values()), default=0)
    starts = range(0, rows, _ROWS)
    return [{name: t[s : s + _ROWS] for name, t in inputs.items()} for s in starts]


@dataclass(slots=True)
class _Inputs:
    """What the first pass learns of one MVM's inputs."""

    op: Mvm
    count: int = 0
    vectors: int = 0
    largest: float = 0.0
    lowest: float = float("inf")
    square: float = 0.0
    rate: float = 1.0  # at which values are kept
    kept: list[Tensor] = field(default_factory=list)
    chance: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def update(self, x: Tensor) -> None:
        self.vectors += vector_count(self.op.window, tuple(x.shape))
        x = x.to(torch.float32)
        if not bool(torch.isfinite(x).all()):
            raise ModelError(
                f"{self.op.location}: the input of {self.op.label} is not finite on the "
                "calibration data; check the model and calibration_inputs for NaN and infinity"
            )
        if not x.numel():
            return
        size = x.abs()
        self.count += x.numel()
        self.largest = max(self.largest, float(size.amax()))
        self.lowest = min(self.lowest, float(size.amin()))
        self.square += float(x.double().square().sum())
        self._keep(size.flatten())

    def _keep(self, values: Tensor) -> None:
        """A random sample, every value with the same chance, whenever it comes."""
        self.kept.append(self._some(values, self.rate))
        while sum(k.numel() for k in self.kept) > _SAMPLED:
            self.kept, self.rate = [self._some(torch.cat(self.kept), 0.5)], self.rate / 2

    def _some(self, values: Tensor, share: float) -> Tensor:
        if share == 1:
            return values
        return values[torch.rand(values.shape, generator=self.chance) < share]

    def limit(self, options: QuantizeOptions) -> float:
        """What the input clips at, above zero even for inputs that are all zero."""
        if not self.count or not self.largest:
            return 1.0
        match options.range:
            case "max":
                chosen = self.largest
            case "percentile":
                values = torch.cat(self.kept).sort().values
                place = round(options.percentile / 100 * (len(values) - 1))
                chosen = float(values[place])
            case "deviations":
                chosen = options.deviations * (self.square / self.count) ** 0.5
        return max(min(chosen, self.largest) or self.largest, _SMALLEST)


def _spread_place(number: int, stride: int) -> int:
    """Of a kept vector among all: one of the `stride` places that are its own."""
    return number * stride + int(number * _GOLDEN % 1 * stride)


@dataclass(slots=True)
class _Scratch:
    """Memory of large intermediate results, used again for each matrix: fresh memory of each would
    lie between what is kept of the matrices, and leave holes that nothing fits."""

    held: Tensor = field(default_factory=lambda: torch.empty(0))

    def numbers(self, count: int) -> Tensor:
        """So many, of any value."""
        if self.held.numel() < count:
            self.held = torch.empty(count)
        return self.held[:count]


@dataclass(slots=True)
class _Seen:
    """What the second pass learns of one MVM, its inputs clipped."""

    op: Mvm
    matrix: TiledMatrix
    weights: Weights
    inputs: _Inputs
    limit: float
    output_range: str
    scratch: "_Scratch"
    clipped: int = 0
    passed: int = 0  # of a window's vectors
    picked: int = 0
    vectors_seen: int = 0
    output_max: list[float] = field(default_factory=list)
    line_max: list[float] = field(default_factory=list)  # sums of |w| / max|w_column| in a phase
    kept: list[Tensor] = field(default_factory=list)

    def update(self, x: Tensor) -> None:
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
        matrix = self.weights[self.op.matrix].to(torch.float32)
        largest, columns, found = column_max(matrix), matrix.shape[1], []
        for start, end in self.matrix.row_ranges:
            scratch, rows = self.scratch.numbers(3 * (end - start) * columns), end - start
            unit = g_shares(matrix[start:end], largest, scratch[: rows * columns].view(rows, -1))
            polarities = scratch[rows * columns :].view(rows, -1)
            torch.clamp(unit, min=0, out=polarities[:, :columns])
            torch.clamp(unit, max=0, out=polarities[:, columns:]).neg_()
            part = x[:, start:end]
            lines = torch.cat([part > 0, part < 0]).to(torch.float32) @ polarities
            found.append(float(lines.amax()) if lines.numel() else 0.0)
        return found

    def ranges(self) -> Ranges:
        """Ranges above zero even for inputs or weights that are all zero."""
        if not all(map(math.isfinite, self.output_max)):
            stored = self.weights[self.op.matrix]
            raise ModelError(
                f"{self.op.location}: the output of {self.op.label} is beyond FP32 on the "
                f"calibration data; its weights reach {float(stored.abs().amax()):.3g}: scale them "
                "or its inputs down"
            )
        outputs = tuple(max(m, _SMALLEST) if m else 1.0 for m in self.output_max)
        share = self.clipped / self.inputs.count if self.inputs.count else 0.0
        return Ranges(self.op.name, self.limit, outputs, share)

    def vectors(self) -> Tensor:
        """The kept input vectors, in steps of a 127th of the range."""
        kept = torch.cat(self.kept) if self.kept else torch.zeros(0, self.matrix.rows)
        return (kept * (127 / self.limit)).round().to(torch.int8)


def _notes(
    graph: Graph, tiled: Tiled, weights: Weights, inputs: Mapping[str, _Inputs]
) -> Iterator[str]:
    """What the user should know of weights and calibration data that a crossbar takes badly."""
    for matrix in tiled.matrices:
        stored = weights[matrix.matrix].to(torch.float32)
        largest = column_max(stored)
        yield from _outliers(matrix.label, stored, largest)
        if not float(largest.amax()):
            yield f"{matrix.label}: all weights are zero"
    for op in graph.mvms:
        x = inputs[op.name]
        if 0 < x.largest < _SMALLEST:
            yield (
                f"{op.label}: its input is at most {x.largest:.3g} on calibration data and the "
                f"smallest range is {_SMALLEST:.3g}: the chip sees zeros; scale the inputs up"
            )
        if x.count > 1 and x.largest == x.lowest:
            yield f"{op.label}: its input has one magnitude, {x.largest:.3g}, on calibration data"


def _outliers(label: str, stored: Tensor, column_largest: Tensor) -> Iterator[str]:
    """The column whose largest weight leaves least of the others."""
    columns = _suspects(stored, column_largest.square())
    size = stored[:, columns].abs()
    largest, row = size.max(0)
    others = (size > 0).sum(0) - 1
    rest = size.scatter(0, row[None], 0.0)  # to take the largest from a sum would leave round-off
    rms = rest.square().sum(0).div(others.clamp(min=1)).sqrt()
    ratio = torch.where((others > 0) & (rms > 0), largest / rms, 0.0)
    worst = int(ratio.argmax()) if ratio.numel() else 0
    if not ratio.numel() or float(ratio[worst]) <= _OUTLIER:
        return
    factor = float(ratio[worst])
    lost = torch.log2(ratio[worst] / 3.5)
    yield (
        f"{label}: the weight of input {int(row[worst])} in output {int(columns[worst])} is "
        f"{factor:.3g} times the rms of the others in its column and costs them "
        f"{float(lost):.1f} bits of precision; "
        f"{plural(int((ratio > _OUTLIER).sum()), 'column')} with such an outlier"
    )


def _suspects(stored: Tensor, largest: Tensor) -> Tensor:
    """The columns that may hold an outlier, for little: squares without the largest, to within
    round-off, are less than twice what an outlier leaves; `largest` are the columns' largest
    squares."""
    rest = stored.new_ones(stored.shape[0]) @ stored.square() - largest
    harmless = 2 * stored.shape[0] * largest <= _OUTLIER**2 * rest  # false where squares overflow
    return (~harmless).nonzero()[:, 0]


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


def _g_max(matrix: TiledMatrix, seen: Sequence[_Seen], chip: ChipSpec) -> tuple[float, ...]:
    chip = with_devices(chip, matrix.devices)
    return tuple(
        g_max_siemens(chip, max((s.line_max[stage] for s in seen), default=0.0))
        for stage in range(len(matrix.row_ranges))
    )


def _larger(old: list[float], new: list[float]) -> list[float]:
    return [max(a, b) for a, b in zip(old, new, strict=True)] if old else new
