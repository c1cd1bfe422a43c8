"""The simulated chip: cells by core, and layers folded from them for the age and mode in force."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim import crossbar, engine, pcm
from hermes_sim.crossbar import Layer, Stage
from hermes_sim.seeds import generator
from hermesc.artifact.schema import Artifact, Matrix, MvmStep, Tile
from hermesc.errors import ArtifactError, Location, OptionError
from hermesc.target.spec import COMPILED_IN, ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.device import DeviceState, Method, ReadSettings
from hermesrt.executor import epilogue, tensor_of
from hermesrt.workload import Workload

_CELLS = ("g_positive", "g_negative", "nu_positive", "nu_negative")
_NOWHERE = Location()


@dataclass(slots=True)
class _Core:
    """One core's arrays: exact weights, conductances wanted, then programmed with their drift."""

    weights: Float[Tensor, "rows columns"]
    targets: Float[Tensor, "polarity rows columns"]
    programmed: Float[Tensor, "polarity rows columns"]
    nu: Float[Tensor, "polarity rows columns"]

    @classmethod
    def reset(cls, rows: int, columns: int) -> "_Core":
        """All devices RESET, nothing wanted yet."""
        pair = torch.zeros(3, 2, rows, columns)
        return cls(torch.zeros(rows, columns, dtype=torch.float64), *pair.unbind())


class SimulatedDevice:
    """A Device in torch; see `hermesrt.device.Device`. The same seed gives the same bits."""

    def __init__(self, chip: ChipSpec, seed: int = 0) -> None:
        self._chip = chip
        self._seed = seed
        self._artifact: Artifact | None = None
        self._method: Method = "published"
        self._settings = ReadSettings()
        self._cores: dict[int, _Core] = {}
        self._layers: dict[str, Layer] = {}

    @property
    def chip(self) -> ChipSpec:
        """Its description."""
        return self._chip

    @property
    def seed(self) -> int:
        """The seed of everything random about it."""
        return self._seed

    @property
    def loaded(self) -> Artifact | None:
        """The program that it holds."""
        return self._artifact

    def load(self, artifact: Artifact) -> None:
        """Take a program's tiles; raises OptionError when it was compiled for another chip."""
        differing = [t for t in COMPILED_IN if getattr(artifact.chip, t) != getattr(self._chip, t)]
        if differing:
            raise OptionError(
                f"the program was compiled for a chip with another {', '.join(differing)} than the "
                f"device's; make the device from the same description ({artifact.chip.name})"
            )
        self._artifact = artifact
        rows, columns = self._chip.crossbar.rows, self._chip.crossbar.columns
        self._cores = {core: _Core.reset(rows, columns) for core in artifact.cores}
        self._layers = {}
        for matrix in artifact.manifest.matrices:
            exact = tensor_of(artifact, matrix.name)
            unit = (exact / exact.abs().amax(0)).nan_to_num(0.0).float()
            for tile in matrix.tiles:
                part = slice(*tile.rows), slice(*tile.columns)
                place = slice(*tile.core_rows), slice(*tile.core_columns)
                core, g_max = self._cores[tile.core], matrix.g_max_siemens[tile.stage]
                core.weights[place] = exact[part].double()
                core.targets[0][place] = unit[part].clamp(min=0) * g_max
                core.targets[1][place] = (-unit[part]).clamp(min=0) * g_max

    def program(self, method: Method) -> None:
        """Write the weights: `published` draws the end state of the chip's own programming."""
        self._method = method
        for number, core in self._cores.items():
            draw = generator(self._seed, "program", number)
            core.nu = pcm.drift_exponent(self._chip.pcm, core.targets, draw)
            noisy = pcm.program(self._chip.pcm, core.targets, draw)
            core.programmed = core.targets.clone() if method == "ideal" else noisy
        self._layers = {}

    def configure(self, settings: ReadSettings) -> None:
        """Set age and read mode for the MVMs that follow."""
        if settings != self._settings:
            self._settings = settings
            self._layers = {}

    def mvm(
        self, step: MvmStep, x: Float[Tensor, "vectors rows"], block: int
    ) -> Float[Tensor, "vectors columns"]:
        """One MVM step; read noise depends on seed, step and block alone."""
        if self._settings.ideal:
            return self._ideal(step, x)
        layer = self._layer(step)

        def noise(stage: int, shape: torch.Size) -> Tensor:
            stream = generator(self._seed, "read", step.name, stage, block)
            return torch.randn(shape, generator=stream)

        return crossbar.layer_mvm(layer, x.float(), noise).to(x.dtype)

    def mvm_tile(
        self, matrix: str, tile: Tile, x: Float[Tensor, "vectors rows"]
    ) -> Float[Tensor, "vectors columns"]:
        """The product of one tile alone, as its converters give it, for inputs in [-1, 1]."""
        held = self._held.matrices[matrix]
        ranges = (1.0,) * len(held.row_ranges)
        step = MvmStep("", "", matrix, None, None, False, _NOWHERE, 1.0, ranges)
        stage = self._stage(held, (tile,), step, torch.ones(held.columns))
        layer = self._layer_of(step, (stage,))
        stream = generator(self._seed, "tile", matrix, tile.stage, tile.columns[0])
        counts = crossbar.stage_counts(
            layer,
            stage,
            crossbar.input_codes(layer, x),
            lambda _, shape: torch.randn(shape, generator=stream),
            0,
        )
        return counts * stage.value

    def state(self) -> DeviceState:
        """The programmed cells."""
        arrays = {}
        for number, core in self._cores.items():
            cells = (*core.programmed, *core.nu)
            for name, value in zip(_CELLS, cells, strict=True):
                arrays[f"{number}.{name}"] = value.numpy()
        return DeviceState(self._chip.name, self._method, self._seed, arrays)

    def restore(self, state: DeviceState) -> None:
        """Take programmed cells back; raises ArtifactError when they do not fit the program."""
        wanted = {f"{number}.{name}" for number in self._cores for name in _CELLS}
        shape = (self._chip.crossbar.rows, self._chip.crossbar.columns)
        sound = set(state.arrays) == wanted and state.chip == self._chip.name
        sound = sound and all(
            a.shape == shape and a.dtype == np.float32 and np.isfinite(a).all() and (a >= 0).all()
            for a in state.arrays.values()
        )
        if not sound:
            raise ArtifactError(
                "the state holds the cells of another program or chip; make it again with "
                "`hermesc program`"
            )
        for number, core in self._cores.items():
            cells = [torch.from_numpy(state.arrays[f"{number}.{name}"]) for name in _CELLS]
            core.programmed, core.nu = torch.stack(cells[:2]), torch.stack(cells[2:])
        self._method, self._seed, self._layers = state.method, state.seed, {}

    def cost(self, workload: Workload, mode: Mode) -> Cost:
        """Time and energy of a program's work."""
        return engine.cost(self._chip, workload, mode)

    @property
    def _held(self) -> Artifact:
        assert self._artifact is not None, "load a program first"
        return self._artifact

    def _ideal(self, step: MvmStep, x: Tensor) -> Tensor:
        """The exact product, still by way of the tiles as they lie on the cores."""
        matrix = self._held.matrices[step.matrix]
        total: Tensor | None = None
        for stage, rows in enumerate(matrix.row_ranges):
            weights = torch.cat(
                [self._cores[t.core].weights[_place(t)] for t in _at(matrix, stage)], 1
            )
            part = x[:, slice(*rows)] @ weights.to(x.dtype)
            total = part if total is None else total + part
        assert total is not None
        return epilogue(self._held, step, total)

    def _layer(self, step: MvmStep) -> Layer:
        if step.name not in self._layers:
            matrix = self._held.matrices[step.matrix]
            scale = torch.ones(matrix.columns)
            if step.scale is not None:
                scale = tensor_of(self._held, step.scale).float()
            stages = range(len(matrix.row_ranges))
            self._layers[step.name] = self._layer_of(
                step, tuple(self._stage(matrix, _at(matrix, s), step, scale) for s in stages)
            )
        return self._layers[step.name]

    def _layer_of(self, step: MvmStep, stages: tuple[Stage, ...]) -> Layer:
        chip = self._chip
        return Layer(
            input_max=step.input_max,
            input_levels=chip.input_levels,
            output_levels=chip.output_levels,
            phase_limit=chip.line_siemens / chip.adc_count.count_siemens,
            counter_limit=2.0**chip.adc.counter_bits - 1,
            truncate=chip.ldpu_code.rounding == "truncate",
            four_phase=self._settings.mode == "4-phase",
            asymmetry=crossbar.asymmetry_of(self._settings.mode, chip.one_phase.polarity_asymmetry),
            stages=stages,
            bias=None if step.bias is None else tensor_of(self._held, step.bias).float(),
            relu=step.relu,
        )

    def _stage(self, matrix: Matrix, tiles: Sequence[Tile], step: MvmStep, scale: Tensor) -> Stage:
        """Fold neighbouring tiles of one row block, drifted to the age in force, into a Stage."""
        stage, columns = tiles[0].stage, slice(tiles[0].columns[0], tiles[-1].columns[1])
        blocks = [self._cells_now(t) for t in tiles]
        positive, negative, variance, factor = (torch.cat(p, 1) for p in zip(*blocks, strict=True))
        chip = self._chip
        per_count = 1 / (chip.adc_count.count_siemens * chip.input_levels)
        polarities = torch.cat([positive, negative], 1)
        most = min(chip.line_siemens, chip.adc_count.count_siemens * 2**chip.adc.counter_bits / 2)
        can_saturate = bool(polarities.sum(0).max() > most)
        largest = tensor_of(self._held, matrix.name).abs().amax(0).float()
        unit = chip.adc_count.count_siemens * step.input_max / matrix.g_max_siemens[stage]
        return Stage(
            rows=slice(*matrix.row_ranges[stage]),
            weights=(positive - negative) * per_count,
            polarities=polarities * per_count if can_saturate else None,
            variance=variance * per_count**2,
            value=(largest * scale)[columns] * factor[0] * unit,
            step=step.output_max[stage] * chip.ldpu_code.range_factor / chip.output_levels,
        )

    def _cells_now(self, tile: Tile) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """g+, g-, the read noise's variance, and the drift compensation by column.

        The compensation is one factor a tile, in the LDPU's scale, so that the mean |g+ - g-| is as
        programmed. Source: aihwkit GlobalDriftCompensation; Le Gallo 2023 (a rescale a core).
        """
        core, model, age = self._cores[tile.core], self._chip.pcm, self._settings.age_s
        rows, columns = _place(tile)
        programmed, nu = core.programmed[:, rows, columns], core.nu[:, rows, columns]
        drifted = pcm.drift(model, programmed, nu, age)
        sigma = pcm.read_noise(model, drifted, programmed, age)
        net, net_programmed = drifted[0] - drifted[1], programmed[0] - programmed[1]
        factor = (net_programmed.abs().mean() / net.abs().mean()).nan_to_num(1.0, 1.0, 1.0)
        return drifted[0], drifted[1], sigma.square().sum(0), factor.expand(1, net.shape[1])


def _at(matrix: Matrix, stage: int) -> list[Tile]:
    """The tiles of one row block, by column."""
    return sorted((t for t in matrix.tiles if t.stage == stage), key=lambda t: t.columns)


def _place(tile: Tile) -> tuple[slice, slice]:
    return slice(*tile.core_rows), slice(*tile.core_columns)
