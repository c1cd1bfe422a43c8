"""Accuracy and error against the age of the chips, with the band that holds 95 % of them."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermesrt.spread import Spread
from hermesrt.spread_report import SpreadReport
from hermesrt.units import duration

if TYPE_CHECKING:  # needs the extra `plots`
    from matplotlib.axes import Axes

_BLUE, _GREY = "#0072B2", "#666666"  # of Okabe and Ito
_DPI = 150
_MOST_TICKS = 7


def spread_picture(report: SpreadReport, path: Path) -> bytes:
    """The picture as a file of the path's kind (.svg, .png or .pdf); needs matplotlib."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = [(f"relative error, {n}", [a.outputs[n] for a in report.ages]) for n in _names(report)]
    accuracies = [a.accuracy for a in report.ages if a.accuracy is not None]
    if len(accuracies) == len(report.ages):
        panels.insert(0, ("accuracy", accuracies))
    with matplotlib.rc_context({"svg.hashsalt": "hermesc", "svg.fonttype": "none"}):
        figure = Figure(figsize=(4.5 * len(panels), 3.4), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (name, spreads) in zip(axes, panels, strict=True):
            _panel(axis, name, [a.age_s for a in report.ages], spreads)
            if name == "accuracy" and report.first.reference_accuracy is not None:
                axis.axhline(report.first.reference_accuracy, color=_GREY, ls="--", label="FP32")
            axis.legend(frameon=False, fontsize=8)
        data, kind = io.BytesIO(), path.suffix.lstrip(".")
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        figure.savefig(data, format=kind, dpi=_DPI, metadata=dated)
    return data.getvalue()


def _names(report: SpreadReport) -> list[str]:
    return list(report.ages[0].outputs)


def _panel(axis: "Axes", name: str, ages: Sequence[float], spreads: Sequence[Spread]) -> None:
    low, high = zip(*(s.interval for s in spreads), strict=True)
    order = sorted(range(len(ages)), key=lambda i: ages[i])
    x = [ages[i] for i in order]
    axis.fill_between(x, [low[i] for i in order], [high[i] for i in order], color=_BLUE, alpha=0.2,
                      label="95 % of chips")  # fmt: skip
    axis.plot(x, [spreads[i].mean for i in order], "o-", color=_BLUE, label="mean of chips")
    axis.plot(x, [spreads[i].worst for i in order], "v", color=_BLUE, ms=4, label="worst chip")
    axis.set_xscale("symlog", linthresh=60)
    named = x[:: math.ceil(len(x) / _MOST_TICKS)]
    axis.set_xticks(named, [duration(age) for age in named])
    axis.minorticks_off()
    axis.set_xlabel("time since programming")
    axis.set_ylabel(name)
