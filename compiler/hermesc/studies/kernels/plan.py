"""The study of kernels: which jobs, and their means over seeds, beside published ones if any.

DataSource: the paper's Figures 2 and 3: kernel error and accuracy against log2(s/d), FP32 and chip.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from hermesc.studies.data.datasets import Dataset
from hermesc.studies.data.measurements import Cell, Scores
from hermesc.studies.data.sources import DataSource
from hermesc.studies.experiment.job import KernelJob, default_gamma, exists, sharing
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.experiment.published import feature_count
from hermesc.studies.statistics import Predicted, Spread, mean, spread

METRICS = ("error", "accuracy")
_TWO = 2.0  # standard errors


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user asks for. `gamma` None is the default of each dataset."""

    kernels: tuple[str, ...]
    samplers: tuple[str, ...]
    ratios: tuple[int, ...]
    seeds: int
    setup: Setup
    gamma: float | None = None


@dataclass(frozen=True, slots=True)
class CellValue:
    """One metric of one cell, over seeds: ours, and what was published and measured (or NaN)."""

    fp: Spread
    chip: Spread
    published: Spread
    measured: Spread
    published_in_errors: float  # |fp - published|, in standard errors of that difference


@dataclass(frozen=True, slots=True)
class KernelLine:
    """One cell of the study."""

    cell: Cell
    features: int
    error: CellValue
    accuracy: CellValue


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cells of one dataset and kernel against the published ones; NaN where there are none."""

    cells: int
    error_fp: float
    error_published: float
    error_within: float  # share of cells whose FP32 mean is within two standard errors
    accuracy_fp: float
    accuracy_published: float
    accuracy_within: float
    error_chip: float
    error_measured: float
    accuracy_chip: float
    accuracy_measured: float


def plan(
    choice: Choice, sources: Sequence[DataSource], datasets: Mapping[str, Dataset]
) -> tuple[tuple[KernelJob, ...], tuple[str, ...]]:
    """All jobs, the longest of a dataset first; and what is left out, with the reason."""
    jobs: list[KernelJob] = []
    left_out = [
        f"{kernel} by {sampler}: there are no such features"
        for kernel, sampler in product(choice.kernels, choice.samplers)
        if not exists(kernel, sampler)
    ]
    for source in sources:
        data = datasets[source.name]
        for ratio, sampler in product(sorted(choice.ratios, reverse=True), choice.samplers):
            features = feature_count(data.inputs, ratio)
            if sampler == "nystroem" and features > data.training_rows:
                left_out.append(
                    f"{source.name} by nystroem, log2(s/d) = {ratio}: {features} landmarks of "
                    f"{data.training_rows} training rows"
                )
                continue
            groups = _groups([k for k in choice.kernels if exists(k, sampler)], sampler)
            gamma = choice.gamma or default_gamma(source.name, data.inputs)
            jobs += [
                KernelJob(source, sampler, ratio, seed, group, choice.setup, gamma)
                for seed, group in product(range(choice.seeds), groups)
            ]
    return tuple(jobs), tuple(left_out)


def _groups(kernels: Iterable[str], sampler: str) -> list[tuple[str, ...]]:
    """Kernels that share a projection together, every other one alone."""
    names = list(kernels)
    together = tuple(k for k in names if sharing(k, sampler))
    groups = [(k,) for k in names if not sharing(k, sampler)]
    return [together, *groups] if together else [*groups]


def lines(
    found: Predicted, measured: Predicted, datasets: Mapping[str, Dataset]
) -> tuple[KernelLine, ...]:
    """A line for each cell, in the order of datasets, kernels, samplers and ratios."""
    places = [list(dict.fromkeys(column)) for column in zip(*found, strict=True)]

    def place(cell: Cell) -> tuple[int, ...]:
        *names, ratio = cell
        return (*(p.index(n) for p, n in zip(places, names, strict=False)), ratio)

    return tuple(
        KernelLine(
            cell,
            feature_count(datasets[cell.dataset].inputs, cell.log2_ratio),
            *(_value(found[cell].values(), measured.get(cell, {}).values(), m) for m in METRICS),
        )
        for cell in sorted(found, key=place)
    )


def agreements(cells: Iterable[KernelLine]) -> dict[tuple[str, str], Agreement]:
    """Of each dataset and kernel that was measured."""
    groups: dict[tuple[str, str], list[KernelLine]] = {}
    for line in cells:
        if not math.isnan(line.error.published.mean):
            groups.setdefault((line.cell.dataset, line.cell.kernel), []).append(line)
    return {name: _agreement(group) for name, group in groups.items()}


def _agreement(group: Sequence[KernelLine]) -> Agreement:
    errors, accuracies = [line.error for line in group], [line.accuracy for line in group]
    return Agreement(
        cells=len(group),
        error_fp=mean(v.fp.mean for v in errors),
        error_published=mean(v.published.mean for v in errors),
        error_within=mean(_within(v) for v in errors),
        accuracy_fp=mean(v.fp.mean for v in accuracies),
        accuracy_published=mean(v.published.mean for v in accuracies),
        accuracy_within=mean(_within(v) for v in accuracies),
        error_chip=mean(v.chip.mean for v in errors),
        error_measured=mean(v.measured.mean for v in errors),
        accuracy_chip=mean(v.chip.mean for v in accuracies),
        accuracy_measured=mean(v.measured.mean for v in accuracies),
    )


def _within(value: CellValue) -> float:
    gap = value.published_in_errors
    return gap if math.isnan(gap) else float(gap <= _TWO)


def _value(ours: Iterable[Scores], theirs: Iterable[Scores], metric: str) -> CellValue:
    ours, theirs = list(ours), list(theirs)
    fp, chip = ([getattr(s, f"{metric}_{end}") for s in ours] for end in ("fp", "chip"))
    published, measured = (
        [getattr(s, f"{metric}_{end}") for s in theirs] for end in ("fp", "chip")
    )
    return CellValue(
        fp=spread(fp),
        chip=spread(chip),
        published=spread(published),
        measured=spread(measured),
        published_in_errors=_in_errors(fp, published),
    )


def _in_errors(a: Sequence[float], b: Sequence[float]) -> float:
    """|mean a - mean b| in the standard error of the difference; 0 for no difference at all."""
    first, second = spread(a), spread(b)
    gap = abs(first.mean - second.mean)
    if gap == 0:
        return 0.0
    counts = [sum(not math.isnan(v) for v in values) for values in (a, b)]
    if min(counts) < 2:
        return math.nan
    squares = [s.deviation**2 / n for s, n in zip((first, second), counts, strict=True)]
    error = math.sqrt(math.fsum(squares))
    return gap / error if error > 0 else math.inf
