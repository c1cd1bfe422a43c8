"""The signal chain of one layer: input code, analog sums, counters, LDPU, output code.

All constants are folded into the stored weights once (`Stage`), so an MVM is: quantise, product,
noise, round, scale. `layer_mvm` is the one place where values flow, and so the one to replace by a
faster kernel. All column tiles of a row block share one product, for only row blocks have
converters of their own. The FP16 rounding inside the LDPU (2^-11) is below an eighth of its output
step and is not modelled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.target.spec import Mode

Vectors = Float[Tensor, "vectors rows"]
Sums = Float[Tensor, "vectors columns"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One row block of a layer, all its columns, in ADC counts for each step of the input code.

    `weights` have the converters' gain in them, `pair` (g+ and g-, in siemens, `unit` counts each)
    have not; `variance` is that of the read noise and `white` that of noise before the output code,
    both in counts. An input whose codes stay below `safe_norm` (Euclidean, for each sign) saturates
    no line. The
    output code is trunc(counts * scale + offset + carry * code of the stage before).
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
    """The converters of all layers; limits are counts of one counter and largest codes.

    A rounding of None leaves a value as it is.
    """

    input_levels: int | None
    output_levels: int
    phase_limit: float
    counter_limit: float
    count_code: bool
    rounding: str | None
    asymmetry: float
    four_phase: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """One MVM step, ready to run: codes for a unit of input, output for a code."""

    converters: Converters
    input_scale: float
    stages: tuple[Stage, ...]
    output_step: float
    relu: bool


Noise = Callable[[int, Tensor], Tensor]

_CHUNK = 2**16  # elements of a temporary, so that all of them stay in the processor's cache


class Workspace:
    """Temporaries of a call, used again for each chunk: fresh memory costs more than arithmetic."""

    def __init__(self, layer: Layer, rows: int) -> None:
        columns = layer.stages[0].scale.shape[0]
        inputs = sum(s.weights.shape[0] for s in layer.stages)
        widest = max(s.weights.shape[0] for s in layer.stages)
        self.codes = torch.empty(rows, inputs)
        self.squares = torch.empty(rows * widest)
        self.values = torch.empty(min(2, len(layer.stages)), rows, columns)
        self.deviation = torch.empty(rows, columns)
        self.noise = torch.empty(rows, columns)


def layer_mvm(layer: Layer, x: Vectors, noise: Noise) -> Sums:
    """What the last LDPU of the cascade sends out for inputs x.

    `noise(stage, out)` fills `out` with normal numbers, in each stage row after row.
    Source: Le Gallo 2023 (8-bit PWM, two counters a line, LDPU in FP16 with an INT8 partial sum
    from the core before); the output code is the chip file's `ldpu_code`, inferred.
    """
    columns = layer.stages[0].scale.shape[0]
    result = x.new_empty(x.shape[0], columns)
    rows = max(16, _CHUNK // columns)
    work = Workspace(layer, min(rows, x.shape[0]))
    for start in range(0, x.shape[0], rows):
        part = slice(start, start + rows)
        codes = output_codes(layer, x[part], noise, work)
        torch.mul(codes, layer.output_step, out=result[part])
    return result


def output_codes(layer: Layer, x: Vectors, noise: Noise, work: Workspace) -> Sums:
    """The output codes of a few vectors; they stand in the workspace."""
    converters, count = layer.converters, x.shape[0]
    codes = input_codes(converters, layer.input_scale, x, work.codes[:count])
    code: Tensor | None = None
    for index, stage in enumerate(layer.stages):
        value = work.values[index % 2, :count]
        part = codes if len(layer.stages) == 1 else codes[:, stage.rows]
        stage_counts(converters, stage, part, noise, index, value, work)
        torch.addcmul(stage.offset, value, stage.scale, out=value)
        if code is not None:
            value.add_(code, alpha=stage.carry)
        last = index == len(layer.stages) - 1
        code = output_code(converters, value, relu=layer.relu and last)
    assert code is not None
    return code


def input_codes(converters: Converters, scale: float, x: Vectors, out: Tensor) -> Vectors:
    """Signed PWM codes: round(x * scale), clipped."""
    torch.mul(x, scale, out=out)
    if converters.input_levels is None:
        return out
    return out.round_().clamp_(-converters.input_levels, converters.input_levels)


def stage_counts(
    converters: Converters,
    stage: Stage,
    codes: Vectors,
    noise: Noise,
    index: int,
    counts: Sums,
    work: Workspace,
) -> Sums:
    """Difference of the two counters of each line, in whole counts, written to `counts`.

    The two counters' own rounding is taken together: an error of one count at most.
    """
    driven = codes
    if converters.asymmetry:
        driven = codes + converters.asymmetry * codes.clamp(min=0)
    torch.addmm(stage.zero, driven, stage.weights, out=counts)
    if converters.four_phase:
        stop_phases(converters, stage, driven, counts)
    else:
        limit = min(converters.phase_limit, converters.counter_limit)
        counts.clamp_(-limit, limit)
    if stage.variance is not None:
        squares = work.squares[: codes.numel()].view(codes.shape)
        deviation = work.deviation[: codes.shape[0]]
        torch.mm(torch.mul(codes, codes, out=squares), stage.variance, out=deviation)
        deviation = (deviation if stage.white is None else deviation.add_(stage.white)).sqrt_()
        counts.addcmul_(noise(index, work.noise[: codes.shape[0]]), deviation)
    elif stage.white is not None:
        counts.addcmul_(noise(index, work.noise[: codes.shape[0]]), stage.white.sqrt())
    return counts.round_() if converters.count_code else counts


def core_counts(converters: Converters, stage: Stage, codes: Vectors, noise: Noise) -> Sums:
    """The counts of one Stage alone."""
    layer = Layer(converters, 1.0, (stage,), 1.0, relu=False)
    work = Workspace(layer, codes.shape[0])
    return stage_counts(converters, stage, codes, noise, 0, work.values[0], work)


def stop_phases(converters: Converters, stage: Stage, codes: Vectors, counts: Tensor) -> None:
    """Replace the counts of those vectors that saturate a line.

    Most stay far below the limit: by the Cauchy-Schwarz inequality no phase of a line counts more
    than the norm of the inputs of that sign times that of the line's conductances.
    """
    limit = stage.safe_norm
    if limit == float("inf") or float(torch.linalg.vector_norm(codes, dim=1).amax()) <= limit:
        return
    positive = torch.linalg.vector_norm(codes.clamp(min=0), dim=1)
    negative = torch.linalg.vector_norm(codes.clamp(max=0), dim=1)
    suspect = torch.maximum(positive, negative) > limit
    if bool(suspect.any()):
        total = four_phases(converters, codes[suspect] * stage.unit, stage.pair)
        counts[suspect] = torch.addcmul(stage.zero, total, stage.gain)


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
    match converters.rounding:
        case None:
            return value.clamp_(min=0) if relu else value
        case "truncate":
            value.trunc_()
        case _:
            value.round_()
    levels = converters.output_levels
    return value.clamp_(0 if relu else -levels, levels)


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
