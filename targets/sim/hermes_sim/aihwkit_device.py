"""A Device of IBM's aihwkit: a program runs on its simulator's tiles instead of ours.

Each row block of a layer is a tile of aihwkit, programmed and drifted by its noise model and read
through its converters; what the LDPU adds (scale, bias, ReLU, sums of row blocks) is exact. So two
simulators can be compared on one program. Time and energy are ours, for aihwkit has none. It draws
noise call by call: a vector's noise depends on the call that it is in.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim import engine
from hermesrt.artifact.schema import AS_RUN, Artifact, MvmStep
from hermesrt.chip.conductance import column_max, g_shares
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.device import DeviceState, EndState, Method, Pulses, ReadSettings
from hermesrt.errors import OptionError
from hermesrt.executor import epilogue, tensor_of
from hermesrt.extras import require
from hermesrt.reads import Keys
from hermesrt.seeds import generator
from hermesrt.workload import Workload

_OUTPUT_NOISE, _OUTPUT_BOUND = 0.04, 10.0  # of aihwkit's presets, in units of the largest weight


class AihwkitDevice:
    """aihwkit as a chip.

    chip: the description that programs are compiled for.
    seed: of everything random.
    config: an aihwkit configuration of inference tiles; one of this chip's converters and aihwkit's
        own model of its devices, if not given.
    Raises: InputError where aihwkit is not installed.
    """

    def __init__(self, chip: ChipSpec, seed: int = 0, config: Any = None) -> None:
        require("aihwkit", "a device of aihwkit")
        self._chip, self._seed = chip, seed
        self._config = hermes_config(chip) if config is None else config
        self._artifact: Artifact | None = None
        self._tiles: dict[tuple[str, int, int], Any] = {}
        self._settings = ReadSettings()
        self._programmed = False

    @property
    def chip(self) -> ChipSpec:
        """Its description."""
        return self._chip

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self._seed

    @property
    def identity(self) -> str:
        """What tells it from our own simulator."""
        return f"aihwkit, {type(self._config).__name__}"

    @property
    def loaded(self) -> Artifact | None:
        """The program that it holds."""
        return self._artifact

    def load(self, artifact: Artifact) -> None:
        """Take a program; no weight is written yet.

        Raises: OptionError for layers with cells of their own, which aihwkit's tiles do not have.
        """
        for matrix in artifact.manifest.matrices:
            corrected = matrix.slice is not None and matrix.slice.fill == "corrected"
            if matrix.devices or matrix.method != AS_RUN or corrected:
                raise OptionError(
                    f"{matrix.name}: aihwkit's tiles have one kind of cells and one method; "
                    "compile without layers.*.devices, layers.*.method and corrected slices"
                )
        self._artifact, self._tiles = artifact, {}

    def draw(self, end_state: EndState) -> None:
        """Put every row block into a tile, programmed by aihwkit's noise model, or exact."""
        artifact, self._programmed = self._held, end_state == "published"
        for matrix in artifact.manifest.matrices:
            whole = tensor_of(artifact, matrix.name)
            shares = g_shares(whole, column_max(whole))
            for number in range(matrix.copies):
                for stage, rows in enumerate(matrix.row_ranges):
                    key = (matrix.name, number, stage)
                    self._tiles[key] = self._tile(shares[slice(*rows)].T.contiguous(), *key)
        self.configure(self._settings)

    def configure(self, settings: ReadSettings) -> None:
        """Set the age for the products that follow; aihwkit has one read mode."""
        self._settings = settings
        for key, tile in self._tiles.items() if self._programmed else ():
            with self._draws("age", *key, repr(settings.age_s)):
                tile.drift_weights(settings.age_s)

    def mvm(
        self, step: MvmStep, x: Float[Tensor, "vectors rows"], reads: Keys, copy: int = 0
    ) -> Tensor:
        """One step for some vectors, on one copy of its matrix."""
        artifact = self._held
        matrix, exact = artifact.matrices[step.matrix], tensor_of(artifact, step.matrix)
        if self._settings.ideal:
            return epilogue(artifact, step, x.to(exact.dtype) @ exact).to(x.dtype)
        codes = (x.float() / step.input_max).clamp(-1, 1)
        total = torch.zeros(len(x), matrix.columns)
        first = int(reads[0]) if len(reads) else 0
        with torch.no_grad(), self._draws("read", step.name, copy, first):
            for stage, rows in enumerate(matrix.row_ranges):
                total += self._tiles[matrix.name, copy, stage](codes[:, slice(*rows)])
        y = total * column_max(exact) * step.input_max
        return epilogue(artifact, step, y).to(x.dtype)

    def cost(self, workload: Workload, mode: Mode | None) -> Cost:
        """Time and energy of the chip, from counts and shapes."""
        return engine.bounded_cost(self._chip, workload, mode)

    def settle(self, method: Method) -> None:
        """Nothing: tiles are programmed as a whole."""

    def pulse(self, core: int, pulses: Pulses, index: int) -> None:
        """Raises: OptionError."""
        raise _whole_tiles(core, pulses, index)

    def read_cells(
        self, core: int, devices: tuple[int, ...], index: int
    ) -> Float[Tensor, "polarity rows columns"]:
        """Raises: OptionError."""
        raise _whole_tiles(core, devices, index)

    def mvm_core(
        self, core: int, x: Float[Tensor, "vectors rows"], index: int
    ) -> Float[Tensor, "vectors columns"]:
        """Raises: OptionError."""
        raise _whole_tiles(core, x, index)

    def state(self) -> DeviceState:
        """Raises: OptionError."""
        raise _whole_tiles()

    def restore(self, state: DeviceState) -> None:
        """Raises: OptionError."""
        raise _whole_tiles(state)

    @property
    def _held(self) -> Artifact:
        assert self._artifact is not None, "load a program first"
        return self._artifact

    def _tile(self, weight: Float[Tensor, "columns rows"], *key: str | int) -> Any:
        config = copy.deepcopy(self._config)
        tile = config.tile_class(weight.shape[0], weight.shape[1], config, bias=False)
        tile.set_weights(weight, None, apply_weight_scaling=False)
        tile.eval()
        if self._programmed:
            with self._draws("program", *key):
                tile.program_weights()
        return tile

    @contextmanager
    def _draws(self, *name: str | int) -> Iterator[None]:
        """aihwkit draws from torch's global generator: seeded for the while, then as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator(self._seed, "aihwkit", *name).initial_seed())
            yield


def hermes_config(chip: ChipSpec) -> Any:
    """aihwkit's configuration for a chip: its converters' levels, aihwkit's model of the HERMES
    devices, and the output noise of aihwkit's presets."""
    from aihwkit.inference.noise.hermes import HermesNoiseModel
    from aihwkit.simulator.configs import TorchInferenceRPUConfig

    config = TorchInferenceRPUConfig()
    config.noise_model = HermesNoiseModel(num_devices=chip.unit_cell.devices_per_polarity)
    config.mapping.weight_scaling_omega = 0.0
    forward = config.forward
    forward.inp_bound, forward.inp_res = 1.0, 1 / (2 * chip.input_levels)
    forward.out_bound, forward.out_res = _OUTPUT_BOUND, 1 / (2 * chip.output_levels)
    forward.out_noise = _OUTPUT_NOISE
    return config


def _whole_tiles(*_: object) -> OptionError:
    return OptionError(
        "aihwkit's tiles are programmed as a whole: use the method published or ideal, and neither "
        "save their cells nor switch programs"
    )
