"""A layer in whole numbers: codes times weights of 16 bits, squares times variances of 7 bits.

Sums of whole numbers are exact, so an output has the same bits on every processor, with any number
of threads, however the vectors are split, and with or without the compiled kernel. What is left to
FP32 numbers is one operation after the other for each output alone.

Rounding a conductance to 15 bits moves it by 1.5e-5 of its column's largest at most. A variance is
rounded to 1/127 of its column's largest, and what is lost is carried to the cell below. A vector's
squares are rounded down to a whole number of steps, at most 127, after adding a different fraction
of a step in each row: on average they keep their sum, and the deviation of a count's noise is
within 1.2 % (but for vectors of one large and many tiny inputs, whose noise is far below a count).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float64, Int16, Int32, UInt8
from torch import Tensor

from hermes_sim import crossbar
from hermes_sim.crossbar import Converters, LayerArrays, RowBlock, Sums, Vectors
from hermesrt.chip import elementary

_MOST_ROWS = 516  # of a block, for sums of 32 bits
_MOST_LEVEL = 127
_WEIGHT, _STEPS = 2**15 - 1, 127
_SURELY = 1 + 1e-4  # more than the round-off of a bound
_DITHER = 40503  # 2^16 over the golden ratio: its multiples, modulo 2^16, are spread evenly


@dataclass(frozen=True, slots=True)
class IntegerBlock:
    """One row block of a layer, all its columns.

    rows: of the layer.
    plus: conductances of the positive polarity, [rows, columns], in steps of the column.
    minus: the same of the negative polarity.
    count: counts of one step and one input code, [columns].
    phase: the most steps of a phase, [columns].
    counter: the most steps of a counter, [columns].
    lines: how much of what each line may take a mean input code of 1 takes, and how much one of
        zero mean and norm 1 takes at most, [kind, polarity, columns]; None where nothing saturates.
    read: variance of the read noise, [rows, columns], in steps of the column; None without.
    read_step: counts squared of a step and a squared code, [columns].
    zero: offset of the converters, [columns], counts.
    white: variance of the noise before the output code, [columns], counts squared; None without.
    scale: output codes of a count, [columns].
    offset: [columns], output codes.
    carry: output codes of a code of the stage before.
    """

    rows: slice
    plus: Int16[Tensor, "rows columns"]
    minus: Int16[Tensor, "rows columns"]
    count: Float[Tensor, " columns"]
    phase: Int32[Tensor, " columns"]
    counter: Int32[Tensor, " columns"]
    lines: Float[Tensor, "kind polarity columns"] | None
    read: UInt8[Tensor, "rows columns"] | None
    read_step: Float[Tensor, " columns"]
    zero: Float[Tensor, " columns"]
    white: Float[Tensor, " columns"] | None
    scale: Float[Tensor, " columns"]
    offset: Float[Tensor, " columns"]
    carry: float


@dataclass(frozen=True, slots=True)
class IntegerLayer:
    """One MVM step in whole numbers.

    converters: of all layers.
    input_scale: input codes of a unit of input.
    blocks: its row blocks, in the order of the cascade.
    output_step: output of an output code, [columns].
    relu: whether a ReLU follows.
    """

    converters: Converters
    input_scale: float
    blocks: tuple[IntegerBlock, ...]
    output_step: Float[Tensor, " columns"]
    relu: bool


def fits(layer: LayerArrays) -> bool:
    """Whether a layer can run in whole numbers."""
    return fits_rows(layer.converters, max(s.pair.shape[1] for s in layer.stages))


def fits_rows(converters: Converters, rows: int) -> bool:
    """Whether inputs are whole numbers, sums of products fit in 32 bits, and both counters of a
    line become whole at once."""
    levels = converters.input_levels
    at_once = converters.counting is None or converters.counted == "line"
    return at_once and levels is not None and levels <= _MOST_LEVEL and rows <= _MOST_ROWS


def integer_layer(layer: LayerArrays) -> IntegerLayer:
    """The layer in whole numbers."""
    return IntegerLayer(
        layer.converters,
        layer.input_scale,
        tuple(integer_block(layer.converters, stage) for stage in layer.stages),
        layer.output_step,
        layer.relu,
    )


def integer_block(converters: Converters, stage: RowBlock) -> IntegerBlock:
    """A row block in whole numbers."""
    counts = stage.pair.double() * stage.unit
    step = _step(counts.amax((0, 1)), _WEIGHT)
    cells = (counts / step).round_()
    phase, counter = (
        (limit / step).floor_().clamp_(max=2**31 - 1)
        for limit in (converters.phase_limit, converters.counter_limit)
    )
    limit = torch.minimum(phase, (counter / 2).floor_())
    read, read_step = None, torch.ones_like(stage.gain)
    if stage.variance is not None:
        variance = stage.variance.double()
        exact = _step(variance.amax(0), _STEPS - 0.5)
        read, read_step = _carried(variance / exact), exact.float()
    plus, minus = cells.to(torch.int16)
    return IntegerBlock(
        rows=stage.rows,
        plus=plus,
        minus=minus,
        count=(step * stage.gain).float(),
        phase=phase.int(),
        counter=counter.int(),
        lines=lines_of(cells, limit, converters),
        read=read,
        read_step=read_step,
        zero=stage.zero,
        white=stage.white,
        scale=stage.scale,
        offset=stage.offset,
        carry=stage.carry,
    )


def _step(largest: Float64[Tensor, " columns"], steps: float) -> Float64[Tensor, " columns"]:
    return torch.where(largest > 0, largest / steps, 1.0)


def _carried(steps: Float64[Tensor, "rows columns"]) -> UInt8[Tensor, "rows columns"]:
    """Rounded, and what is lost carried down the column."""
    sums = steps.cumsum(0).round_()
    return torch.cat([sums[:1], sums.diff(dim=0)]).to(torch.uint8)


def lines_of(
    cells: Float64[Tensor, "polarity rows columns"],
    limit: Float64[Tensor, " columns"],
    converters: Converters,
) -> Float[Tensor, "kind polarity columns"] | None:
    """See IntegerBlock. With c the codes of one sign and g a line, sum c g = mean(c) sum(g) +
    sum (c - mean) (g - mean), and the last is at most the product of both norms."""
    total = cells.sum(1)
    if not converters.four_phase or bool((total * _MOST_LEVEL <= limit).all()):
        return None
    spread = (cells - cells.mean(1, keepdim=True)).square().sum(1).sqrt()
    return (torch.stack([total, spread]) / limit.clamp(min=1) * _SURELY).float()


@cache
def dither(rows: int) -> Float[Tensor, " rows"]:
    """What each row adds to its squares, in 2^-16 of a step."""
    return torch.from_numpy((np.arange(rows) * _DITHER % 2**16).astype(np.float32))


@dataclass(frozen=True, slots=True)
class TorchBlock:
    """A block for torch: FP32 products, each with sums below 2^24.

    block: itself.
    high: its weights over 128, rounded down.
    low: what is left of them, 0 to 127.
    total: the conductances of both polarities; None where nothing saturates.
    worst: of `lines`, the most of each kind; empty where nothing saturates.
    read: its variances.
    """

    block: IntegerBlock
    high: Float[Tensor, "rows columns"]
    low: Float[Tensor, "rows columns"]
    total: Float[Tensor, "rows columns"] | None
    worst: tuple[float, ...]
    read: Float[Tensor, "rows columns"] | None


@dataclass(frozen=True, slots=True)
class TorchLayer:
    """A layer that torch runs.

    layer: itself.
    blocks: its row blocks.
    """

    layer: IntegerLayer
    blocks: tuple[TorchBlock, ...]

    @classmethod
    def of(cls, layer: IntegerLayer) -> "TorchLayer":
        """With the products' factors."""
        return cls(layer, tuple(_torch_block(block) for block in layer.blocks))

    def __call__(self, x: Vectors, noise: crossbar.Noise) -> Sums:
        """What the last LDPU of the cascade sends out for inputs x; `noise` is as in layer_mvm."""
        columns = self.layer.blocks[0].scale.shape[0]
        result = x.new_empty(x.shape[0], columns)
        rows = max(16, crossbar.chunk(x) // columns)
        for start in range(0, x.shape[0], rows):
            part = slice(start, start + rows)
            _outputs(self, x[part], noise, start, result[part])
        return result


def _torch_block(block: IntegerBlock) -> TorchBlock:
    weights = block.plus.int() - block.minus.int()
    high = weights >> 7
    read = None if block.read is None else block.read.float()
    total = None if block.lines is None else block.plus.float() + block.minus.float()
    worst = () if block.lines is None else tuple(block.lines.amax((1, 2)).tolist())
    return TorchBlock(block, high.float(), (weights - high * 128).float(), total, worst, read)


def _outputs(held: TorchLayer, x: Vectors, noise: crossbar.Noise, first: int, out: Sums) -> None:
    layer, converters = held.layer, held.layer.converters
    codes = crossbar.input_codes(converters, layer.input_scale, x, torch.empty_like(x))
    broken = None
    if not codes.is_cpu or math.isnan(float(codes.sum())):  # an answer would have to be waited for
        broken = codes.isnan().any(1, keepdim=True)
        codes.masked_fill_(broken, 0.0)
    value: Tensor | None = None
    for index, one in enumerate(held.blocks):
        block, before = one.block, value
        value = _counts(converters, one, codes[:, block.rows], noise, index, first)
        value.mul_(block.scale).add_(block.offset)
        if before is not None:
            value.add_(before.mul_(block.carry))
        last = index == len(held.blocks) - 1
        crossbar.output_code(converters, value, relu=layer.relu and last)
    assert value is not None
    torch.mul(value, layer.output_step, out=out)
    if broken is not None:
        out.masked_fill_(broken, torch.nan)


def _counts(
    converters: Converters,
    one: TorchBlock,
    codes: Vectors,
    noise: crossbar.Noise,
    index: int,
    first: int,
) -> Sums:
    """Difference of the two counters of each line, in whole counts."""
    block = one.block
    sums = _product(one, codes)
    if converters.asymmetry:
        sums.add_(_product(one, codes.clamp(min=0)).mul_(converters.asymmetry))
    if one.total is not None:
        _stop_phases(block, one.worst, one.total, codes, sums)
    counts = sums.mul_(block.count).add_(block.zero)
    if not converters.four_phase:
        limit = min(converters.phase_limit, converters.counter_limit)
        counts.clamp_(-limit, limit)
    variance = _variance(one, codes)
    if variance is not None:
        normal = noise(index, first, torch.empty_like(counts))
        counts.add_(normal.mul_(elementary.root(variance)))
    return counts if converters.counting is None else crossbar.whole(converters.counting, counts)


def _product(one: TorchBlock, codes: Vectors) -> Sums:
    """Sums of codes times weights, exact before their one rounding to FP32."""
    return (codes @ one.low).add_(codes @ one.high, alpha=128)


def _variance(one: TorchBlock, codes: Vectors) -> Tensor | None:
    """Variance of the noise of each count, [vectors, columns] or [columns]."""
    white = one.block.white
    if one.read is None:
        return white
    squares, step = squared(codes)
    variance = (squares @ one.read).mul_(step).mul_(one.block.read_step)
    return variance if white is None else variance.add_(white)


def squared(codes: Vectors) -> tuple[Vectors, Float[Tensor, "vectors 1"]]:
    """The squares of codes in whole steps, and each vector's step."""
    squares = codes.square()
    step = ((squares.amax(1, keepdim=True) + (_STEPS - 1)) / _STEPS).floor_().clamp_(min=1)
    added = (dither(codes.shape[1]).to(codes.device) * step).mul_(2.0**-16).floor_()
    # half a unit more, so that the reciprocal's round-off never moves a whole quotient
    return squares.add_(added).add_(0.5).mul_(1 / step).floor_(), step


def _stop_phases(
    block: IntegerBlock,
    worst: Sequence[float],
    total: Float[Tensor, "rows columns"],
    codes: Vectors,
    sums: Sums,
) -> None:
    """Replace the sums of vectors that may saturate a line by those of four stopped phases: what
    did not saturate has the same bits as before.

    Few vectors pass the first bound by chance. For those, the product of all magnitudes with all
    conductances is the sum of both counters and `sums` their difference; no phase counts more than
    its counter.
    """
    taken = [_taken(codes.clamp(min=0), worst), _taken(codes.clamp(max=0), worst)]
    suspect = (torch.maximum(*taken) > 1).nonzero()[:, 0]
    if not len(suspect):
        return
    most = (codes[suspect].abs() @ total).add_(sums[suspect].abs()).mul_(_SURELY / 2)
    suspect = suspect[(most > torch.minimum(block.phase, block.counter)).any(1)]
    if len(suspect):
        sums[suspect] = four_phases(block, codes[suspect])


def _taken(codes: Vectors, worst: Sequence[float]) -> Float[Tensor, " vectors"]:
    """The largest share of what a line may take, of vectors of one sign."""
    mean = codes.mean(1)
    spread = (codes.square().sum(1) - codes.shape[1] * mean.square()).clamp_(min=0).sqrt_()
    return mean.abs() * worst[0] + spread * worst[1]


def four_phases(block: IntegerBlock, codes: Vectors) -> Sums:
    """See crossbar.four_phases; in steps of the columns, exact in FP64."""
    up, down = codes.clamp(min=0).double(), (-codes).clamp_(min=0).double()
    plus, minus = block.plus.double(), block.minus.double()
    phase, counter = block.phase.double(), block.counter.double()

    def count(signs: Vectors, line: Float64[Tensor, "rows columns"]) -> Sums:
        return torch.minimum(signs @ line, phase)

    positive = torch.minimum(count(up, plus) + count(down, minus), counter)
    negative = torch.minimum(count(up, minus) + count(down, plus), counter)
    return (positive - negative).float()
