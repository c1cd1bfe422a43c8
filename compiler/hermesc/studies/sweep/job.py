"""The job of a sweep: one program on one chip, read once.

Jobs that share a program share its FP32 results, and jobs that share a chip its programming, where
they run in one process one after another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hermesc.api.making import simulate
from hermesc.api.notebook import Chip, Program
from hermesc.api.spreading import Reference, read_chip
from hermesc.studies.jobs.blobs import held
from hermesc.studies.jobs.result_cache import software
from hermesc.studies.jobs.runner import JobKind
from hermesrt.artifact.chip_settings import with_settings
from hermesrt.artifact.io import from_bytes
from hermesrt.chip.spec import Mode
from hermesrt.data import Samples, example_samples, samples_of
from hermesrt.device import Method
from hermesrt.errors import HermescError
from hermesrt.files.digest import Digest
from hermesrt.files.npz import arrays_of

ChipSettings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One program on one chip at one age.

    program: the hash of its file.
    inputs: the hash of the .npz file of inputs; empty for the program's examples.
    chip: numbers of the chip that are replaced.
    method: how weights are programmed.
    seed: of the chip.
    age_s: time since programming, s.
    mode: read mode of all layers; None for each one's own.
    """

    program: str
    inputs: str
    chip: ChipSettings
    method: Method
    seed: int
    age_s: float
    mode: Mode | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a point came to; times in ns, energies in nJ, of one sample.

    accuracy: share of right classes on the chip; None without labels or classes.
    reference_accuracy: the same in FP32.
    errors: relative error of each output, by name.
    latency_ns: from first input to last output.
    interval_ns: between samples in steady state.
    energy_nj: of one sample.
    cores_used: how many.
    failed: why there is no result; empty where there is one.
    """

    accuracy: float | None = None
    reference_accuracy: float | None = None
    errors: tuple[tuple[str, float], ...] = ()
    latency_ns: float | None = None
    interval_ns: float | None = None
    energy_nj: float | None = None
    cores_used: int | None = None
    failed: str = ""


def read(job: Reading) -> Figures:
    """The figures of a job; a setting that the chip or the model refuses is told in `failed`."""
    try:
        return _read(job)
    except HermescError as error:
        return Figures(failed=str(error))


def _read(job: Reading) -> Figures:
    chip = _programmed(job.program, job.chip, job.method, job.seed)
    samples, exact = _data(job.program, job.inputs)
    cost = chip.device.cost(chip.compiled.workload(samples), job.mode)
    program = cast(Program, chip.compiled)
    (report,) = read_chip(program, chip, samples, (job.age_s,), job.mode, exact, cost)
    row = report.row()
    return Figures(
        accuracy=report.accuracy,
        reference_accuracy=report.reference_accuracy,
        errors=tuple((name, o.relative_error) for name, o in report.outputs.items()),
        latency_ns=row["latency_ns"],
        interval_ns=row["interval_ns"],
        energy_nj=row["energy_nj"],
        cores_used=row["cores_used"],
    )


@lru_cache(maxsize=2)
def _program(name: str) -> Program:
    return Program(from_bytes(held(name), "the sweep's program"), Digest(lambda: name))


@lru_cache(maxsize=2)
def _data(program: str, inputs: str) -> tuple[Samples, Reference]:
    artifact = _program(program).artifact
    if inputs:
        where = Path("the sweep's inputs")
        samples = samples_of(artifact, arrays_of(held(inputs), where), str(where))
    else:
        samples = example_samples(artifact)
    return samples, Reference(samples)


@lru_cache(maxsize=1)
def _programmed(program: str, settings: ChipSettings, method: Method, seed: int) -> Chip:
    compiled = _program(program)
    if settings:
        compiled = Program(with_settings(compiled.artifact, settings), compiled.digest)
    chip = Chip(compiled, simulate(compiled.artifact.chip, seed))
    chip.program(method)
    return chip


def identity(job: Reading) -> Mapping[str, Any]:
    """All that determines a job's figures."""
    return software() | {"study": "sweep"} | asdict(job)


def needs(job: Reading) -> Sequence[str]:
    """The data that a job needs, by hash."""
    return [name for name in (job.program, job.inputs) if name]


def _from_json(data: Any) -> Figures:
    return Figures(**(data | {"errors": tuple((name, value) for name, value in data["errors"])}))


WORK = JobKind(read, identity, asdict, _from_json, needs)
