"""A search's points: compiled once for each program, and read on one chip after another."""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from hermesc.api.notebook import Program
from hermesc.studies.jobs.blobs import digest, release
from hermesc.studies.jobs.execution import Execution
from hermesc.studies.sweep.grid import Point, Value
from hermesc.studies.sweep.job import WORK, Figures
from hermesc.studies.sweep.plan import Compilation, task_of
from hermesc.studies.sweep.source import ProgramSource, reading_of
from hermesrt.artifact.io import to_bytes
from hermesrt.data import samples_of
from hermesrt.files.atomic import read_file
from hermesrt.files.npz import arrays_of

_PROGRAMS = 4  # that are kept


@dataclass(slots=True)
class Evaluation:
    """Where the figures of points come from.

    source: of programs.
    data: an .npz file of inputs and labels; None for the program's examples.
    age: since programming.
    execution: where finished readings are kept.
    """

    source: ProgramSource
    data: Path | None
    age: str
    execution: Execution
    _programs: OrderedDict[Compilation, Program | Figures] = field(default_factory=OrderedDict)
    _given: bytes = b""

    def __post_init__(self) -> None:
        if self.data is not None:
            self._given = read_file(self.data, "file of inputs")

    @property
    def inputs(self) -> str:
        """The name of the inputs; empty for the program's examples."""
        return digest(self._given) if self.data is not None else ""

    def check_inputs(self, program: Program) -> bool:
        """See that the inputs fit, and whether they have labels.

        Raises: InputError.
        """
        if self.data is None:
            return program.artifact.labels is not None
        arrays = arrays_of(self._given, self.data)
        return samples_of(program.artifact, arrays, str(self.data)).labels is not None

    def point(self, number: int, settings: dict[str, Value], seed: int) -> Point:
        """A point of a sweep."""
        return Point(number, (*settings.items(), ("age", self.age), ("seed", seed)))

    def command(self, point: Point) -> str:
        """What repeats a point."""
        return self.source.commands(task_of(point, self.source.spec(point)), self.data)

    def read(self, point: Point) -> Figures:
        """The figures of a point, or why there are none."""
        task = task_of(point, self.source.spec(point))
        program = self._program(task.compilation)
        job = reading_of(task, program, self.inputs)
        if isinstance(job, Figures) or isinstance(program, Figures):
            return job if isinstance(job, Figures) else Figures(failed="no program")
        blobs = {program.sha256: to_bytes(program.artifact)}
        blobs |= {self.inputs: self._given} if self.data is not None else {}
        found, _ = self.execution.finished(WORK, [job], blobs)
        release([program.sha256])
        return found[job]

    def _program(self, compilation: Compilation) -> Program | Figures:
        if compilation not in self._programs:
            self._programs[compilation] = self.source.program(compilation)
            while len(self._programs) > _PROGRAMS:
                self._programs.popitem(last=False)
        self._programs.move_to_end(compilation)
        return self._programs[compilation]


def mean_of(chips: list[Figures]) -> Figures:
    """Accuracy and errors as the mean of several chips; time and energy are the same on all."""
    first = chips[0]
    accuracies = [c.accuracy for c in chips if c.accuracy is not None]
    errors = {name: fmean(dict(c.errors)[name] for c in chips) for name, _ in first.errors}
    return Figures(
        accuracy=fmean(accuracies) if len(accuracies) == len(chips) else None,
        reference_accuracy=first.reference_accuracy,
        errors=tuple(errors.items()),
        latency_ns=first.latency_ns,
        interval_ns=first.interval_ns,
        energy_nj=first.energy_nj,
        cores_used=first.cores_used,
    )
