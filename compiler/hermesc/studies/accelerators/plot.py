"""The study of accelerators as a picture: efficiency, and the cost of the same work."""

from collections.abc import Sequence
from itertools import cycle

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hermesc.studies.accelerators.machine import Accelerator
from hermesc.studies.chip.plot import as_bytes

_COLOURS = {"measured": "#0072B2", "projected": "#E69F00", "specified": "#009E73"}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def accelerators_picture(found: Sequence[Accelerator], kind: str) -> bytes:
    """The picture as a file of that kind; the same study gives the same bytes."""
    return as_bytes(lambda: _figure(found), kind)


def _figure(found: Sequence[Accelerator]) -> Figure:
    figure = Figure(figsize=(11.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    known = [a for a in found if a.published.tops_per_watt][::-1]
    values = [a.published.tops_per_watt for a in known]
    colours = [_COLOURS[a.published.kind] for a in known]
    left.scatter(values, [a.name for a in known], c=colours, s=48)  # a log axis has no zero
    left.set_xscale("log")
    left.grid(axis="y", color="#DDDDDD", lw=0.8)
    left.set_axisbelow(True)
    left.set_xlabel("TOPS/W as published, each in its own precision")
    kinds = [Patch(color=c, label=k) for k, c in _COLOURS.items()]
    left.legend(handles=kinds, fontsize=8, frameon=True, framealpha=1, edgecolor="none")
    costed = [a for a in found if any(c.energy_nj is not None for c in a.tasks.values())]
    tasks = list(costed[0].tasks) if costed else []
    for a, marker in zip(costed, cycle(_MARKERS), strict=False):
        for number, task in enumerate(tasks):
            c = a.tasks[task]
            if c.latency_ns is None or c.energy_nj is None:
                continue
            label = f"{a.name}, {task}"
            fill = "full" if number == 0 else "none"
            right.plot(c.latency_ns / 1000, c.energy_nj / 1000, marker, fillstyle=fill,
                       color=_COLOURS[a.published.kind], label=label)  # fmt: skip
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("latency of one sample, µs")
    right.set_ylabel("energy of one sample, µJ")
    right.legend(fontsize=7)
    return figure
