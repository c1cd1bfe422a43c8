"""The study of the chip from its measurements to its report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hermesc.studies.chip.ablation import VARIANTS
from hermesc.studies.chip.crossbar import ageing
from hermesc.studies.chip.plan import plan
from hermesc.studies.chip.report import ChipStudy, runs_csv
from hermesc.studies.data.datasets import dataset_path, read_dataset
from hermesc.studies.data.measurements import FILE, Measurements, read_measurements
from hermesc.studies.data.sources import DataSource
from hermesc.studies.experiment.job import WORK, KernelJob, by_cell
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesc.studies.statistics import Comparison, Predicted, compare
from hermesrt.chip.load import Settings, load_chip
from hermesrt.errors import InputError, OptionError
from hermesrt.files.atomic import write_atomically

_AS_GIVEN = "as given"


def study_chip(
    *,
    data: Path,
    seeds: int | None = None,
    datasets: Sequence[str] | None = None,
    chip: str = "hermes",
    chip_settings: Settings = (),
    explain: bool = False,
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
    chip, chip_settings: the chip, and numbers of it to replace.
    explain: also with one thing changed at a time; many times longer.
    settings: words that the report shows after the chip's name.
    execution: where jobs run.
    output: a CSV of every run is written to this file.
    plot: the picture is written to this file.
    Raises: OptionError, InputError, ChipError.
    """
    spec, execution = load_chip(chip, chip_settings), execution or Execution()
    check_outputs(output, plot, measurements=data / FILE)
    start = time.perf_counter()
    measured = read_measurements(data)
    measured, skipped = _present(measured if datasets is None else measured.of(datasets), data)
    read = {name: read_dataset(data, name) for name in measured.datasets}
    sources = {name: DataSource(name, data, digest=d.digest) for name, d in read.items()}
    chosen = _chosen(measured, seeds)
    jobs = plan(measured, sources, chosen, spec)
    curves = ageing(chip, chip_settings)

    def predict(some: Sequence[KernelJob]) -> tuple[Predicted, int]:
        results, kept = execution.finished(WORK, some)
        return by_cell(results, measured.scores), kept

    predicted, kept = predict(jobs)
    study = ChipStudy(
        data=str(data),
        chip=spec.name,
        settings=tuple(settings),
        seeds=chosen,
        preparations={name: d.preparation for name, d in read.items()},
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
    if not explain:
        return study
    variants = _explained(chip, chip_settings, jobs, predict, measured)
    return replace(study, explained={_AS_GIVEN: study.cells, **variants})


def _explained(
    chip_name: str,
    settings: Settings,
    jobs: Sequence[KernelJob],
    predict: Callable[[Sequence[KernelJob]], tuple[Predicted, int]],
    measured: Measurements,
) -> Mapping[str, tuple[Comparison, ...]]:
    """The cells of each variant by its name."""
    found = {}
    for variant in VARIANTS:
        chip = load_chip(chip_name, [*settings, *variant.settings])
        setup = Setup(chip, variant.mode, variant.age_s, method=variant.method)
        changed = [replace(job, setup=setup) for job in jobs]
        found[variant.name] = compare(predict(changed)[0], measured.scores)
    return found


def _present(measured: Measurements, folder: Path) -> tuple[Measurements, dict[str, str]]:
    """The measurements whose data is there, and why the others are skipped."""
    paths = {name: dataset_path(folder, name) for name in measured.datasets}
    here = [name for name, path in paths.items() if path.exists()]
    if not here:
        wanted = ", ".join(path.name for path in paths.values())
        raise InputError(f"--data {folder}: none of its measurements' data is there: {wanted}")
    missing = {n: f"there is no {path.name}" for n, path in paths.items() if n not in here}
    return measured.of(here), missing


def _chosen(measured: Measurements, count: int | None) -> tuple[int, ...]:
    """The first measured seeds."""
    seeds = sorted({seed for found in measured.scores.values() for seed in found})
    if count is not None and count > len(seeds):
        raise OptionError(f"--seeds {count}: the measurements have {len(seeds)} seeds")
    return tuple(seeds[:count])
