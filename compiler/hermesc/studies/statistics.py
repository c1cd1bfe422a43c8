"""Statistics of the prediction against the measurement. Nothing here is fitted.

A cell is a dataset, kernel, sampler and ratio, averaged over seeds: those simulated for what is
computed, all measured ones for what is published, for seeds of the two are not paired. NaN (no
value) is left out of every mean.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hermesc.studies.data.measurements import Cell, Scores

Predicted = Mapping[Cell, Mapping[int, Scores]]

GATE_DATASET = "ijcnn1"  # its published split, order and draws are all known
_GATE = 2e-5
_DEVIATION, _WORST, _CORRELATION, _WITHIN, _DROP = 0.09, 0.3, 0.98, 0.7, 0.002


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and (unbiased) standard deviation over seeds."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell. `fp` and `predicted` are ours; `published` (FP32) and `measured` (chip) are not."""

    cell: Cell
    fp: Spread
    published: Spread
    predicted: Spread
    measured: Spread
    drop_predicted: float
    drop_measured: float
    drop_error: float  # standard error of `drop_measured`: FP32 and chip are not paired by seed
    repeat: float  # largest difference of an FP32 error from the published one of the same seed

    @property
    def deviation(self) -> float:
        """|predicted - measured| / measured."""
        return relative_deviation(self.predicted.mean, self.measured.mean)

    @property
    def deviation_fp(self) -> float:
        """The same with the published FP32 error as the prediction."""
        return relative_deviation(self.published.mean, self.measured.mean)

    @property
    def in_seed_deviations(self) -> float:
        """|predicted - measured| in the measurement's standard deviations over seeds."""
        gap = abs(self.predicted.mean - self.measured.mean)
        return gap / self.measured.deviation if self.measured.deviation > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over some cells; correlations are NaN for fewer than three."""

    cells: int
    error_fp: float
    error_published: float
    error_predicted: float
    error_measured: float
    deviation: float
    worst: float  # deviation of a cell
    deviation_fp: float
    in_seed_deviations: float
    within_one: float
    correlation: float
    correlation_fp: float
    drop_predicted: float
    drop_measured: float
    drop_error: float  # of `drop_measured`, as if cells were measured independently
    repeat: float


@dataclass(frozen=True, slots=True)
class Goal:
    """A stated goal and what was found."""

    name: str
    found: float
    bound: float
    at_least: bool

    @property
    def reached(self) -> bool:
        """False too when there is nothing to judge by."""
        return self.found >= self.bound if self.at_least else self.found <= self.bound


def compare(predicted: Predicted, measured: Predicted) -> tuple[Comparison, ...]:
    """All predicted cells beside their measurements."""
    return tuple(_compared(cell, predicted[cell], measured[cell]) for cell in predicted)


def summarise(cells: Sequence[Comparison]) -> Summary:
    """Means over cells, each of the same weight."""
    found = [(c.predicted.mean, c.measured.mean) for c in cells]
    by_fp = [(c.published.mean, c.measured.mean) for c in cells]
    gaps = [c.in_seed_deviations for c in cells]
    return Summary(
        cells=len(cells),
        error_fp=mean(c.fp.mean for c in cells),
        error_published=mean(c.published.mean for c in cells),
        error_predicted=mean(c.predicted.mean for c in cells),
        error_measured=mean(c.measured.mean for c in cells),
        deviation=mean(c.deviation for c in cells),
        worst=max((c.deviation for c in cells if not math.isnan(c.deviation)), default=math.nan),
        deviation_fp=mean(c.deviation_fp for c in cells),
        in_seed_deviations=mean(gaps),
        within_one=mean(float(gap <= 1) for gap in gaps if not math.isnan(gap)),
        correlation=correlation(found),
        correlation_fp=correlation(by_fp),
        drop_predicted=mean(c.drop_predicted for c in cells),
        drop_measured=mean(c.drop_measured for c in cells),
        drop_error=standard_error(c.drop_error for c in cells),
        repeat=max((c.repeat for c in cells if not math.isnan(c.repeat)), default=math.nan),
    )


def summaries(
    cells: Iterable[Comparison], key: Callable[[Cell], tuple[str, ...]]
) -> dict[tuple[str, ...], Summary]:
    """A summary of each group of cells, in the order of first appearance."""
    groups: dict[tuple[str, ...], list[Comparison]] = {}
    for comparison in cells:
        groups.setdefault(key(comparison.cell), []).append(comparison)
    return {name: summarise(group) for name, group in groups.items()}


def goals(cells: Sequence[Comparison]) -> tuple[Goal, ...]:
    """The stated goals, judged."""
    total = summarise(cells)
    gate = [c for c in cells if c.cell.dataset == GATE_DATASET]
    drops = summaries(cells, lambda cell: (cell.kernel,))
    found = [
        Goal("mean relative deviation of the kernel error", total.deviation, _DEVIATION, False),
        Goal("the same of the worst cell", total.worst, _WORST, False),
        Goal("correlation with the measured errors", total.correlation, _CORRELATION, True),
        Goal("cells within one seed standard deviation", total.within_one, _WITHIN, True),
    ]
    found += [
        Goal(
            f"{kernel}: predicted accuracy drop less the measured one",
            abs(s.drop_predicted - s.drop_measured),
            _DROP,
            False,
        )
        for (kernel,), s in drops.items()
    ]
    if gate:
        name = f"FP32 errors of {GATE_DATASET} against the published ones, seed by seed"
        found.insert(0, Goal(name, summarise(gate).repeat, _GATE, False))
    return tuple(found)


def mean(values: Iterable[float]) -> float:
    """Of the values that are not NaN; NaN when there is none."""
    known = [v for v in values if not math.isnan(v)]
    return math.fsum(known) / len(known) if known else math.nan


def spread(values: Iterable[float]) -> Spread:
    """Of the values that are not NaN; one value has no deviation."""
    known = [v for v in values if not math.isnan(v)]
    centre = mean(known)
    if len(known) < 2:
        return Spread(centre, math.nan)
    return Spread(centre, math.sqrt(math.fsum((v - centre) ** 2 for v in known) / (len(known) - 1)))


def over_chips(values: Sequence[tuple[float, ...]]) -> Spread:
    """Over seeds, each the mean of its chips; of one seed, over its chips."""
    return spread(values[0]) if len(values) == 1 else spread(mean(v) for v in values)


def standard_error(errors: Iterable[float]) -> float:
    """Of a mean of independent values with these standard errors; those that are NaN are left out,
    NaN when there is none."""
    known = [e for e in errors if not math.isnan(e)]
    return math.sqrt(math.fsum(e * e for e in known)) / len(known) if known else math.nan


def relative_deviation(found: float, wanted: float) -> float:
    """|found - wanted| / wanted; NaN when that is 0."""
    return abs(found - wanted) / wanted if wanted > 0 else math.nan


def correlation(pairs: Iterable[tuple[float, float]]) -> float:
    """Pearson's; NaN for fewer than three pairs or a constant side."""
    known = [(a, b) for a, b in pairs if not (math.isnan(a) or math.isnan(b))]
    if len(known) < 3:
        return math.nan
    mean_a, mean_b = mean(a for a, _ in known), mean(b for _, b in known)
    square_a = math.fsum((a - mean_a) ** 2 for a, _ in known)
    square_b = math.fsum((b - mean_b) ** 2 for _, b in known)
    product = math.fsum((a - mean_a) * (b - mean_b) for a, b in known)
    scale = math.sqrt(square_a * square_b)
    return product / scale if scale > 0 else math.nan


def _compared(
    cell: Cell, predicted: Mapping[int, Scores], measured: Mapping[int, Scores]
) -> Comparison:
    ours, theirs = predicted.values(), measured.values()
    accuracies = [spread(s.accuracy_chip for s in theirs), spread(s.accuracy_fp for s in theirs)]
    gaps = [abs(s.error_fp - measured[seed].error_fp) for seed, s in predicted.items()]
    return Comparison(
        cell=cell,
        fp=spread(s.error_fp for s in ours),
        published=spread(s.error_fp for s in theirs),
        predicted=spread(s.error_chip for s in ours),
        measured=spread(s.error_chip for s in theirs),
        drop_predicted=mean(s.accuracy_chip - s.accuracy_fp for s in ours),
        drop_measured=accuracies[0].mean - accuracies[1].mean,
        drop_error=math.hypot(*(a.deviation for a in accuracies)) / math.sqrt(len(theirs)),
        repeat=max((g for g in gaps if not math.isnan(g)), default=math.nan),
    )
