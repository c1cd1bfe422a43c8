"""The signal chain of one layer: input code, analog sums, counters, LDPU, output code.

All constants are folded into the stored weights once (`RowBlock`), so an MVM is: quantise, product,
noise, round, scale. Here it is in FP32; layers whose inputs are codes run in whole numbers
(`integers`). All column tiles of a row block share one product, for only row blocks have converters
of their own. The FP16 rounding inside the LDPU (2^-11) is below an eighth of its output
step and is not modelled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.spec import Mode

Vectors = Float[Tensor, "vectors rows"]
Sums = Float[Tensor, "vectors columns"]


@dataclass(frozen=True, slots=True)
class RowBlock:
    """One row block of a layer, all its columns, in ADC counts for each step of the input code.

    rows: of the layer.
    weights: with the converters' gain in them, [rows, columns], counts.
    pair: g+ and g- without it, [polarity, rows, columns], S.
    unit: counts of one siemens.
    gain: of the converters, [columns].
    zero: their offset, [columns], counts.
    variance: of the read noise, [rows, columns], counts squared; None without.
    white: variance of the noise before the output code, [columns], counts squared; None without.
    safe_norm: an input whose codes stay below it (Euclidean, for each sign) saturates no line.
    scale: output codes of a count, [columns].
    offset: [columns], output codes.
    carry: output codes of a code of the stage before.

    The output code is that of counts * scale + offset + carry * code of the stage before.
    """

    rows: slice
    weights: Float[Tensor, "rows columns"]
    pair: Float[Tensor, "polarity rows columns"]
    unit: float
    gain: Float[Tensor, " columns"]
    zero: Float[Tensor, " columns"]
    variance: Float[Tensor, "rows columns"] | None
    white: Float[Tensor, " columns"] | None
    safe_norm: float
    scale: Float[Tensor, " columns"]
    offset: Float[Tensor, " columns"]
    carry: float


@dataclass(frozen=True, slots=True)
class Converters:
    """The converters of all layers.

    input_levels: the largest input code; None leaves inputs as they are.
    output_levels: the largest output code.
    phase_limit: the largest count of a phase.
    counter_limit: the largest count of one counter.
    counting: how counts become whole; None leaves them as they are.
    counted: what of: a `line` at once, each `counter`, or each `phase`.
    rounding: of the output code; None leaves it as it is.
    asymmetry: of the polarities in a 1-phase read.
    four_phase: whether a read has four phases.
    """

    input_levels: int | None
    output_levels: int
    phase_limit: float
    counter_limit: float
    counting: str | None
    counted: str
    rounding: str | None
    asymmetry: float
    four_phase: bool


@dataclass(frozen=True, slots=True)
class LayerArrays:
    """One MVM step, ready to run.

    converters: of all layers.
    input_scale: input codes of a unit of input.
    stages: its row blocks, in the order of the cascade.
    output_step: output of an output code, [columns].
    relu: whether a ReLU follows.
    """

    converters: Converters
    input_scale: float
    stages: tuple[RowBlock, ...]
    output_step: Float[Tensor, " columns"]
    relu: bool


Noise = Callable[[int, int, Tensor], Tensor]

_CHUNK = 2**16  # elements of a temporary, so that all of them stay in the processor's cache
_LARGE_CHUNK = 2**24  # the same elsewhere, where each call costs more than its elements
_SURELY = 1 - 1e-4  # of a limit: more than the round-off of a sum


class Workspace:
    """Temporaries of a call, used again for each chunk: fresh memory costs more than arithmetic."""

    def __init__(self, stages: tuple[RowBlock, ...], rows: int, inputs: int) -> None:
        columns, new = stages[0].scale.shape[0], stages[0].scale.new_empty
        tall = max((s.variance.shape[0] for s in stages if s.variance is not None), default=0)
        self.codes = new(rows, inputs)
        self.before = new(rows if len(stages) > 1 else 0, columns)
        self.noise = new(rows, columns)
        self.deviation = new(rows if tall else 0, columns)
        self.squares = new(rows * tall)


def layer_mvm(layer: LayerArrays, x: Vectors, noise: Noise) -> Sums:
    """What the last LDPU of the cascade sends out for inputs x.

    `noise(stage, first, out)` fills `out` with the normal numbers of the vectors from `first` on.
    Source: Le Gallo 2023 (8-bit PWM, two counters a line, LDPU in FP16 with an INT8 partial sum
    from the core before); the output code is the chip file's `ldpu_code`, inferred.
    """
    columns = layer.stages[0].scale.shape[0]
    result = x.new_empty(x.shape[0], columns)
    rows = max(16, chunk(x) // columns)
    work = Workspace(layer.stages, min(rows, x.shape[0]), x.shape[1])
    for start in range(0, x.shape[0], rows):
        part = slice(start, start + rows)
        own = partial(_from, noise, start)
        codes = output_codes(layer, x[part], own, work, result[part])
        codes.mul_(layer.output_step)
    return result


def chunk(x: Tensor) -> int:
    """Elements of a temporary, where x lies."""
    return _CHUNK if x.is_cpu else _LARGE_CHUNK


def _from(noise: Noise, start: int, stage: int, first: int, out: Tensor) -> Tensor:
    return noise(stage, start + first, out)


def output_codes(layer: LayerArrays, x: Vectors, noise: Noise, work: Workspace, out: Sums) -> Sums:
    """The output codes of a few vectors, written to `out`."""
    converters, stages, count = layer.converters, layer.stages, x.shape[0]
    codes = input_codes(converters, layer.input_scale, x, work.codes[:count])
    last = len(stages) - 1
    turns = (out, work.before[:count])  # stages write to them in turn, the last one to `out`
    for index, stage in enumerate(stages):
        value, before = turns[(last - index) % 2], turns[(last - index + 1) % 2]
        part = codes if last == 0 else codes[:, stage.rows]
        stage_counts(converters, stage, part, noise, index, value, work)
        torch.addcmul(stage.offset, value, stage.scale, out=value)
        if index > 0:
            value.add_(before, alpha=stage.carry)
        output_code(converters, value, relu=layer.relu and index == last)
    return out


def input_codes(converters: Converters, scale: float, x: Vectors, out: Tensor) -> Vectors:
    """Signed PWM codes: round(x * scale), clipped."""
    torch.mul(x, scale, out=out)
    if converters.input_levels is None:
        return out
    return out.round_().clamp_(-converters.input_levels, converters.input_levels)


def stage_counts(
    converters: Converters,
    stage: RowBlock,
    codes: Vectors,
    noise: Noise,
    index: int,
    counts: Sums,
    work: Workspace,
) -> Sums:
    """Difference of the two counters of each line, in whole counts, written to `counts`."""
    driven = codes
    if converters.asymmetry:
        driven = codes + converters.asymmetry * codes.clamp(min=0)
    apart = converters.counting is not None and converters.counted != "line"
    if apart:
        counts.copy_(stage.zero.expand_as(counts))
    else:
        line_counts(converters, stage, driven, counts)
    if stage.variance is not None:
        deviation = read_deviation(stage, stage.variance, codes, work)
        counts.addcmul_(noise(index, 0, work.noise[: codes.shape[0]]), deviation)
    elif stage.white is not None:
        counts.addcmul_(noise(index, 0, work.noise[: codes.shape[0]]), stage.white.sqrt())
    if apart:
        return counts.copy_(counted_apart(converters, stage, driven, counts))
    return counts if converters.counting is None else whole(converters.counting, counts)


def line_counts(converters: Converters, stage: RowBlock, driven: Vectors, counts: Sums) -> None:
    """The difference of both counters at once, stopped where a phase or a counter stops."""
    torch.addmm(stage.zero, driven, stage.weights, out=counts)
    if converters.four_phase:
        stop_phases(converters, stage, driven, counts)
    else:
        limit = min(converters.phase_limit, converters.counter_limit)
        counts.clamp_(-limit, limit)


def whole(rounding: str, counts: Tensor) -> Tensor:
    """Whole counts, in place."""
    match rounding:
        case "floor":
            return counts.floor_()
        case "truncate":
            return counts.div_(1.0, rounding_mode="trunc")  # ten times faster than trunc_
    return counts.round_()


def counted_apart(converters: Converters, stage: RowBlock, driven: Vectors, more: Sums) -> Sums:
    """Difference of counters that become whole each for itself, or phase by phase.

    `more` is what comes to the difference, noise and the converters' zero: every phase of both
    counters has an equal part of it (assumed), that of the negative counter with its sign changed.
    A phase counts no less than zero.
    """
    signs = torch.cat([driven.clamp(min=0), (-driven).clamp(min=0)]) * stage.unit
    (up_plus, down_plus), (up_minus, down_minus) = (
        (signs @ g).clamp_(max=converters.phase_limit).split(len(driven)) for g in stage.pair
    )
    positive: tuple[Sums, ...] = (up_plus, down_minus)
    negative: tuple[Sums, ...] = (up_minus, down_plus)
    part = more / 4
    if not converters.four_phase:
        positive, negative = (up_plus + down_minus,), (up_minus + down_plus,)
        part = more / 2
    plus = counter(converters, [(p * stage.gain).add_(part) for p in positive])
    return plus.sub_(counter(converters, [(p * stage.gain).sub_(part) for p in negative]))


def counter(converters: Converters, phases: Sequence[Sums]) -> Sums:
    """One counter after its phases."""
    rounding = converters.counting or "round"
    by_phase = [p.clamp_(min=0) for p in phases]
    if converters.counted == "phase":
        by_phase = [whole(rounding, p) for p in by_phase]
    total = by_phase[0] if len(by_phase) == 1 else by_phase[0].add_(by_phase[1])
    return whole(rounding, total).clamp_(max=converters.counter_limit)


def read_deviation(stage: RowBlock, variance: Tensor, codes: Vectors, work: Workspace) -> Sums:
    """Standard deviation of the noise of each count, in the workspace."""
    squares = work.squares[: codes.numel()].view(codes.shape)
    deviation = work.deviation[: codes.shape[0]]
    torch.mul(codes, codes, out=squares)
    torch.mm(squares, variance, out=deviation)
    if stage.white is not None:
        deviation.add_(stage.white)
    return deviation.sqrt_()


def core_counts(converters: Converters, stage: RowBlock, codes: Vectors, noise: Noise) -> Sums:
    """The counts of one RowBlock alone."""
    work = Workspace((stage,), codes.shape[0], 0)
    counts = codes.new_empty(codes.shape[0], stage.gain.shape[0])
    return stage_counts(converters, stage, codes, noise, 0, counts, work)


def stop_phases(converters: Converters, stage: RowBlock, codes: Vectors, counts: Tensor) -> None:
    """Replace the counts of those vectors that saturate a line.

    Most stay far below the limit: by the Cauchy-Schwarz inequality no phase of a line counts more
    than the norm of the inputs of that sign times that of the line's conductances. Of the others,
    the product of all magnitudes with all conductances is the sum of both counters and `counts`
    their difference, so each counter is known; neither of its two phases counts more than it.
    """
    limit = stage.safe_norm
    if limit == float("inf") or float(torch.linalg.vector_norm(codes, dim=1).amax()) <= limit:
        return
    positive = torch.linalg.vector_norm(codes.clamp(min=0), dim=1)
    negative = torch.linalg.vector_norm(codes.clamp(max=0), dim=1)
    suspect = (torch.maximum(positive, negative) > limit).nonzero()[:, 0]
    if not len(suspect):
        return
    driven = codes[suspect] * stage.unit
    both = driven.abs() @ stage.pair.sum(0)
    apart = (counts[suspect] - stage.zero).div_(stage.gain).abs_()
    most = both.add_(apart).amax(1).div_(2)
    limit = min(converters.phase_limit, converters.counter_limit)
    over = most > limit * _SURELY
    if bool(over.any()):
        total = four_phases(converters, driven[over], stage.pair)
        counts[suspect[over]] = torch.addcmul(stage.zero, total, stage.gain)


def four_phases(
    converters: Converters, codes: Vectors, pair: Float[Tensor, "polarity rows columns"]
) -> Sums:
    """Each product of an input sign and a weight sign, read for itself; two phases a counter.

    A phase stops at the current's limit, a counter at its last count. The limit is on a phase's
    mean current; that the current is higher while all pulses are on is left to the choice of g_max.
    Source: Le Gallo 2023 (4-phase mode, 100 uA, 12 bits).
    """
    signs = torch.cat([codes.clamp(min=0), (-codes).clamp(min=0)])
    limit = converters.phase_limit
    (up_plus, down_plus), (up_minus, down_minus) = (
        (signs @ g).clamp_(max=limit).split(len(codes)) for g in pair
    )
    positive, negative = up_plus + down_minus, up_minus + down_plus
    positive.clamp_(max=converters.counter_limit)
    counts: Tensor = positive - negative.clamp_(max=converters.counter_limit)
    return counts


def safe_norm(
    converters: Converters, pair: Float[Tensor, "polarity rows columns"], unit: float
) -> float:
    """Norm of the inputs of one sign up to which no phase and no counter saturates.

    Infinite where not even all inputs at their largest code do.
    """
    phase, counter = converters.phase_limit / unit, converters.counter_limit / unit
    if converters.input_levels is not None:
        most = float(pair.sum(1).amax()) * converters.input_levels
        if most <= min(phase, counter / 2):
            return float("inf")
    squares = pair.square().sum(1)
    line, both = float(squares.amax()) ** 0.5, float(2 * squares.sum(0).amax()) ** 0.5
    return min(phase / line if line else float("inf"), counter / both if both else float("inf"))


def output_code(converters: Converters, value: Tensor, *, relu: bool) -> Tensor:
    """The LDPU's output word."""
    if converters.rounding is None:
        return value.clamp_(min=0) if relu else value
    levels = converters.output_levels
    value.clamp_(0 if relu else -levels, levels)
    return whole(converters.rounding, value)


def wire_drop(
    g: Float[Tensor, "polarity rows columns"], duty: Float[Tensor, " rows"], segment_ohm: float
) -> Float[Tensor, "polarity rows columns"]:
    """Share of its current that each cell keeps through the resistance of its line, to first order.

    The voltage that cell i loses is the sum over the segments k <= i between it and the converter
    (below row 0) of their resistance times the current of all cells beyond, for inputs that are on
    for `duty` of a phase. Source: Lammie et al. 2024 (resistance); Kirchhoff.
    """
    beyond = (g * duty[:, None]).flip(1).cumsum(1).flip(1)
    return (1 - segment_ohm * beyond.cumsum(1)).clamp_(min=0)


def asymmetry_of(mode: Mode, polarity_asymmetry: float) -> float:
    """4-phase reads use one polarity only and so have none. Source: Le Gallo 2023."""
    return polarity_asymmetry if mode == "1-phase" else 0.0
