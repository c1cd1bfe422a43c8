"""How far one layer's outputs are off on the chip, from its weights and calibration inputs alone.

Each cause is a variance for each column, in units of the output before a ReLU. Of input x with the
weights w of a column, conductances g = w g_max / max|w|:
- programming: sum_i x_i^2 v(g_i), v the mean square miss of the pair of polarities, each cut off at
  zero. The LDPU's correction fits gain and offset of a column on the calibration inputs, so only
  what is orthogonal to the exact output and to a constant is left.
- reading: sum_i x_i^2 r(g_i), fresh at each MVM, at age zero.
- input code: sum_i w_i^2 step^2 / 12 over the inputs that are not zero.
- converters: a twelfth of a count squared for each row block, a third of an output step squared
  (truncation; a twelfth, rounded) for each stage of the cascade, and white noise where the chip has
  any; without column correction the converters' spread, in 1-phase reads the polarities' asymmetry.
Left out: saturation, inputs beyond the range, wires, stuck devices, drift, and that two devices of
a polarity differ. Source: the simulator's signal chain (`hermes_sim.crossbar`), by error
propagation. Cost: two products of the calibration vectors with the matrix.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hermesc.analysis.scratch import Scratch
from hermesc.ir.graph import Weights
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Ranges, TiledMatrix
from hermesrt.chip.conductance import column_max, g_shares
from hermesrt.chip.device_noise import (
    count_deviation,
    logarithm,
    programming_deviation,
    read_noise,
    within,
)
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.tables.devices import CountPolynomial, NoisePolynomial

Columns = Float[Tensor, " columns"]
_POINTS = 2**14
_COLUMNS = 256  # whose cells are looked at together
Cells = Float[Tensor, "rows columns"]


@dataclass(frozen=True, slots=True)
class OwnError:
    """Variances of one MVM's outputs before its ReLU, [columns].

    signal: of the exact outputs over the calibration vectors.
    programming: of what programming misses.
    read: of the noise of reading.
    input_code: of the rounding of inputs.
    converters: of counts and output codes.
    """

    signal: Columns
    programming: Columns
    read: Columns
    input_code: Columns
    converters: Columns

    @property
    def total(self) -> Columns:
        """Of all causes."""
        return self.programming + self.read + self.input_code + self.converters


def own_error(
    op: Mvm,
    matrix: TiledMatrix,
    ranges: Ranges,
    g_max_siemens: tuple[float, ...],
    codes: Float[Tensor, "vectors rows"],
    weights: Weights,
    chip: ChipSpec,
    curves: "Curves",
) -> OwnError:
    """The variances of one MVM; `codes` are calibration inputs in steps of a 127th of the range,
    `curves` are for all MVMs."""
    if not len(codes):  # all its calibration inputs are padding
        codes = codes.new_zeros(1, matrix.rows)
    stored = weights[op.matrix].to(torch.float32)
    x = codes.to(torch.float32) * (ranges.input_max / 127)
    largest = column_max(stored)
    found: dict[str, Columns] = {
        cause: torch.zeros(matrix.columns) for cause in ("programming", "read", "converters")
    }
    for (start, end), g_max in zip(matrix.row_ranges, g_max_siemens, strict=True):
        block, part = stored[start:end], x[:, start:end]
        unit = (largest / g_max).square()
        highest = largest if len(block) == len(stored) else column_max(block)
        missed, misread = _missed_and_misread(part, block, highest, largest, g_max, chip, curves)
        found["programming"] += unit * missed
        found["read"] += unit * misread
        count = largest * (chip.adc_count.count_siemens * ranges.input_max / g_max)
        found["converters"] += _converted(part, block, count, matrix.mode, chip)
    return _scaled(op, found, x, stored, ranges, weights, chip, curves.scratch)


def _missed_and_misread(
    part: Tensor,
    block: Tensor,
    highest: Columns,
    largest: Columns,
    g_max: float,
    chip: ChipSpec,
    curves: "Curves",
) -> tuple[Columns, Columns]:
    """Of a row block, in units of conductance; some columns after the others, so that their cells
    stay in the processor's cache. Its columns' largest magnitudes are `highest`, those of the whole
    matrix `largest`."""
    top = float(g_shares(highest[None], largest).mul_(g_max).amax())
    power, parts = part.square().mean(0), []
    for cells, scale in zip(
        torch.split(block, _COLUMNS, 1), torch.split(largest, _COLUMNS), strict=True
    ):
        shares = g_shares(cells, scale, curves.scratch.of("cells", *cells.shape))
        missed, misread = curves.of(shares.abs_().mul_(g_max), top, chip)
        parts.append((_programmed(part, cells, missed, chip, curves.scratch), power @ misread))
    programming, read = zip(*parts, strict=True)
    return torch.cat(programming), torch.cat(read)


def _scaled(
    op: Mvm,
    found: Mapping[str, Columns],
    x: Tensor,
    stored: Tensor,
    ranges: Ranges,
    weights: Weights,
    chip: ChipSpec,
    scratch: Scratch,
) -> OwnError:
    """With the layer's scale, and what is rounded behind it."""
    scale = torch.ones(stored.shape[1])
    if op.scale is not None:
        scale = weights[op.scale].to(torch.float32)
    squares = scale.square()
    coded = torch.zeros(stored.shape[1])
    if chip.effects.input_code:
        step = (x != 0).float().mean(0) * (ranges.input_max / chip.input_levels) ** 2 / 12
        coded = step @ torch.square(stored, out=scratch.of("squares", *stored.shape))
    y = (x @ stored) * scale
    middle = y.mean(0) if len(y) > 1 and bool((y != y[0]).any()) else 0.0
    return OwnError(
        signal=(y - middle).square().mean(0),
        programming=found["programming"] * squares,
        read=found["read"] * squares,
        input_code=coded * squares,
        converters=found["converters"] * squares + _output_code(ranges, chip),
    )


class Curves:
    """What programming and reads miss by, by conductance; kept for MVMs of the same range."""

    def __init__(self) -> None:
        self.scratch = Scratch()
        self._known: tuple[ChipSpec, float, list[Tensor]] | None = None

    def of(self, siemens: Cells, top: float, chip: ChipSpec) -> list[Cells]:
        """Both, taken at many points up to the largest conductance, however many cells there are;
        `siemens` is lost, and what is given lasts until the next time."""
        curves = (_missed, _misread)
        if not 0 < top < math.inf:
            return [curve(chip, siemens) for curve in curves]
        if self._known is None or self._known[0] is not chip or self._known[1] != top:
            points = torch.linspace(0, top, _POINTS)[None]
            self._known = chip, top, [curve(chip, points)[0] for curve in curves]
        place = self.scratch.of("places", siemens.numel(), dtype=torch.int32)
        place.copy_(siemens.mul_((_POINTS - 1) / top).round_().flatten())
        found = []
        for name, table in zip(("missed", "misread"), self._known[2], strict=True):
            taken = self.scratch.of(name, siemens.numel())
            found.append(torch.index_select(table, 0, place, out=taken).view_as(siemens))
        return found


def _missed(chip: ChipSpec, siemens: Cells) -> Cells:
    """Mean square of what programming misses the difference of both polarities by, S squared."""
    pcm, noise = chip.pcm, chip.pcm.programming
    if not chip.effects.programming_noise:
        return torch.zeros_like(siemens)
    if isinstance(noise, CountPolynomial):
        count = pcm.g_max_siemens / noise.full_scale
        size = siemens / count
        missed = torch.where(size < noise.zero_below, size, count_deviation(noise, size))
        return (missed * count).square()
    return _cut_off(chip, noise, siemens) + _cut_off(chip, noise, torch.zeros(1, 1))


def _cut_off(chip: ChipSpec, noise: NoisePolynomial, g: Tensor) -> Tensor:
    """Mean square of max(0, g + sigma N) - g."""
    pcm, fast = chip.pcm, within(chip)
    read = read_noise(pcm, g, g, fast) if fast else None
    sigma = programming_deviation(noise, pcm.g_max_siemens, g, read).clamp_(min=1e-12)
    ratio = g / sigma
    density = ratio.square().div(-2).exp() / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(-ratio)  # the share of devices that end at zero
    missed: Tensor = sigma.square() * (1 - below - ratio * density) + g.square() * below
    return missed


def _misread(chip: ChipSpec, siemens: Cells) -> Cells:
    """Variance of a read at age zero, S squared."""
    if not chip.effects.read_noise:
        return torch.zeros_like(siemens)
    split = chip.read_statistics.read_noise == "split"
    spread = chip.fast_noise.logarithm if split else logarithm(chip.pcm, 0.0)
    return read_noise(chip.pcm, siemens, siemens, spread).square_()


def _programmed(
    part: Tensor, block: Tensor, missed: Cells, chip: ChipSpec, scratch: Scratch
) -> Columns:
    """Mean over vectors of sum_i x_i^2 v_i, without what the columns' correction takes out."""
    if not chip.effects.column_correction:
        return part.square().mean(0) @ missed
    away = part - part.mean(0)
    exact = away @ block
    exact /= exact.square().sum(0).sqrt_().clamp_(min=1e-30)
    products = torch.mm(away.T, exact, out=scratch.of("cells", *block.shape))
    fitted = products.square_().mul_(missed).sum(0) / max(len(part), 1)
    return (away.square().mean(0) @ missed - fitted).clamp_(min=0)


def _converted(part: Tensor, block: Tensor, count: Columns, mode: str, chip: ChipSpec) -> Columns:
    """What the converters of a row block add."""
    effects = chip.effects
    total = count.square() / 12 if effects.count_code else torch.zeros_like(count)
    if mode == "1-phase" and effects.polarity_asymmetry:
        half = chip.one_phase.polarity_asymmetry / 2  # the other half is a gain
        total = total + (part.abs() @ block).var(0, correction=0) * half**2
    if effects.converter_spread and not effects.column_correction:
        gain = chip.converter_spread.gain_spread**2 * (part @ block).square().mean(0)
        total = total + gain + (count * chip.converter_offset.offset_counts).square()
    return total


def _output_code(ranges: Ranges, chip: ChipSpec) -> float:
    """Of all stages of the cascade, in squares of the output."""
    effects, share = chip.effects, 0.0
    if effects.output_code:
        share += 1 / 12 if chip.ldpu_code.rounding == "nearest" else 1 / 3
    if effects.output_noise:
        share += chip.output_noise.output_steps**2
    steps = (m * chip.ldpu_code.range_factor / chip.output_levels for m in ranges.output_max)
    return share * sum(step**2 for step in steps)
