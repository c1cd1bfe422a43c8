"""The study of kernels from its data to its report."""

import time
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from hermesc.studies.data.datasets import RULES
from hermesc.studies.data.measurements import FILE, Cell, Scores, read_measurements
from hermesc.studies.data.sources import PACKAGED, DataSource, is_there
from hermesc.studies.experiment.job import WORK, by_cell
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesc.studies.kernels.plan import Choice, lines, plan
from hermesc.studies.kernels.report import KernelStudy, kernel_runs_csv
from hermesrt.chip.load import load_chip
from hermesrt.errors import InputError, OptionError
from hermesrt.files.atomic import write_atomically

KERNELS = ("rbf", "arccos0")
SAMPLERS = ("rff", "orf", "sorf")
RATIOS = (1, 2, 3, 4, 5)


def study_kernels(
    *,
    data: Path | None = None,
    datasets: Sequence[str] | None = None,
    kernels: Sequence[str] = KERNELS,
    samplers: Sequence[str] = SAMPLERS,
    ratios: Sequence[int] = RATIOS,
    gamma: float | None = None,
    all_rows: bool = False,
    seeds: int = 10,
    setup: Setup | None = None,
    settings: Sequence[str] = (),
    execution: Execution | None = None,
    output: Path | None = None,
    plot: Path | None = None,
) -> KernelStudy:
    """Kernel error and accuracy against the number of features, in FP32 and on the chip.

    data: folder of NAME.npz files (X, y) or public originals; scikit-learn's sets, if not given.
    datasets: names of some of them.
    kernels, samplers: their names.
    ratios: log2 of features to inputs.
    gamma: of the kernels; each dataset's own, if not given.
    all_rows: also rows that the published file did not hold.
    seeds: draws of features, and chips.
    setup: the chip and its state; the chip `hermes`, newly programmed, if not given.
    settings: words that the report shows after the chip's name.
    execution: where jobs run.
    output: a CSV of every run is written to this file.
    plot: the picture is written to this file.
    Raises: OptionError, InputError, ChipError.
    """
    setup, execution = setup or Setup(load_chip("hermes")), execution or Execution()
    check_outputs(output, plot, measurements=data and data / FILE)
    if gamma is not None and not 0 < gamma < inf:
        raise OptionError(f"--gamma {gamma}: it must be a number above 0")
    start = time.perf_counter()
    sources = _sources(data, datasets, all_rows=all_rows)
    read = {source.name: source.read() for source in sources}
    choice = Choice(tuple(kernels), tuple(samplers), tuple(ratios), seeds, setup, gamma)
    jobs, left_out = plan(choice, tuple(s.of(read[s.name]) for s in sources), read)
    if not jobs:
        raise OptionError("nothing is left to run: " + "; ".join(left_out))
    measured = _measured(data)
    results, kept = execution.finished(WORK, jobs)
    found = by_cell(results)
    study = KernelStudy(
        chip=setup.chip.name,
        settings=tuple(settings),
        preparations={name: d.preparation for name, d in read.items()},
        gammas={job.dataset: job.gamma for job in jobs},
        left_out=left_out,
        lines=lines(found, measured, read),
        seeds=seeds,
        runs=sum(len(one) for one in found.values()),
        kept=kept,
        place=execution.where(len(jobs)),
        seconds=time.perf_counter() - start,
    )
    if output is not None:
        counts = {(n.cell.dataset, n.cell.log2_ratio): n.features for n in study.lines}
        write_atomically(output, kernel_runs_csv(found, counts))
    if plot is not None:
        from hermesc.studies.kernels.plot import kernels_picture

        write_atomically(plot, kernels_picture(study.lines, plot.suffix.removeprefix(".")))
    return study


def _sources(
    folder: Path | None, datasets: Sequence[str] | None, *, all_rows: bool
) -> tuple[DataSource, ...]:
    """The chosen datasets, or those that are there."""
    if folder is not None and not folder.is_dir():
        raise InputError(f"--data {folder}: there is no such folder")
    if datasets is not None:
        names = tuple(datasets)
        for name in names:
            if Path(name).name != name:
                raise OptionError(f"--datasets {name}: give the name of a file without .npz")
    elif folder is None:
        names = PACKAGED
    else:
        names = tuple(name for name in RULES if is_there(folder, name))
        if not names:
            raise InputError(
                f"--data {folder}: none of {', '.join(RULES)} is there; name your own files with "
                "--datasets"
            )
    return tuple(DataSource(name, folder, all_rows) for name in names)


def _measured(folder: Path | None) -> Mapping[Cell, Mapping[int, Scores]]:
    """What was published and measured, by cell and seed; nothing without the file."""
    if folder is None or not (folder / FILE).exists():
        return {}
    return read_measurements(folder).scores
