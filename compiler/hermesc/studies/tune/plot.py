"""A search as a picture: its points and their front, and what each layer costs and saves."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hermesc.studies.chip.plot import as_bytes
from hermesc.studies.tune.objectives import Objective
from hermesc.studies.tune.report import TuneReport

_GREY, _BLUE, _VERMILION = "#999999", "#0072B2", "#D55E00"  # of Okabe and Ito
_NAMES: dict[Objective, str] = {
    "accuracy": "accuracy", "error": "relative error", "energy": "energy of a sample (nJ)",
    "latency": "latency of a sample (ns)", "interval": "interval of samples (ns)", "cores": "cores",
}  # fmt: skip


def tune_picture(report: TuneReport, kind: str) -> bytes:
    """The picture as a file of that kind; the same search gives the same bytes."""
    return as_bytes(lambda: _figure(report), kind)


def _figure(report: TuneReport) -> Figure:
    others = max(1, len(report.aims.names) - 1)
    layers = 1 if report.sensitivity else 0
    figure = Figure(figsize=(4.0 * others + 4.2 * layers, 3.4), layout="constrained")
    axes = figure.subplots(1, others + layers, squeeze=False)[0]
    for index in range(others):
        _front(axes[index], report, min(index + 1, len(report.aims.names) - 1))
    axes[0].legend(fontsize=8)
    if layers:
        _layers(axes[-1], report)
    return figure


def _front(axis: Axes, report: TuneReport, index: int) -> None:
    """The first objective against another one."""

    def at(losses: tuple[float, ...]) -> tuple[float, float]:
        first = 1 - losses[0] if report.aims.names[0] == "accuracy" else losses[0]
        return losses[index], first

    for label, colour, points in (
        ("proposed", _GREY, [t for t in report.sound if not t.preset]),
        ("defaults and presets", _VERMILION, list(report.presets)),
    ):
        places = [at(t.losses) for t in points]
        axis.scatter(
            [p[0] for p in places], [p[1] for p in places], s=12, color=colour, label=label
        )
    places = sorted(at(t.losses) for t in report.front)
    axis.plot(
        [p[0] for p in places], [p[1] for p in places], "-", color=_BLUE, lw=1.2,
        label="no other is better in all",
    )  # fmt: skip
    axis.set_xlabel(_NAMES[report.aims.names[index]])
    if report.aims.names[index] == "cores":
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axis.set_ylabel(_NAMES[report.aims.names[0]])


def _layers(axis: Axes, report: TuneReport) -> None:
    """What each layer's crossbars cost, and the energy that they save beside it."""
    found = sorted(report.sensitivity, key=lambda s: s.lost)
    axis.barh(range(len(found)), [s.lost for s in found], color=_VERMILION)
    axis.set_yticks(range(len(found)), [f"{s.label}\n{s.saved_nj:+,.0f} nJ" for s in found])
    axis.tick_params(axis="y", labelsize=7)
    axis.axvline(0, color="black", lw=0.6)
    axis.set_xlabel("lost on crossbars (points), and the energy saved")
