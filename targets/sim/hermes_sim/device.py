"""The simulated chip: cells by core, and layers folded from them for the age and mode in force."""

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim import crossbar, engine, integers
from hermes_sim.core import Core
from hermes_sim.crossbar import Converters
from hermes_sim.fold import (
    Fold,
    columns_of,
    converters_of,
    stage_of,
    stream_name,
    through_wires,
)
from hermes_sim.kernel.layer import KernelLayer
from hermes_sim.kernel.load import kernel
from hermes_sim.layers import Run, runner
from hermes_sim.noise import ReadNoise, stream
from hermes_sim.statistics import checked, statistics_named
from hermesrt.artifact.line_map import lines_of
from hermesrt.artifact.schema import Artifact, MvmStep
from hermesrt.chip.cells import with_devices
from hermesrt.chip.defects import DefectMap, check_defects
from hermesrt.chip.spec import COMPILED_IN, COMPILED_IN_KEYS, ChipSpec, Mode
from hermesrt.chip.stuck_devices import StuckDevices
from hermesrt.cost import Cost
from hermesrt.device import DeviceState, EndState, Method, Pulses, ReadSettings
from hermesrt.errors import ArtifactError, OptionError
from hermesrt.executor import epilogue, tensor_of
from hermesrt.programming.corrections import (
    corrected_slices,
    deepest_correction,
    written_targets,
)
from hermesrt.programming.targets import CoreTarget, targets
from hermesrt.reads import Keys, numbered
from hermesrt.workload import Workload

_MOST = 10.0  # above any conductance in siemens, any variance and any drift exponent
_NO_LONGER = ".variance"  # follows from the conductances; older files hold it
_CORE_DUTY = 0.25  # share of a phase that an input uniform in [-1, 1] is on; for the wires' drop


class SimulatedDevice:
    """A Device in torch; see `hermesrt.device.Device`. The same seed gives the same bits.

    `defects` are broken on it, whether a program knows of them or not; without a map those are that
    the program was compiled for. `statistics` are those of its devices, as
    `hermes_sim.statistics.DeviceStatistics` says; the chip's `statistics.model`, if not given.
    """

    def __init__(
        self,
        chip: ChipSpec,
        seed: int = 0,
        defects: DefectMap | None = None,
        statistics: object = None,
    ) -> None:
        self._chip = chip
        self._own = None if statistics is None else checked(statistics)
        self._statistics = self._own or statistics_named(chip.statistics.model)
        self._seed = seed
        self._defects = None if defects is None else check_defects(defects, chip, "defects")
        self._artifact: Artifact | None = None
        self._method: Method = "published"
        self._settings = ReadSettings()
        self._cores: dict[int, Core] = {}
        self._layers: dict[tuple[object, ...], Run] = {}  # by step, copy, and where not on a CPU
        self._fold: Fold | None = None
        self._converters: dict[Mode, tuple[Converters, bool]] = {}

    def __getstate__(self) -> dict[str, object]:
        """For copies and files: what is folded holds addresses, and is folded again."""
        return self.__dict__ | {"_layers": {}, "_fold": None}

    @property
    def chip(self) -> ChipSpec:
        """Its description."""
        return self._chip

    @property
    def seed(self) -> int:
        """The seed of everything random about it."""
        return self._seed

    @property
    def identity(self) -> str:
        """A digest of the defects that it was given, and the name of its own statistics."""
        defects = "whole" if self._defects is None else self._defects.sha256
        return defects if self._own is None else f"{defects}, {self._own.name}"

    @property
    def loaded(self) -> Artifact | None:
        """The program that it holds."""
        return self._artifact

    @property
    def cores(self) -> Mapping[int, Core]:
        """The simulated cores in use, by number."""
        return self._cores

    def load(self, artifact: Artifact) -> None:
        """Take a program's tiles; raises OptionError when it was compiled for another chip."""
        keys = (*COMPILED_IN, *COMPILED_IN_KEYS)
        differing = [k for k in keys if attrgetter(k)(artifact.chip) != attrgetter(k)(self._chip)]
        if differing:
            raise OptionError(
                f"the program was compiled for a chip with another {', '.join(differing)} than the "
                f"device's; make the device from the same description ({artifact.chip.name})"
            )
        self._artifact = artifact
        held, size = list(targets(artifact)), self._chip.crossbar
        room = torch.empty(len(held), size.rows, size.columns, 8)
        self._cores = {
            target.core: Core(
                with_devices(self._chip, target.devices),
                self._seed,
                target,
                part,
                self._stuck(target),
                self._statistics,
            )
            for target, part in zip(held, room, strict=True)
        }
        self._changed()

    def _stuck(self, target: CoreTarget) -> StuckDevices | None:
        """The core's broken devices, on the program's logical lines."""
        if self._defects is None:
            return target.stuck
        core = target.core
        held = self._defects.held(core)
        if held is None:
            return None
        lines = lines_of(self._held.tensors, self._held.cores, core)
        if lines is not None:
            held = held[:, :, lines[0]][..., lines[1]]
        chip = with_devices(self._chip, target.devices)
        return StuckDevices.of(chip, torch.from_numpy(held))

    def draw(self, end_state: EndState) -> None:
        """Draw the end state of the chip's own programming, or take the exact conductances."""
        for core in self._cores.values():
            core.draw(_end_state(core.target, end_state))
        if end_state != "ideal":
            self._correct(end_state)
        self._method = end_state
        self._changed()

    def _correct(self, end_state: EndState) -> None:
        """Write slices that correct those before them, one number after the other; the same cells
        of a core get the same errors again."""
        changed: dict[tuple[str, int], Tensor] = {}
        for number in range(1, 1 + deepest_correction(self._held)):
            changed |= corrected_slices(self._held, number, self._written)
            for target in targets(self._held, changed):
                core = self._cores[target.core]
                if not torch.equal(core.target.siemens, target.siemens):
                    core.target = target
                    core.draw(_end_state(target, end_state))

    def _written(self, core: int) -> Float[Tensor, "rows columns"]:
        """g+ - g- of a core's cells."""
        pair = self._cores[core].conductance.sum(0)
        return pair[0] - pair[1]

    def pulse(self, core: int, pulses: Pulses, index: int) -> None:
        """Send programming pulses into a core's cells.

        Raises: OptionError where the device statistics are not those of single devices.
        """
        model = self._statistics.name
        if not model.startswith("hermes"):
            raise OptionError(
                f"statistics.model {model!r} says nothing of single pulses: program with --method "
                "published or ideal, or compile for statistics.model=hermes"
            )
        self._cores[core].pulse(pulses, index)

    def read_cells(
        self, core: int, devices: tuple[int, ...], index: int
    ) -> Float[Tensor, "polarity rows columns"]:
        """Verify read of the cells of a core, in whole counts."""
        return self._cores[core].verify(devices, index)

    def mvm_core(
        self, core: int, x: Float[Tensor, "vectors rows"], index: int
    ) -> Float[Tensor, "vectors columns"]:
        """Raw ADC counts of a whole core for inputs in [-1, 1]; in the mode in force, at age 0
        until the age is set."""
        held, chip = self._cores[core], self._chip
        age, name = self._settings.age_s, stream(self._seed, "core", core, index)
        converters, whole = self._core_converters(self._settings.mode or "4-phase")
        if not held.settled and whole:
            return held.counts(converters, x, name, numbered(x.shape[0]))
        duty = torch.full((chip.crossbar.rows,), _CORE_DUTY)
        cells = through_wires(chip, *(held.now(age) if age else held.fresh()), duty)
        counts = columns_of(held, cells, slice(None))
        stage = stage_of(chip, converters, slice(None), *counts)
        codes = crossbar.input_codes(converters, chip.input_levels, x, torch.empty(x.shape))
        noise = ReadNoise((name,), numbered(x.shape[0]))
        return crossbar.core_counts(converters, stage, codes, noise)

    def _core_converters(self, mode: Mode) -> tuple[Converters, bool]:
        """The converters of a core's raw counts, and whether those are in whole numbers."""
        if mode not in self._converters:
            chip = self._chip
            found = replace(converters_of(chip, mode), rounding=None)
            whole = not chip.effects.wire_drop and integers.fits_rows(found, chip.crossbar.rows)
            self._converters[mode] = found, whole
        return self._converters[mode]

    def settle(self, method: Method) -> None:
        """Programming is over: the devices drift from now on."""
        for core in self._cores.values():
            if not core.settled:  # others were drawn, or written before
                core.settle()
        self._method = method
        self._changed()

    def configure(self, settings: ReadSettings) -> None:
        """Set age and read mode for the MVMs that follow."""
        if settings != self._settings:
            self._settings = settings
            self._changed()

    def mvm(
        self, step: MvmStep, x: Float[Tensor, "vectors rows"], reads: Keys, copy: int = 0
    ) -> Float[Tensor, "vectors columns"]:
        """One MVM step on one copy; a vector's noise depends on seed, step, copy and its number in
        `reads` alone."""
        if self._settings.ideal:
            return self._ideal(step, x)
        run = self._runner(step, copy, x)
        if x.dtype == torch.float32:
            return run(x, reads)
        return run(x.float(), reads).to(x.dtype)

    def mvm_windows(self, step: MvmStep, images: Tensor, reads: Keys) -> Tensor | None:
        """The step at all positions of its window, for images with their channels last; None where
        a kernel does not run it. It has the bits of `mvm` for the vectors one by one."""
        if self._settings.ideal or not images.is_cpu or step.window is None:
            return None
        run = self._runner(step, 0, images)
        if not isinstance(run, KernelLayer) or images.is_conj() or images.is_neg():
            return None
        return run.windows(step.window, images.float(), reads)

    def state(self) -> DeviceState:
        """The cells; while programming is under way without drift exponents."""
        arrays = {}
        for number, core in self._cores.items():
            arrays[f"{number}.conductance"] = core.conductance.numpy()
            if core.settled:
                arrays[f"{number}.nu"] = core.nu.numpy()
        return DeviceState(self._chip.name, self._method, self._seed, arrays)

    def restore(self, state: DeviceState) -> None:
        """Take programmed cells back; raises ArtifactError when they do not fit the program."""
        settled = any(name.endswith(".nu") for name in state.arrays)
        names = ("conductance", "nu") if settled else ("conductance",)
        wanted = {f"{number}.{name}" for number in self._cores for name in names}
        cells = (self._chip.crossbar.rows, self._chip.crossbar.columns)
        arrays = {n: a for n, a in state.arrays.items() if not n.endswith(_NO_LONGER)}
        sound = set(arrays) == wanted and state.chip == self._chip.name
        sound = sound and all(
            a.shape in ((1, 2, *cells), (2, 2, *cells))
            and a.dtype == np.float32 and ((a >= 0) & (a <= _MOST)).all()
            for a in arrays.values()
        )  # fmt: skip
        sound = sound and len({a.shape for a in arrays.values()}) <= 1
        if not sound:
            raise ArtifactError(
                "the state holds the cells of another program or chip; make it again with "
                "`hermesc program`"
            )
        self._seed, self._method = state.seed, state.method
        for number, core in self._cores.items():
            held = [torch.from_numpy(state.arrays[f"{number}.{n}"].copy()) for n in names]
            core.take(held[0], held[1] if settled else None, state.seed)
        if deepest_correction(self._held):
            for target in written_targets(self._held, state.arrays):
                self._cores[target.core].target = target
        self._changed()

    def cost(self, workload: Workload, mode: Mode | None) -> Cost:
        """Time and energy of a program's work, in a read mode or in each matrix's own."""
        return engine.bounded_cost(self._chip, workload, mode)

    @property
    def _held(self) -> Artifact:
        assert self._artifact is not None, "load a program first"
        return self._artifact

    def _changed(self) -> None:
        """What was folded no longer holds."""
        self._layers, self._fold = {}, None

    def _ideal(self, step: MvmStep, x: Tensor) -> Tensor:
        """The exact product, block by block as the cascade adds it."""
        matrix = self._held.matrices[step.matrix]
        total: Tensor | None = None
        wide = x.float() if x.itemsize < 4 else x
        exact = tensor_of(self._held, step.matrix).to(wide.device, wide.dtype)
        for rows in matrix.row_ranges:
            part = wide[:, slice(*rows)] @ exact[slice(*rows)]
            total = part if total is None else total + part
        assert total is not None
        return epilogue(self._held, step, total).to(x.dtype)

    def _runner(self, step: MvmStep, copy: int, x: Tensor) -> Run:
        """What runs a step where its inputs are."""
        key = (step.name, copy) if x.is_cpu else (step.name, copy, x.device)
        return self._layers.get(key) or self._layer(step, copy, x.device)

    def _layer(self, step: MvmStep, copy: int, place: torch.device) -> Run:
        settings = self._settings
        self._fold = self._fold or Fold(
            self._chip, self._seed, self._held, self._cores, settings.mode, settings.age_s
        )
        layer = self._fold.layer(step, copy)
        name = ("read", *stream_name(step, copy))
        streams = tuple(stream(self._seed, *name, i) for i in range(len(layer.stages)))
        if place.type == "cpu":
            run = self._layers[step.name, copy] = runner(layer, streams, kernel())
        else:
            run = self._layers[step.name, copy, place] = runner(layer, streams, None, place)
        return run


def _end_state(target: CoreTarget, end_state: EndState) -> EndState:
    """What a core's own method says, where it is one that is drawn."""
    match target.method:
        case "published" | "ideal":
            return target.method
    return end_state
