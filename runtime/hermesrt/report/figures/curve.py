"""The convergence of programming, as a picture."""

import io
from collections.abc import Sequence
from pathlib import Path

from hermesrt.programming.loop import Iteration
from hermesrt.report.figures.convergence import MOVES


def curve_picture(iterations: Sequence[Iteration], cores: Sequence[int], path: Path) -> bytes:
    """MVM error of every core against the iteration; the format is that of the path's suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": "hermesc", "font.size": 10}):
        figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
        numbers = range(len(iterations))
        for core in range(len(cores)):
            errors = [100 * i.mvm_errors[core] for i in iterations]
            axes.plot(numbers, errors, color="#bbbbbb", linewidth=0.6, zorder=1)
        _means(axes, iterations)
        if all(error > 0 for i in iterations for error in i.mvm_errors) and cores:
            axes.set_yscale("log")
        axes.set_xlabel("iteration")
        axes.set_ylabel("MVM error (%)")
        axes.set_title(f"Programming {len(cores)} cores; grey: each core", loc="left", fontsize=10)
        axes.grid(visible=True, which="both", color="#eeeeee", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        stream = io.BytesIO()
        kind = path.suffix.lstrip(".")
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
        pyplot.close(figure)
    return stream.getvalue()


def _means(axes, iterations: Sequence[Iteration]) -> None:  # type: ignore[no-untyped-def]
    """The cores' mean, one colour for each kind of phase; a line starts at the point before it."""
    means = [100 * sum(i.mvm_errors) / max(1, len(i.mvm_errors)) for i in iterations]
    for phase in dict.fromkeys(i.phase for i in iterations):
        at = [n for n, i in enumerate(iterations) if i.phase == phase]
        span = range(max(0, at[0] - 1), at[-1] + 1)
        points = [means[n] for n in span]
        name, colour = MOVES[phase]
        style = {"linewidth": 2, "zorder": 2, "marker": "o" if len(points) == 1 else None}
        axes.plot(span, points, color=colour, label=name, **style)
