"""The study of the chip: which jobs repeat the measured experiments."""

from collections.abc import Mapping, Sequence

from hermesc.studies.data.measurements import Measurements
from hermesc.studies.data.sources import DataSource
from hermesc.studies.experiment.job import KernelJob
from hermesc.studies.experiment.measure import Setup
from hermesrt.chip.spec import ChipSpec


def plan(
    measured: Measurements, sources: Mapping[str, DataSource], seeds: Sequence[int], chip: ChipSpec
) -> tuple[KernelJob, ...]:
    """The jobs that predict all measured cells for some seeds, the longest of a dataset first."""
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
        KernelJob(sources[dataset], sampler, ratio, seed, tuple(names), Setup(chip))
        for (dataset, ratio, sampler, seed), names in ordered
    )
