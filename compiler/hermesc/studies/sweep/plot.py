"""A sweep as a picture: quality against energy, latency and cores, with the front of each."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hermesc.studies.chip.plot import as_bytes
from hermesc.studies.sweep.report import Result, SweepReport, undominated

_GREY, _BLUE = "#999999", "#0072B2"  # of Okabe and Ito
_PRICES = ("energy of a sample (nJ)", "latency of a sample (ns)", "cores")


def pareto_picture(report: SweepReport, kind: str) -> bytes:
    """The picture as a file of that kind; the same sweep gives the same bytes."""
    return as_bytes(lambda: _figure(report), kind)


def _figure(report: SweepReport) -> Figure:
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    axes = figure.subplots(1, len(_PRICES), sharey=True)
    for index, (axis, name) in enumerate(zip(axes, _PRICES, strict=True)):
        _panel(axis, report, index)
        axis.set_xlabel(name)
        if name == "cores":
            axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes[0].set_ylabel("accuracy" if _classified(report) else "relative error")
    axes[0].legend(fontsize=8)
    return figure


def _panel(axis: Axes, report: SweepReport, index: int) -> None:
    def height(result: Result) -> float:
        return 1 - result.loss if _classified(report) else result.loss

    axis.scatter(
        [r.price[index] for r in report.sound], [height(r) for r in report.sound],
        s=12, color=_GREY, label="points",
    )  # fmt: skip
    best = undominated(report.sound, lambda r: (r.loss, r.price[index]))
    front = sorted(best, key=lambda r: (r.price[index], r.loss))
    axis.plot(
        [r.price[index] for r in front], [height(r) for r in front],
        "o-", ms=4, color=_BLUE, label="no other is better in both",
    )  # fmt: skip


def _classified(report: SweepReport) -> bool:
    return all(r.figures.accuracy is not None for r in report.sound)
