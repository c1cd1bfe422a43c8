"""The study of the chip from its measurements to its report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hermesc.studies.chip.ablation import EXPLAINED, Variant
from hermesc.studies.chip.crossbar import ageing
from hermesc.studies.chip.experiment import INFERRED, Experiment, read_experiment
from hermesc.studies.chip.plan import plan
from hermesc.studies.chip.report import ChipStudy, runs_csv
from hermesc.studies.data.datasets import Dataset
from hermesc.studies.data.measurements import FILE, Measurements, read_measurements
from hermesc.studies.data.sources import DataSource, is_there, missing
from hermesc.studies.experiment.job import WORK, KernelJob, by_cell
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesc.studies.statistics import Comparison, Predicted, compare
from hermesrt.chip.load import changed
from hermesrt.errors import InputError, OptionError
from hermesrt.files.atomic import write_atomically

_AS_GIVEN = "as given"


def study_chip(
    *,
    data: Path,
    seeds: int | None = None,
    datasets: Sequence[str] | None = None,
    setup: Setup,
    experiment: Experiment | None = None,
    explain: str | None = None,
    errors_only: bool = False,
    settings: Sequence[str] = (),
    execution: Execution | None = None,
    output: Path | None = None,
    plot: Path | None = None,
) -> ChipStudy:
    """Predict the kernel errors and accuracies that were measured on the real chip.

    Every experiment of the folder's measurements is compiled and run on a simulated chip. Nothing
    is fitted to the measurements.
    data: folder with chip_measurements.csv and a .npz file for each of its datasets.
    seeds: how many of the measured seeds; all, if not given.
    datasets: some of the file's datasets.
    setup: the chip, how it is compiled for, programmed and read.
    experiment: what the experiment did with some data sets; the built-in table, if not given.
    explain: also with one thing changed at a time, of the chip's `effects`, or with each
        combination of how its `converters` take whole codes; many times longer.
    errors_only: kernel errors without accuracies, in a third of the time.
    settings: words that the report shows after the chip's name.
    execution: where jobs run.
    output: a CSV of every run is written to this file.
    plot: the picture is written to this file.
    Raises: OptionError, InputError, ChipError.
    """
    if explain is not None and explain not in EXPLAINED:
        raise OptionError(f"--explain {explain}: there are {', '.join(EXPLAINED)}")
    execution = execution or Execution()
    experiment = read_experiment() if experiment is None else experiment
    check_outputs(output, plot, measurements=data / FILE)
    start = time.perf_counter()
    measured = read_measurements(data)
    measured, skipped = _present(measured if datasets is None else measured.of(datasets), data)
    read = {name: _two_classes(DataSource(name, data).read(), data) for name in measured.datasets}
    sources = {name: DataSource(name, data, digest=d.digest) for name, d in read.items()}
    chosen = _chosen(measured, seeds)
    jobs = _shortened(plan(measured, sources, chosen, setup, experiment), errors_only)
    curves = ageing(setup.chip)

    def predict(some: Sequence[KernelJob]) -> tuple[Predicted, int]:
        results, kept = execution.finished(WORK, some)
        return by_cell(results, measured.scores), kept

    predicted, kept = predict(jobs)
    study = ChipStudy(
        data=str(data),
        chip=setup.chip.name,
        settings=tuple(settings),
        seeds=chosen,
        preparations={
            name: "; ".join(
                [d.preparation, *([experiment[name].text] if name in experiment else [])]
            )
            for name, d in read.items()
        },
        skipped=skipped,
        left_out_rows=measured.left_out,
        cells=compare(predicted, measured.scores),
        ageing=curves,
        runs=sum(len(found) for found in predicted.values()),
        kept=kept,
        workers=min(execution.workers.workers, len(jobs)),
        seconds=time.perf_counter() - start,
    )
    if output is not None:
        write_atomically(output, runs_csv(predicted, measured.scores))
    if plot is not None:
        from hermesc.studies.chip.plot import study_picture

        write_atomically(plot, study_picture(study.cells, plot.suffix.removeprefix(".")))
    guesses = {n for n, s in experiment.items() if s.kind == INFERRED and n in read}
    if guesses:
        without = _shortened(plan(measured, sources, chosen, setup, {}), errors_only)
        bare = [job for job in without if job.dataset in guesses]
        study = replace(study, without_inferred=compare(predict(bare)[0], measured.scores))
    if explain is None:
        return study
    variants = _explained(EXPLAINED[explain], jobs, predict, measured)
    return replace(study, explained={_AS_GIVEN: study.cells, **variants})


def _shortened(jobs: Sequence[KernelJob], errors_only: bool) -> Sequence[KernelJob]:
    return [replace(job, accuracy=False) for job in jobs] if errors_only else jobs


def _explained(
    variants: Sequence[Variant],
    jobs: Sequence[KernelJob],
    predict: Callable[[Sequence[KernelJob]], tuple[Predicted, int]],
    measured: Measurements,
) -> Mapping[str, tuple[Comparison, ...]]:
    """The cells of each variant by its name."""
    found = {}
    for variant in variants:
        other = [replace(job, setup=_varied(job.setup, variant)) for job in jobs]
        found[variant.name] = compare(predict(other)[0], measured.scores)
    return found


def _varied(setup: Setup, variant: Variant) -> Setup:
    chip = changed(setup.chip, variant.settings)
    return Setup(chip, variant.mode, variant.age_s, setup.options, variant.method)


def _present(measured: Measurements, folder: Path) -> tuple[Measurements, dict[str, str]]:
    """The measurements whose data is there, and why the others are skipped."""
    here = [name for name in measured.datasets if is_there(folder, name)]
    if not here:
        wanted = ", ".join(f"{name}.npz" for name in measured.datasets)
        raise InputError(f"--data {folder}: none of its measurements' data is there: {wanted}")
    absent = {n: missing(folder, n) for n in measured.datasets if n not in here}
    return measured.of(here), absent


def _two_classes(found: Dataset, folder: Path) -> Dataset:
    if found.classes != 2:
        raise InputError(
            f"--data {folder}: {found.name} has {found.classes} classes; the measured experiment "
            "has two, in y or y_binary"
        )
    return found


def _chosen(measured: Measurements, count: int | None) -> tuple[int, ...]:
    """The first measured seeds."""
    seeds = sorted({seed for found in measured.scores.values() for seed in found})
    if count is not None and count > len(seeds):
        raise OptionError(f"--seeds {count}: the measurements have {len(seeds)} seeds")
    return tuple(seeds[:count])
