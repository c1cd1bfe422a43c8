"""The study of the chip: which jobs repeat the measured experiments."""

from collections.abc import Mapping, Sequence

from hermesc.studies.experiment import Setup
from hermesc.studies.measurements import Measurements
from hermesc.studies.ridge import Job
from hermesc.studies.sources import Source
from hermesc.target.spec import ChipSpec


def plan(
    measured: Measurements, sources: Mapping[str, Source], seeds: Sequence[int], chip: ChipSpec
) -> tuple[Job, ...]:
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
        Job(sources[dataset], sampler, ratio, seed, tuple(names), Setup(chip))
        for (dataset, ratio, sampler, seed), names in ordered
    )
