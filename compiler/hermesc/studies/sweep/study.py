"""One model at many settings: compiled where settings ask for it, run on all processors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermesc.api.notebook import Program
from hermesc.studies.jobs.blobs import digest
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesc.studies.sweep.grid import read_grid
from hermesc.studies.sweep.job import WORK, Reading
from hermesc.studies.sweep.plan import task_of
from hermesc.studies.sweep.report import Result, SweepReport, check_table
from hermesc.studies.sweep.source import ProgramSource, reading_of
from hermesrt.artifact.io import to_bytes
from hermesrt.chip.spec import ChipSpec
from hermesrt.data import samples_of
from hermesrt.errors import OptionError
from hermesrt.files.atomic import read_file, write_atomically
from hermesrt.files.npz import arrays_of


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
    source = ProgramSource(model, example_inputs, chip, calibration, labels, name)
    tasks = [task_of(point, source.spec(point)) for point in points]
    programs = source.programs([task.compilation for task in tasks])
    blobs = {p.sha256: to_bytes(p.artifact) for p in programs.values() if isinstance(p, Program)}
    given = b"" if data is None else read_file(data, "file of inputs")
    if data is not None:
        blobs[digest(given)] = given
        for program in programs.values():
            if isinstance(program, Program):
                samples_of(program.artifact, arrays_of(given, data), str(data))
    jobs = {
        t: reading_of(t, programs[t.compilation], digest(given) if given else "") for t in tasks
    }
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


def _check_some(report: SweepReport) -> None:
    if not report.sound:
        first = report.results[0]
        raise OptionError(
            f"all {len(report.results)} points failed; the first: {first.figures.failed}"
        )
