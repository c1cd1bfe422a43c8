"""One model at many settings: compiled where settings ask for it, run on all processors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hermesrt.program as runtime
from hermesc.api.compiling import compile
from hermesc.api.notebook import Program
from hermesc.app.settings import parse_settings
from hermesc.studies.jobs.blobs import digest
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesc.studies.sweep.grid import Point, read_grid
from hermesc.studies.sweep.job import WORK, Figures, Reading
from hermesc.studies.sweep.plan import Compilation, Task, chip_for, commands, task_of
from hermesc.studies.sweep.report import Result, SweepReport, check_table
from hermesrt.artifact.io import to_bytes
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.data import samples_of
from hermesrt.errors import HermescError, OptionError
from hermesrt.files.atomic import read_file, write_atomically
from hermesrt.files.npz import arrays_of

_PROGRAM = ".hermes"


def sweep(
    model: Any,
    example_inputs: Any = None,
    *,
    grid: str | Path | Mapping[str, Any],
    inputs: str | Path | None = None,
    chip: str | ChipSpec = "hermes",
    calibration: Any = None,
    labels: Any = None,
    name: str | None = None,
    output: str | Path | None = None,
    plot: str | Path | None = None,
    execution: Execution | None = None,
) -> SweepReport:
    """A model or a program at each point of a grid, a list or random draws.

    model: as `compile` takes it, or a program, or its file.
    example_inputs: as for `compile`.
    grid: a TOML file, or its tables; see `hermesc sweep --help`.
    inputs: an .npz file of inputs by name, and `labels`; the program's examples, if not given.
    chip: a name or a TOML file, where the grid says none.
    calibration: real inputs, or an .npz file of them.
    labels: those of the examples or of the calibration data.
    name: of the model.
    output: the table is written to this .csv, .json or .parquet file.
    plot: the picture is drawn to this .svg, .png or .pdf file.
    execution: where jobs run, and the folder of finished ones; from there a stopped sweep goes on.

    Points that differ only in what a run sets share a program. A point whose setting the chip or
    the model refuses is told in the table; the others go on.
    Raises: OptionError, InputError, ModelError, ChipError; what the only point raises.
    """
    execution = execution or Execution()
    table, picture, data = (None if p is None else Path(p) for p in (output, plot, inputs))
    check_outputs(table, picture, inputs=data)
    if table is not None:
        check_table(table)
    points = read_grid(grid)
    source = _Source(model, example_inputs, chip, calibration, labels, name)
    tasks = [task_of(point, source.spec(point)) for point in points]
    programs = source.programs([task.compilation for task in tasks])
    blobs = {p.sha256: to_bytes(p.artifact) for p in programs.values() if isinstance(p, Program)}
    given = b"" if data is None else read_file(data, "file of inputs")
    if data is not None:
        blobs[digest(given)] = given
        for program in programs.values():
            if isinstance(program, Program):
                samples_of(program.artifact, arrays_of(given, data), str(data))
    jobs = {t: _reading(t, programs[t.compilation], digest(given) if given else "") for t in tasks}
    unique = list(dict.fromkeys(job for job in jobs.values() if isinstance(job, Reading)))
    unique.sort(key=lambda job: (job.program, job.chip, job.method, job.seed))
    found, kept = execution.finished(WORK, unique, blobs)
    results = []
    for task, job in jobs.items():
        figures = found[job] if isinstance(job, Reading) else job
        results.append(Result(task.point, figures, source.commands(task, data)))
    report = SweepReport(source.called, tuple(results), kept, len(set(blobs) - {digest(given)}))
    _check_some(report)
    if table is not None:
        write_atomically(table, report.written(table.suffix))
    if picture is not None:
        from hermesc.studies.sweep.plot import pareto_picture

        write_atomically(picture, pareto_picture(report, picture.suffix.lstrip(".")))
    return report


def _reading(task: Task, program: Program | Figures, inputs: str) -> Reading | Figures:
    """The job of a task, or why there is none."""
    if isinstance(program, Figures):
        return program
    return Reading(
        program.sha256, inputs, task.chip_settings, task.method, task.seed, task.age_s, task.mode
    )


def _check_some(report: SweepReport) -> None:
    if not report.sound:
        first = report.results[0]
        raise OptionError(
            f"all {len(report.results)} points failed; the first: {first.figures.failed}"
        )


class _Source:
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
            self._made = Program(model.artifact, model.sha256)
        elif self._file.endswith(_PROGRAM):
            self._made = Program.load(self._file)
        self._specs: dict[str, ChipSpec] = {}

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
        return {c: self._program(c) for c in dict.fromkeys(compilations)}

    def _program(self, compilation: Compilation) -> Program | Figures:
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
        return compile(
            self._model,
            self._examples,
            chip=chip_for(compilation, self._chip),
            calibration=self._calibration,
            labels=self._labels,
            options=options,
            name=self._name,
            max_accuracy_drop=fallback.max_accuracy_drop,
        )

    def commands(self, task: Task, inputs: Path | None) -> str:
        """What repeats a point on the command line; nothing for a model that is in no file."""
        if not self._file or isinstance(self._chip, ChipSpec):
            return ""
        common = {} if self._chip == "hermes" else {"--chip": self._chip}
        if isinstance(self._calibration, str | Path):
            common["--calibration"] = str(self._calibration)
        return commands(task, self._file, inputs, common)
