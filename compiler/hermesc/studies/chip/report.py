"""What `hermesc study chip` tells: text for a terminal, JSON, a CSV of every run."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hermesc.studies.chip.crossbar import AGES_S, Ageing
from hermesc.studies.data.measurements import LEFT_OUT
from hermesc.studies.statistics import (
    Comparison,
    Goal,
    Predicted,
    Summary,
    goals,
    summaries,
    summarise,
)
from hermesrt.report.text.terminal import facts, table
from hermesrt.units import duration, percent, plural

_RUN_COLUMNS = (
    "dataset", "kernel", "sampler", "log2_ratio", "seed",
    "error_fp", "error_published", "error_predicted", "error_measured",
    "accuracy_fp", "accuracy_published", "accuracy_predicted", "accuracy_measured",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChipStudy:
    """A finished study: what was run, what was found, how long it took.

    `explained` are the cells of variants by name; `str()` of it is the terminal's text.
    """

    data: str
    chip: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    preparations: Mapping[str, str]
    skipped: Mapping[str, str]
    left_out_rows: int
    cells: tuple[Comparison, ...]
    ageing: tuple[Ageing, ...]
    runs: int
    kept: int
    workers: int
    seconds: float
    explained: Mapping[str, Sequence[Comparison]] = field(default_factory=dict)
    without_inferred: tuple[Comparison, ...] = ()

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The stated goals, judged."""
        return goals(self.cells)

    def to_json(self) -> dict[str, Any]:
        """The same as data."""
        return _json(self)

    def __str__(self) -> str:
        return _text(self)


def _text(study: ChipStudy) -> str:
    groups = summaries(study.cells, lambda c: (c.dataset, c.kernel))
    total = summarise(study.cells)
    parts = [
        _head(study),
        "Kernel error, mean over cells (a cell is a sampler and a ratio, averaged over seeds):",
        _error_table(groups, total),
        "Deviation of the mean error from the measured one, relative; and with the published FP32 "
        "error as the prediction:",
        _deviation_table(groups, total),
        "Accuracy on the chip less FP32, in points:",
        _drop_table({**groups, **summaries(study.cells, lambda c: ("all", c.kernel))}),
        "Goals:",
        table(("", "found", "goal", ""), [_goal_row(g) for g in study.goals]),
        "Error of one full crossbar's products against its age (target: published device "
        "statistics without the limit of current); bits: ideal weights with that error:",
        _ageing_table(study.ageing),
    ]
    if study.without_inferred:
        parts += [
            "The data sets with an inferred setting, without it:",
            _deviation_table(
                summaries(study.without_inferred, lambda c: (c.dataset, c.kernel)),
                summarise(study.without_inferred),
            ),
            _drop_table(summaries(study.without_inferred, lambda c: (c.dataset, c.kernel))),
        ]
    if study.explained:
        parts += ["The same cells with one thing changed:", _explained_table(study.explained)]
        parts += ["Their deviations by data set, RBF / ArcCos0:", _by_dataset(study.explained)]
    return "\n".join(parts)


def _explained_table(explained: Mapping[str, Sequence[Comparison]]) -> str:
    rows = []
    for name, cells in explained.items():
        s = summarise(cells)
        drops = _by_kernel(cells).values()
        row = [name, _share(s.deviation), _share(s.within_one), _number(s.correlation, 3)]
        rows.append([*row, *(_points(d.drop_predicted - d.drop_measured) for d in drops)])
    kernels = dict.fromkeys(c.cell.kernel for cells in explained.values() for c in cells)
    header = ("", "deviation", "within one", "correlation")
    return table((*header, *(f"{k} drop less measured" for k in kernels)), rows)


def _by_dataset(explained: Mapping[str, Sequence[Comparison]]) -> str:
    """Deviation of each data set's kernels, the worst cell, for each variant."""
    datasets = dict.fromkeys(c.cell.dataset for cells in explained.values() for c in cells)
    rows = []
    for name, cells in explained.items():
        found = summaries(cells, lambda c: (c.dataset, c.kernel))
        each = (
            " / ".join(_share(s.deviation) for (d, _), s in found.items() if d == dataset)
            for dataset in datasets
        )
        rows.append([name, *each, _share(summarise(cells).worst)])
    return table(("", *datasets, "worst cell"), rows)


def _head(study: ChipStudy) -> str:
    chip = " ".join([study.chip, *study.settings])
    lines = [
        ("Chip", chip),
        *(("Data" if i == 0 else "", f"{name}: {how}")
          for i, (name, how) in enumerate(study.preparations.items())),
        *(("Skipped", f"{name}: {why}") for name, why in study.skipped.items()),
    ]  # fmt: skip
    if study.left_out_rows:
        why = f"{plural(study.left_out_rows, 'line')} of {LEFT_OUT}: see `hermesc study attention`"
        lines.append(("Left out", why))
    kept = f"; {plural(study.kept, 'job')} kept from before" if study.kept else ""
    each = study.seconds * study.workers / max(1, study.runs)
    lines += [
        ("Runs", f"{study.runs:,} ({plural(len(study.cells), 'cell')}, "
                 f"{plural(len(study.seeds), 'seed')}){kept}"),
        ("Time", f"{study.seconds:.0f} s on {plural(study.workers, 'processor')}, "
                 f"{each:.2f} s of one for each run"),
    ]  # fmt: skip
    return facts(lines)


def _error_table(groups: Mapping[tuple[str, ...], Summary], total: Summary) -> str:
    header = (
        "dataset", "kernel", "cells", "FP32 ours", "FP32 published", "largest gap by seed",
        "chip predicted", "chip measured",
    )  # fmt: skip
    rows = [
        (
            *name,
            str(s.cells),
            *map(_error, (s.error_fp, s.error_published)),
            _gap(s.repeat),
            *map(_error, (s.error_predicted, s.error_measured)),
        )
        for name, s in [*groups.items(), (("all", ""), total)]
    ]
    return table(header, rows)


def _deviation_table(groups: Mapping[tuple[str, ...], Summary], total: Summary) -> str:
    header = (
        "dataset", "kernel", "predicted", "FP32", "in seed std", "within one", "correlation",
        "of FP32",
    )  # fmt: skip
    rows = [
        (
            *name,
            *map(_share, (s.deviation, s.deviation_fp)),
            _number(s.in_seed_deviations, 2),
            _share(s.within_one),
            *(_number(c, 3) for c in (s.correlation, s.correlation_fp)),
        )
        for name, s in [*groups.items(), (("all", ""), total)]
    ]
    return table(header, rows)


def _drop_table(groups: Mapping[tuple[str, ...], Summary]) -> str:
    rows = [
        (
            *name,
            *map(_points, (s.drop_predicted, s.drop_measured, s.drop_predicted - s.drop_measured)),
            _number(100 * s.drop_error, 2),
        )
        for name, s in groups.items()
    ]
    header = ("dataset", "kernel", "predicted", "measured", "difference", "error of measured")
    return table(header, rows)


def _goal_row(goal: Goal) -> tuple[str, ...]:
    sign = ">=" if goal.at_least else "<="
    if math.isnan(goal.found):
        return goal.name, "no value", f"{sign} {goal.bound:g}", "missed"
    verdict = "reached" if goal.reached else "missed"
    return goal.name, f"{goal.found:.3g}", f"{sign} {goal.bound:g}", verdict


def _ageing_table(found: Sequence[Ageing]) -> str:
    header = ["age"]
    for ageing in found:
        name = ageing.cells
        header += [f"{name} as built", "bits", f"{name} no limit", "bits", f"{name} target"]
    rows = []
    for i, age in enumerate(AGES_S):
        row = [duration(age)]
        for a in found:
            row += [_share(a.as_built[i]), _number(a.bits_as_built[i], 1)]
            row += [_share(a.lifted[i]), _number(a.bits_lifted[i], 1), _share(a.targets[i])]
        rows.append(row)
    return table(header, rows)


def _by_kernel(cells: Sequence[Comparison]) -> dict[tuple[str, ...], Summary]:
    return summaries(cells, lambda cell: (cell.kernel,))


def _json(study: ChipStudy) -> dict[str, Any]:
    groups = summaries(study.cells, lambda c: (c.dataset, c.kernel))
    kernels = _by_kernel(study.cells)
    return {
        "data": study.data,
        "chip": study.chip,
        "settings": list(study.settings),
        "seeds": list(study.seeds),
        "preparations": dict(study.preparations),
        "skipped": dict(study.skipped),
        "left_out_rows": study.left_out_rows,
        "groups": [{"dataset": d, "kernel": k} | asdict(s) for (d, k), s in groups.items()],
        "kernels": [{"kernel": k} | asdict(s) for (k,), s in kernels.items()],
        "total": asdict(summarise(study.cells)),
        "goals": [asdict(g) | {"reached": g.reached} for g in study.goals],
        "explained": [
            {"variant": name}
            | asdict(summarise(cells))
            | {"kernels": [{"kernel": k} | asdict(s) for (k,), s in _by_kernel(cells).items()]}
            for name, cells in study.explained.items()
        ],
        "without_inferred": [_cell_json(c) for c in study.without_inferred],
        "crossbar": [{"ages_s": list(AGES_S)} | asdict(a) for a in study.ageing],
        "cells": [_cell_json(c) for c in study.cells],
        "runs": study.runs,
        "kept": study.kept,
        "workers": study.workers,
        "seconds": study.seconds,
    }


def _cell_json(comparison: Comparison) -> dict[str, Any]:
    values = asdict(comparison)
    del values["cell"]
    return comparison.cell._asdict() | values


def runs_csv(predicted: Predicted, measured: Predicted) -> bytes:
    """Every simulated run beside the measured one of the same seed number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_RUN_COLUMNS)
    for cell, seeds in predicted.items():
        for seed, ours in seeds.items():
            theirs = measured[cell][seed]
            values = (
                ours.error_fp, theirs.error_fp, ours.error_chip, theirs.error_chip,
                ours.accuracy_fp, theirs.accuracy_fp, ours.accuracy_chip, theirs.accuracy_chip,
            )  # fmt: skip
            writer.writerow([*cell, seed, *("" if math.isnan(v) else repr(v) for v in values)])
    return text.getvalue().encode()


def _error(value: float) -> str:
    return _number(value, 4)


def _number(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else percent(value)


def _points(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:+.2f}"


def _gap(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1e}"
