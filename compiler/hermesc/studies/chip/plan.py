"""The study of the chip: which jobs repeat the measured experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hermesc.studies.chip.experiment import DatasetSettings, Experiment
from hermesc.studies.data.measurements import Measurements
from hermesc.studies.data.sources import DataSource
from hermesc.studies.experiment.job import KernelJob
from hermesc.studies.experiment.measure import Setup


def plan(
    measured: Measurements,
    sources: Mapping[str, DataSource],
    seeds: Sequence[int],
    setup: Setup,
    experiment: Experiment,
) -> tuple[KernelJob, ...]:
    """The jobs that predict all measured cells for some seeds, the longest of a dataset first.

    `experiment` are the settings of some of the data sets; the others are as published.
    """
    kernels: dict[tuple[str, int, str, int], list[str]] = {}
    for cell, found in measured.scores.items():
        for seed in found:
            if seed in seeds:
                key = (cell.dataset, cell.log2_ratio, cell.sampler, seed)
                kernels.setdefault(key, []).append(cell.kernel)
    ordered = sorted(
        kernels.items(), key=lambda item: (measured.datasets.index(item[0][0]), -item[0][1])
    )
    return tuple(
        _job(sources[dataset], sampler, ratio, seed, tuple(names), setup, experiment.get(dataset))
        for (dataset, ratio, sampler, seed), names in ordered
    )


def _job(
    source: DataSource,
    sampler: str,
    ratio: int,
    seed: int,
    kernels: tuple[str, ...],
    setup: Setup,
    settings: DatasetSettings | None,
) -> KernelJob:
    job = KernelJob(source, sampler, ratio, seed, kernels, setup)
    if settings is None:
        return job
    return replace(job, setup=settings.applied(setup), scaling=settings.scaling)
