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


@dataclass(frozen=True, slots=True)
class Stage:
    """One row block of a layer, all its columns, in ADC counts for each step of the input code.

    `polarities` is g+ beside g-, given only where a line of the block can saturate; `variance` is
    that of the read noise; `value` is what a count stands for, by column; `step` one output code.
    """

    rows: slice
    weights: Float[Tensor, "rows columns"]
    polarities: Float[Tensor, "rows columns2"] | None
    variance: Float[Tensor, "rows columns"]
    value: Float[Tensor, " columns"]
    step: float


@dataclass(frozen=True, slots=True)
class Layer:
    """One MVM step, ready to run; limits are counts of one counter and largest codes."""

    input_max: float
    input_levels: int
    output_levels: int
    phase_limit: float
    counter_limit: float
    truncate: bool
    asymmetry: float
    four_phase: bool
    stages: tuple[Stage, ...]
    bias: Float[Tensor, " columns"] | None
    relu: bool


Noise = Callable[[int, torch.Size], Tensor]


def layer_mvm(layer: Layer, x: Vectors, noise: Noise) -> Float[Tensor, "vectors columns"]:
    """What the last LDPU of the cascade sends out for inputs x; `noise(stage, shape)` is normal.

    Source: Le Gallo 2023 (8-bit PWM, two counters a line, LDPU in FP16 with an INT8 partial sum
    from the core before); the output code is the chip file's `ldpu_code`, inferred.
    """
    codes = input_codes(layer, x)
    total: Tensor | None = None
    for index, stage in enumerate(layer.stages):
        counts = stage_counts(layer, stage, codes[:, stage.rows], noise, index)
        value = counts * stage.value
        if total is not None:
            value += total
        if index == len(layer.stages) - 1:
            value = value if layer.bias is None else value + layer.bias
            value = value.relu() if layer.relu else value
        total = output_code(layer, value, stage.step)
    assert total is not None
    return total


def input_codes(layer: Layer, x: Vectors) -> Vectors:
    """Signed PWM codes: round(x / input_max * levels), clipped."""
    levels = layer.input_levels
    return (x * (levels / layer.input_max)).round_().clamp_(-levels, levels)


def stage_counts(
    layer: Layer, stage: Stage, codes: Vectors, noise: Noise, index: int
) -> Float[Tensor, "vectors columns"]:
    """Difference of the two counters of each line, in whole counts.

    The two counters' own rounding is taken together: an error of one count at most.
    """
    driven = codes if layer.asymmetry == 0 else codes + layer.asymmetry * codes.clamp(min=0)
    net = driven @ stage.weights
    if stage.polarities is not None:
        net = saturated(layer, driven, net, stage.polarities)
    net += noise(index, net.shape) * (codes.square() @ stage.variance).sqrt_()
    return net.round_()


def saturated(layer: Layer, codes: Vectors, net: Tensor, polarities: Tensor) -> Tensor:
    """The net counts with the converters' limit. A 1-phase read sees the line's net current.

    In 4-phase reads most inputs stay far below the limit: a counter's sum over its two phases,
    which bounds both, is tried first.
    """
    limit = min(layer.phase_limit, layer.counter_limit)
    if not layer.four_phase:
        return net.clamp_(-limit, limit)
    positive, negative = polarities.chunk(2, 1)
    total = codes.abs() @ (positive + negative)
    if bool((total + net.abs()).amax() <= 2 * limit):
        return net
    return four_phases(layer, codes, polarities)


def four_phases(layer: Layer, codes: Vectors, polarities: Tensor) -> Tensor:
    """Each product of an input sign and a weight sign, read for itself; two phases a counter.

    A phase stops at the current's limit, a counter at its last count. The limit is on a phase's
    mean current; that the current is higher while all pulses are on is left to the choice of g_max.
    Source: Le Gallo 2023 (4-phase mode, 100 uA, 12 bits).
    """
    signs = torch.cat([codes.clamp(min=0), (-codes).clamp(min=0)])
    phases = (signs @ polarities).clamp_(max=layer.phase_limit)
    rows, columns = codes.shape[0], polarities.shape[1] // 2
    positive = phases[:rows, :columns] + phases[rows:, columns:]
    negative = phases[:rows, columns:] + phases[rows:, :columns]
    return positive.clamp_(max=layer.counter_limit) - negative.clamp_(max=layer.counter_limit)


def output_code(layer: Layer, value: Tensor, step: float) -> Tensor:
    """The LDPU's output word, as the value it stands for."""
    code = value * (1 / step)
    code = code.trunc_() if layer.truncate else code.round_()
    return code.clamp_(-layer.output_levels, layer.output_levels).mul_(step)


def asymmetry_of(mode: Mode, polarity_asymmetry: float) -> float:
    """4-phase reads use one polarity only and so have none. Source: Le Gallo 2023."""
    return polarity_asymmetry if mode == "1-phase" else 0.0
