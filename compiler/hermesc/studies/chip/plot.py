"""The study as a picture: errors against the number of features, and predicted against measured."""

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from hermesc.studies.statistics import Comparison, Spread, mean

FORMATS = ("svg", "png", "pdf")
_BLACK, _BLUE, _VERMILION = "#000000", "#0072B2", "#D55E00"  # Okabe and Ito, as all of these
SERIES_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", _BLACK, _BLUE, _VERMILION)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PUBLISHED_SERIES = (
    ("FP32, published", "published", _BLACK, "--", "."),
    ("chip, measured", "measured", _BLUE, "-", "o"),
    ("chip, predicted", "predicted", _VERMILION, "-", "s"),
)
NAMES = {
    "rbf": "RBF", "arccos0": "ArcCos0", "arccos1": "ArcCos1", "arccos2": "ArcCos2",
    "laplacian": "Laplacian", "softmax": "softmax", "ntk": "NTK",
}  # fmt: skip
_STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "svg.fonttype": "none", "svg.hashsalt": "hermesc",
}  # fmt: skip
_PANEL_INCHES = 2.4
_LEAST_INCHES = 7.0
_DPI = 150


def study_picture(cells: Sequence[Comparison], kind: str) -> bytes:
    """The picture as a file of that kind; the same study gives the same bytes."""
    return as_bytes(lambda: _figure(cells), kind)


def as_bytes(draw: Callable[[], Figure], kind: str) -> bytes:
    """A figure in the studies' style as a file of that kind, the same bytes each time."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        data = io.BytesIO()
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        draw().savefig(data, format=kind, dpi=_DPI, metadata=dated)
    return data.getvalue()


def _figure(cells: Sequence[Comparison]) -> Figure:
    datasets = list(dict.fromkeys(c.cell.dataset for c in cells))
    kernels = list(dict.fromkeys(c.cell.kernel for c in cells))
    width = max(_LEAST_INCHES, _PANEL_INCHES * len(datasets))
    height = _PANEL_INCHES * 0.8 * len(kernels) + 4.1
    figure = Figure(figsize=(width, height), layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=[_PANEL_INCHES * 0.8 * len(kernels), 3.2])
    _error_panels(figure, rows[0], cells, datasets, kernels)
    _scatter_panels(rows[1], cells, datasets, kernels)
    return figure


def _error_panels(
    figure: Figure,
    place: SubplotSpec,
    cells: Sequence[Comparison],
    datasets: Sequence[str],
    kernels: Sequence[str],
) -> None:
    grid = place.subgridspec(len(kernels), len(datasets))
    axes = grid.subplots(sharex=True, squeeze=False)
    for row, kernel in enumerate(kernels):
        for column, dataset in enumerate(datasets):
            axis = axes[row][column]
            found = [c for c in cells if (c.cell.dataset, c.cell.kernel) == (dataset, kernel)]
            _error_lines(axis, found)
            axis.set_title(f"{dataset}, {NAMES.get(kernel, kernel)}", fontsize=9)
        axes[row][0].set_ylabel("kernel error")
    for column in range(len(datasets)):
        axes[-1][column].set_xlabel("log₂(s/d)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(PUBLISHED_SERIES),
        title="mean over samplers; shade: one standard deviation over seeds",
    )


def _error_lines(axis: Axes, cells: Sequence[Comparison]) -> None:
    ratios = sorted({c.cell.log2_ratio for c in cells})
    for label, name, colour, dash, marker in PUBLISHED_SERIES:
        by_ratio = [
            _over_samplers([getattr(c, name) for c in cells if c.cell.log2_ratio == ratio])
            for ratio in ratios
        ]
        centre = [s.mean for s in by_ratio]
        low, high = ([s.mean + sign * s.deviation for s in by_ratio] for sign in (-1, 1))
        axis.fill_between(ratios, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.plot(ratios, centre, dash, marker=marker, color=colour, markersize=4, label=label)
    axis.set_xticks(ratios)
    axis.set_ylim(bottom=0)  # last, so that the top is that of all lines
    axis.grid(alpha=0.25)


def _over_samplers(spreads: Sequence[Spread]) -> Spread:
    return Spread(mean(s.mean for s in spreads), mean(s.deviation for s in spreads))


def _scatter_panels(
    place: SubplotSpec,
    cells: Sequence[Comparison],
    datasets: Sequence[str],
    kernels: Sequence[str],
) -> None:
    axes = place.subgridspec(1, len(kernels)).subplots(squeeze=False)[0]
    for axis, kernel in zip(axes, kernels, strict=True):
        shown = [c for c in cells if c.cell.kernel == kernel]
        for i, dataset in enumerate(datasets):
            found = [c for c in shown if c.cell.dataset == dataset]
            axis.errorbar(
                [c.measured.mean for c in found],
                [c.predicted.mean for c in found],
                xerr=[_bar(c.measured) for c in found],
                yerr=[_bar(c.predicted) for c in found],
                fmt=_MARKERS[i % len(_MARKERS)],
                color=SERIES_COLOURS[i % len(SERIES_COLOURS)],
                markersize=4,
                elinewidth=0.6,
                alpha=0.8,
                label=dataset,
            )
        values = [v for c in shown for v in (c.measured.mean, c.predicted.mean) if v > 0] or [1.0]
        ends = (0.8 * min(values), 1.25 * max(values))
        axis.plot(ends, ends, color=_BLACK, linewidth=0.8, zorder=0)
        _errors_as_scale(axis, ends)
        axis.set_title(f"{NAMES.get(kernel, kernel)}, one mark a cell", fontsize=9)
        axis.set_xlabel("measured kernel error")
    axes[0].set_ylabel("predicted kernel error")
    axes[0].legend(loc="upper left")


def _bar(spread: Spread) -> float:
    return 0.0 if math.isnan(spread.deviation) else spread.deviation


def _errors_as_scale(axis: Axes, ends: tuple[float, float]) -> None:
    """Both axes alike, logarithmic, with plain numbers."""
    for one in (axis.xaxis, axis.yaxis):
        one.axes.set(xscale="log", yscale="log")
        one.set_minor_formatter("")
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if ends[0] <= t <= ends[1]]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_xlim(ends)
    axis.set_ylim(ends)
    axis.set_aspect("equal")
    axis.grid(alpha=0.25)
