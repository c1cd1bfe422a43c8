"""Where a sweep's programs come from: a model that is compiled, or the one program."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import hermesrt.program as runtime
from hermesc.api.compiling import Prepared, compile, prepare
from hermesc.api.notebook import Program, as_shown
from hermesc.app.settings import parse_settings
from hermesc.studies.sweep.grid import Point
from hermesc.studies.sweep.job import Figures, Reading
from hermesc.studies.sweep.plan import Compilation, Task, chip_for, commands
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import HermescError, OptionError

_PROGRAM = ".hermes"


def reading_of(task: Task, program: Program | Figures, inputs: str) -> Reading | Figures:
    """The job of a task, or why there is none."""
    if isinstance(program, Figures):
        return program
    return Reading(
        program.sha256, inputs, task.chip_settings, task.method, task.seed, task.age_s, task.mode
    )


class ProgramSource:
    """Where programs come from: a model that is compiled, or the one program."""

    def __init__(
        self,
        model: Any,
        example_inputs: Any,
        chip: str | ChipSpec,
        calibration: Any,
        labels: Any,
        name: str | None,
    ) -> None:
        self._model, self._examples, self._chip = model, example_inputs, chip
        self._calibration, self._labels, self._name = calibration, labels, name
        self._file = str(model) if isinstance(model, str | Path) else ""
        self._made: Program | None = None
        if isinstance(model, runtime.Program):
            self._made = as_shown(model)
        elif self._file.endswith(_PROGRAM):
            self._made = Program.load(self._file)
        self._specs: dict[str, ChipSpec] = {}

    @property
    def compiled(self) -> bool:
        """Whether it is one program already."""
        return self._made is not None

    @property
    def called(self) -> str:
        """The model's name."""
        if self._made is not None:
            return self._made.artifact.manifest.name
        return self._name or Path(self._file).stem or type(self._model).__name__

    def spec(self, point: Point) -> ChipSpec:
        """The chip of a point, before its settings."""
        if self._made is not None:
            return self._made.artifact.chip
        chip = dict(point.values).get("chip", self._chip)
        if isinstance(chip, ChipSpec):
            return chip
        if str(chip) not in self._specs:
            self._specs[str(chip)] = load_chip(str(chip))
        return self._specs[str(chip)]

    def programs(self, compilations: Sequence[Compilation]) -> dict[Compilation, Program | Figures]:
        """Each program once, or why there is none."""
        return {c: self.program(c) for c in dict.fromkeys(compilations)}

    def program(self, compilation: Compilation) -> Program | Figures:
        """The program, or why there is none."""
        if self._made is not None:
            if compilation != Compilation():
                raise OptionError(
                    f"--grid: {compilation.first} is for compiling, and {self.called} is compiled; "
                    "sweep over the model instead of the program"
                )
            return self._made
        try:
            return self._compiled(compilation)
        except HermescError as error:
            return Figures(failed=str(error))

    def _compiled(self, compilation: Compilation) -> Program:
        options, fallback = parse_settings(compilation.passes)
        chip = chip_for(compilation, self._chip)
        if fallback.max_accuracy_drop == math.inf:
            return self._prepared.compiled(chip, options)
        return compile(
            self._model,
            self._examples,
            chip=chip,
            calibration=self._calibration,
            labels=self._labels,
            options=options,
            name=self._name,
            max_accuracy_drop=fallback.max_accuracy_drop,
        )

    @cached_property
    def _prepared(self) -> Prepared:
        """The model, loaded and captured once for all of its programs."""
        return prepare(self._model, self._examples, self._calibration, self._labels, self._name)

    def commands(self, task: Task, inputs: Path | None) -> str:
        """What repeats a point on the command line; nothing for a model that is in no file."""
        if not self._file or isinstance(self._chip, ChipSpec):
            return ""
        common = {} if self._chip == "hermes" else {"--chip": self._chip}
        if isinstance(self._calibration, str | Path):
            common["--calibration"] = str(self._calibration)
        return commands(task, self._file, inputs, common)
