"""What `hermesc study kernels` tells: text for a terminal, JSON, a CSV of every run."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hermesc.studies.kernels.plan import Agreement, KernelLine, agreements
from hermesc.studies.statistics import Predicted, Spread
from hermesrt.report.text.terminal import facts, table
from hermesrt.units import percent, plural

_RUN_COLUMNS = (
    "dataset", "kernel", "sampler", "log2_ratio", "features", "seed",
    "error_fp", "error_chip", "accuracy_fp", "accuracy_chip",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KernelStudy:
    """A finished study: what was run, what was found, how long it took.

    `str()` of it is the terminal's text.
    """

    chip: str
    settings: tuple[str, ...]
    preparations: Mapping[str, str]
    gammas: Mapping[str, float]
    left_out: tuple[str, ...]
    lines: tuple[KernelLine, ...]
    seeds: int
    runs: int
    kept: int
    place: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The same as data."""
        return _json(self)

    def __str__(self) -> str:
        return _text(self)


def _text(study: KernelStudy) -> str:
    parts = [_head(study)]
    for dataset, kernel in dict.fromkeys((n.cell.dataset, n.cell.kernel) for n in study.lines):
        found = [n for n in study.lines if (n.cell.dataset, n.cell.kernel) == (dataset, kernel)]
        parts += [f"{dataset}, {kernel}:", _cells_table(found)]
    agreed = agreements(study.lines)
    if agreed:
        parts += [
            "Against the published FP32 values and the measurements of the real chip, means over "
            "cells; within: share of cells whose FP32 mean is within two standard errors:",
            _agreement_table(agreed),
        ]
    return "\n".join(parts)


def _head(study: KernelStudy) -> str:
    data = [f"{n}: {how}, gamma {study.gammas[n]:.3g}" for n, how in study.preparations.items()]
    lines = [("Chip", " ".join([study.chip, *study.settings]))]
    lines += [("Data" if i == 0 else "", text) for i, text in enumerate(data)]
    lines += [("Left out" if i == 0 else "", text) for i, text in enumerate(study.left_out)]
    kept = f"; {plural(study.kept, 'job')} kept from before" if study.kept else ""
    lines += [
        ("Runs", f"{study.runs:,} ({plural(len(study.lines), 'cell')}, "
                 f"{plural(study.seeds, 'seed')}){kept}"),
        ("Time", f"{study.seconds:.0f} s {study.place}"),
    ]  # fmt: skip
    return facts(lines)


def _cells_table(lines: Sequence[KernelLine]) -> str:
    header = ("sampler", "log2(s/d)", "s", "error FP32", "chip", "accuracy FP32", "chip")
    rows = [
        (
            line.cell.sampler,
            str(line.cell.log2_ratio),
            str(line.features),
            *map(_error, (line.error.fp, line.error.chip)),
            *map(_accuracy, (line.accuracy.fp, line.accuracy.chip)),
        )
        for line in lines
    ]
    return table(header, rows)


def _agreement_table(found: Mapping[tuple[str, str], Agreement]) -> str:
    header = (
        "dataset", "kernel", "error FP32", "published", "within", "chip", "measured",
        "accuracy FP32", "published", "within", "chip", "measured",
    )  # fmt: skip
    rows = [
        (
            *name,
            *map(_number, (a.error_fp, a.error_published)),
            _share(a.error_within),
            *map(_number, (a.error_chip, a.error_measured)),
            *map(_share, (a.accuracy_fp, a.accuracy_published, a.accuracy_within)),
            *map(_share, (a.accuracy_chip, a.accuracy_measured)),
        )
        for name, a in found.items()
    ]
    return table(header, rows)


def _json(study: KernelStudy) -> dict[str, Any]:
    return {
        "chip": study.chip,
        "settings": list(study.settings),
        "preparations": dict(study.preparations),
        "gammas": dict(study.gammas),
        "left_out": list(study.left_out),
        "cells": [
            line.cell._asdict()
            | {"features": line.features}
            | {"error": asdict(line.error), "accuracy": asdict(line.accuracy)}
            for line in study.lines
        ],
        "agreement": [
            {"dataset": d, "kernel": k} | asdict(a) for (d, k), a in agreements(study.lines).items()
        ],
        "seeds": study.seeds,
        "runs": study.runs,
        "kept": study.kept,
        "seconds": study.seconds,
    }


def kernel_runs_csv(found: Predicted, features: Mapping[tuple[str, int], int]) -> bytes:
    """Every run; `features` by dataset and ratio."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_RUN_COLUMNS)
    for cell, seeds in found.items():
        for seed, s in seeds.items():
            values = (s.error_fp, s.error_chip, s.accuracy_fp, s.accuracy_chip)
            count = features[cell.dataset, cell.log2_ratio]
            writer.writerow([*cell, count, seed, *(repr(v) for v in values)])
    return text.getvalue().encode()


def _error(found: Spread) -> str:
    return f"{found.mean:.4f}{_plus_minus(found.deviation, 1, 4)}"


def _accuracy(found: Spread) -> str:
    return f"{100 * found.mean:.1f} %{_plus_minus(found.deviation, 100, 1)}"


def _plus_minus(deviation: float, factor: float, decimals: int) -> str:
    return "" if math.isnan(deviation) else f" ± {factor * deviation:.{decimals}f}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else percent(value)
