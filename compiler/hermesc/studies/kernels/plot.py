"""The study of kernels as a picture: error and accuracy against the number of features."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hermesc.studies.chip.plot import NAMES, SERIES_COLOURS, as_bytes
from hermesc.studies.kernels.plan import METRICS, KernelLine
from hermesc.studies.statistics import Spread

_PANEL_INCHES = (2.6, 2.0)
_LEAST_INCHES = 6.5
_LABELS = {"error": "kernel error", "accuracy": "accuracy, %"}


def kernels_picture(lines: Sequence[KernelLine], kind: str) -> bytes:
    """The picture as a file of that kind; the same study gives the same bytes."""
    return as_bytes(lambda: _figure(lines), kind)


def _figure(lines: Sequence[KernelLine]) -> Figure:
    datasets = list(dict.fromkeys(n.cell.dataset for n in lines))
    rows = [(m, k) for m in METRICS for k in dict.fromkeys(n.cell.kernel for n in lines)]
    width, height = _PANEL_INCHES
    figure = Figure(
        figsize=(max(_LEAST_INCHES, width * len(datasets)), height * len(rows) + 0.8),
        layout="constrained",
    )
    axes = figure.subplots(len(rows), len(datasets), sharex=True, squeeze=False)
    for row, (metric, kernel) in zip(axes, rows, strict=True):
        for axis, dataset in zip(row, datasets, strict=True):
            shown = [n for n in lines if (n.cell.dataset, n.cell.kernel) == (dataset, kernel)]
            _panel(axis, shown, metric)
            axis.set_title(f"{dataset}, {NAMES.get(kernel, kernel)}", fontsize=9)
        row[0].set_ylabel(_LABELS[metric])
    for axis in axes[-1]:
        axis.set_xlabel("log₂(s/d)")
    found: dict[str, Any] = {}
    for axis in axes.flat:
        handles, labels = axis.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        found.values(),
        found.keys(),
        loc="outside upper center",
        ncols=min(6, len(found)),
        title="dashed: FP32; solid: chip; bars: one standard deviation over seeds",
    )
    return figure


def _panel(axis: Axes, lines: Sequence[KernelLine], metric: str) -> None:
    factor = 100 if metric == "accuracy" else 1
    samplers = list(dict.fromkeys(n.cell.sampler for n in lines))
    for number, sampler in enumerate(samplers):
        found = sorted(
            (n for n in lines if n.cell.sampler == sampler), key=lambda n: n.cell.log2_ratio
        )
        ratios = [n.cell.log2_ratio for n in found]
        colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
        for end, dash, marker in (("fp", "--", "."), ("chip", "-", "o")):
            values: list[Spread] = [getattr(getattr(n, metric), end) for n in found]
            axis.errorbar(
                ratios,
                [factor * v.mean for v in values],
                yerr=[0.0 if math.isnan(v.deviation) else factor * v.deviation for v in values],
                fmt=dash,
                marker=marker,
                color=colour,
                markersize=3,
                linewidth=1,
                elinewidth=0.6,
                label=sampler if end == "chip" else None,
            )
    axis.set_xticks(sorted({n.cell.log2_ratio for n in lines}))
    if metric == "error":
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
