"""From a core's cells to the numbers that its signal chain multiplies with.

Everything that does not change from vector to vector is folded into a RowBlock once: conductance
per count, the converters' spread, the drift compensation, the LDPU's scale, bias and correction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim import crossbar
from hermes_sim.core import Core
from hermes_sim.crossbar import Converters, LayerArrays, RowBlock
from hermes_sim.noise import ReadNoise, stream
from hermesrt.artifact.schema import Artifact, Matrix, MvmStep, Tile
from hermesrt.chip.conductance import column_max
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.executor import tensor_of
from hermesrt.programming.mvm_error import column_fit
from hermesrt.reads import numbered
from hermesrt.seeds import generator

_UNLIMITED = float("inf")
_ENOUGH_VECTORS = 64  # for a column correction; fewer are filled up with random ones


@dataclass(frozen=True, slots=True)
class Fold:
    """What all layers of a device share.

    chip: its description.
    seed: of everything random about it.
    artifact: the program.
    cores: by number.
    mode: how arrays are read; None for each matrix's own.
    age_s: time since programming, s.
    """

    chip: ChipSpec
    seed: int
    artifact: Artifact
    cores: Mapping[int, Core]
    mode: Mode | None
    age_s: float
    _aged: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def layer(self, step: MvmStep, copy: int = 0) -> LayerArrays:
        """A step's layer, on a copy of its matrix, at the age and in the mode in force."""
        chip = self.chip
        matrix = self.artifact.matrices[step.matrix]
        scale, bias = torch.ones(matrix.columns), torch.zeros(matrix.columns)
        if step.scale is not None:
            scale = tensor_of(self.artifact, step.scale).float()
        if step.bias is not None:
            bias = tensor_of(self.artifact, step.bias).float()
        largest = column_max(tensor_of(self.artifact, matrix.name)).float()
        converters = converters_of(chip, self.mode or matrix.mode)
        codes = self._calibration(step, matrix)
        shares = self._shares(step, codes, scale, bias, largest)
        bias, largest = bias / shares, largest / shares
        stages, before = [], 0.0
        for index in range(len(matrix.row_ranges)):
            last = index == len(matrix.row_ranges) - 1
            code = step.output_max[index] * chip.ldpu_code.range_factor / chip.output_levels
            unit = chip.adc_count.count_siemens * step.input_max / matrix.g_max_siemens[index]
            value = largest * scale * unit / code
            stages.append(
                self._stage(
                    converters, step, matrix, (copy, index), codes, value,
                    bias / code if last else None, before / code,
                )
            )  # fmt: skip
            before = code
        input_scale = chip.input_levels / step.input_max
        return LayerArrays(converters, input_scale, tuple(stages), before * shares, step.relu)

    def _shares(
        self,
        step: MvmStep,
        codes: Float[Tensor, "vectors rows"],
        scale: Float[Tensor, " columns"],
        bias: Float[Tensor, " columns"],
        largest_weight: Float[Tensor, " columns"],
    ) -> Float[Tensor, " columns"]:
        """Of the layer's output range, what each column's code has; see `LdpuCode.range`."""
        rule = self.chip.ldpu_code.range
        if rule == "layer":
            return torch.ones_like(scale)
        weights = tensor_of(self.artifact, self.artifact.matrices[step.matrix].name).float()
        outputs = codes @ weights * (step.input_max / self.chip.input_levels) * scale + bias
        largest = (outputs.relu() if step.relu else outputs).abs().amax(0)
        if rule == "counts":
            unit = (largest_weight * scale).abs()
            shares = unit * (largest / unit).nan_to_num(0.0, 0.0, 0.0).amax() / largest.amax()
        else:
            shares = largest / largest.amax()
        return torch.where(shares > 0, shares, 1.0)

    def _stage(
        self,
        converters: Converters,
        step: MvmStep,
        matrix: Matrix,
        place: tuple[int, int],
        codes: Float[Tensor, "vectors rows"],
        value: Float[Tensor, " columns"],
        bias: Float[Tensor, " columns"] | None,
        carry: float,
    ) -> RowBlock:
        chip = self.chip
        copy, index = place
        rows = slice(*matrix.row_ranges[index])
        tiles = matrix.at_stage(index, copy)
        duty = codes[:, rows].abs().mean(0) / (2 * chip.input_levels)  # of one sign's phase
        young = self._counts(converters, tiles, rows, duty, 0.0)
        gain, offset = torch.ones(matrix.columns), torch.zeros(matrix.columns)
        if chip.effects.column_correction:
            part = codes[:, rows]
            name = stream(self.seed, "calibrate", *stream_name(step, copy), index)
            noise = ReadNoise((name,), numbered(part.shape[0]))
            counts = crossbar.core_counts(converters, young, part, noise)
            gain, offset = column_fit(counts, part @ self._exact(tiles))
        now, factor = young, torch.ones(matrix.columns)
        if self.age_s > 0:
            now = self._counts(converters, tiles, rows, duty, self.age_s)
            if chip.effects.drift_compensation:
                factor = torch.cat([self._compensation(t, duty) for t in tiles])
        scale = value * gain * factor
        white = None
        if chip.effects.output_noise and chip.output_noise.output_steps > 0:
            steps = chip.output_noise.output_steps
            white = torch.where(scale != 0, steps / scale, 0.0).square()
        total = value * offset + (0 if bias is None else bias)
        return replace(now, white=white, scale=scale, offset=total, carry=carry)

    def _calibration(self, step: MvmStep, matrix: Matrix) -> Float[Tensor, "vectors rows"]:
        """The program's calibration vectors, filled up with random ones where they are few."""
        levels = self.chip.input_levels
        codes = (tensor_of(self.artifact, step.calibration) * (levels / 127)).round_()
        missing = _ENOUGH_VECTORS - codes.shape[0]
        if missing <= 0:
            return codes
        stream = generator(self.seed, "vectors", step.name)
        shape = (missing, matrix.rows)
        return torch.cat([codes, torch.randint(-levels, levels + 1, shape, generator=stream)])

    def _exact(self, tiles: Sequence[Tile]) -> Float[Tensor, "rows columns"]:
        """What the tiles should hold, in counts for each input code."""
        per_count = 1 / (self.chip.adc_count.count_siemens * self.chip.input_levels)
        return torch.cat([self.cores[t.core].target.siemens[t.place] for t in tiles], 1).mul_(
            per_count
        )

    def _counts(
        self,
        converters: Converters,
        tiles: Sequence[Tile],
        rows: slice,
        duty: Float[Tensor, " rows"],
        age_s: float,
    ) -> RowBlock:
        """The analog part of a RowBlock."""
        parts = [
            columns_of(self.cores[t.core], self._cells(t, age_s, duty), t.place[1]) for t in tiles
        ]
        pair, variance, gain, zero = (torch.cat(p, -1) for p in zip(*parts, strict=True))
        return stage_of(self.chip, converters, rows, pair, variance, gain, zero)

    def _cells(
        self, tile: Tile, age_s: float, duty: Float[Tensor, " rows"]
    ) -> tuple[Tensor, Tensor]:
        core = self.cores[tile.core]
        if age_s > 0 and tile.core not in self._aged:
            self._aged[tile.core] = core.now(age_s)
        pair, variance = core.fresh() if age_s == 0 else self._aged[tile.core]
        rows, columns = tile.place
        on = torch.zeros(pair.shape[1])
        on[rows] = duty
        pair, variance = through_wires(self.chip, pair[..., columns], variance[:, columns], on)
        return pair[:, rows], variance[rows]

    def _compensation(self, tile: Tile, duty: Float[Tensor, " rows"]) -> Float[Tensor, " columns"]:
        """One factor a tile, in the LDPU's scale, by the chip's `drift_reference`.

        Of products with many independent known inputs, the least-squares factor
        <y0, y> / <y, y> is that of the weights themselves. Source: Le Gallo 2023 (a rescale a
        core); aihwkit GlobalDriftCompensation (the mean magnitude). Departure: both are those of
        the conductances, without the read noise of measuring them.
        """
        pairs = (self._cells(tile, age, duty)[0] for age in (0.0, self.age_s))
        young, aged = (pair[0] - pair[1] for pair in pairs)
        if self.chip.drift_reference.reference == "products":
            factor = (young * aged).sum() / aged.square().sum()
        else:
            factor = young.abs().mean() / aged.abs().mean()
        factor = factor.nan_to_num(1.0, 1.0, 1.0)
        return factor.expand(tile.columns[1] - tile.columns[0])


def stream_name(step: MvmStep, copy: int) -> tuple[str | int, ...]:
    """What names the noise of a step on a copy; the first copy's is that of a matrix without
    others."""
    return (step.name, "copy", copy) if copy else (step.name,)


def converters_of(chip: ChipSpec, mode: Mode) -> Converters:
    """The converters that all layers of a chip share."""
    effects = chip.effects
    phase = chip.line_siemens / chip.adc_count.count_siemens
    counter = 2.0**chip.adc.counter_bits - 1
    asymmetry = chip.one_phase.polarity_asymmetry if effects.polarity_asymmetry else 0.0
    return Converters(
        input_levels=chip.input_levels if effects.input_code else None,
        output_levels=chip.output_levels,
        phase_limit=phase if effects.saturation else _UNLIMITED,
        counter_limit=counter if effects.saturation else _UNLIMITED,
        counting=chip.count_code.rounding if effects.count_code else None,
        counted=chip.count_code.each,
        rounding=chip.ldpu_code.rounding if effects.output_code else None,
        asymmetry=crossbar.asymmetry_of(mode, asymmetry),
        four_phase=mode == "4-phase",
    )


def through_wires(
    chip: ChipSpec,
    pair: Float[Tensor, "polarity rows columns"],
    variance: Float[Tensor, "rows columns"],
    duty: Float[Tensor, " rows"],
) -> tuple[Tensor, Tensor]:
    """Whole columns of a core and their read variance, as the converters see them."""
    if not chip.effects.wire_drop:
        return pair, variance
    kept = crossbar.wire_drop(pair, duty, chip.wire.segment_ohm)
    return pair * kept, variance * kept.mean(0).square()


def columns_of(
    core: Core, cells: tuple[Tensor, Tensor], columns: slice
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Some columns of a core: g+ and g-, their read variance, in siemens, and the gain and zero of
    the columns' converters."""
    gain, zero = core.converters()
    return *cells, gain[columns], zero[columns]


def stage_of(
    chip: ChipSpec,
    converters: Converters,
    rows: slice,
    pair: Float[Tensor, "polarity rows columns"],
    variance: Float[Tensor, "rows columns"],
    gain: Float[Tensor, " columns"],
    zero: Float[Tensor, " columns"],
) -> RowBlock:
    """A RowBlock whose LDPU passes counts on as they are."""
    unit = 1 / (chip.adc_count.count_siemens * chip.input_levels)
    counts = gain * unit
    read = None
    once = chip.read_statistics.drawn == "once"  # then only cells under programming have some
    if chip.effects.read_noise and not (once and not bool(variance.any())):
        read = variance * counts.square()
    return RowBlock(
        rows=rows,
        weights=(pair[0] - pair[1]).mul_(counts),
        pair=pair,
        unit=unit,
        gain=gain,
        zero=zero,
        variance=read,
        white=None,
        safe_norm=crossbar.safe_norm(converters, pair, unit),
        scale=torch.ones_like(gain),
        offset=torch.zeros_like(gain),
        carry=0.0,
    )
