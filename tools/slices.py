"""Errors of bit slicing against the number of slices, as Le Gallo 2022 has them, and their price.

python tools/slices.py

One 128x128 matrix of normal weights; errors of the matrix alone (inputs and outputs are not
rounded), of the PCM array that the paper models, mean of three chips.
"""

from itertools import product
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

import hermesc
from hermesc.studies.chip.plot import as_bytes
from hermesrt.chip.slices import averaged_error

FIGURE = Path(__file__).resolve().parent.parent / "docs/figures/slices.svg"
COUNTS, CHIPS, AGES = (1, 2, 4, 8), 3, ("0s", "30d")
TICKS = (2, 3, 5, 8, 12)
WAYS = tuple(product(("equal", "significance"), ("equal", "max", "corrected")))
BASES = {"equal": 1.0, "significance": 2.0}
ARRAY = {
    "chip.statistics.model": "pcm-like", "chip.effects.input_code": False,
    "chip.effects.output_code": False,
}  # fmt: skip
Curves = dict[tuple[str, str, str], list[float]]


def main() -> None:
    """The table of errors and of the price, and the figure."""
    curves: Curves = {(*way, age): [] for way in WAYS for age in AGES}
    for way, count in product(WAYS, COUNTS):
        for age, error in zip(AGES, errors(*way, count), strict=True):
            curves[(*way, age)].append(error)
    print(f"{'weights':<13}{'fill':<11}{'age':<5}" + "".join(f"{c:>8}" for c in COUNTS))
    for (weights, fill, age), values in curves.items():
        print(f"{weights:<13}{fill:<11}{age:<5}" + "".join(f"{100 * v:6.2f} %" for v in values))
    for weights, base in BASES.items():
        shares = "".join(f"{averaged_error(c, base):8.3f}" for c in COUNTS)
        print(f"{weights:<13}{'equation 8':<16}{shares}")
    print(price())
    FIGURE.write_bytes(as_bytes(lambda: figure(curves), "svg"))


def layer() -> tuple[nn.Module, torch.Tensor]:
    """The matrix and its inputs."""
    torch.manual_seed(0)
    net = nn.Linear(128, 128, bias=False)
    net.weight.data = torch.randn(128, 128)
    return net.requires_grad_(False), torch.randn(256, 128)


def errors(weights: str, fill: str, count: int) -> list[float]:
    """Relative error at each age."""
    net, x = layer()
    sliced = {"tile.slices": count, "tile.slice_weights": weights, "tile.slice_fill": fill}
    program = hermesc.compile(net, x, options={**ARRAY, **sliced})
    found = [0.0 for _ in AGES]
    for seed in range(CHIPS):
        chip = program.deploy(hermesc.simulate(program.artifact.chip, seed=seed))
        for i, age in enumerate(AGES):
            wrong = chip.configure(age)(x) - net(x)
            found[i] += float(wrong.norm() / net(x).norm()) / CHIPS
    return found


def price() -> str:
    """Cores, time and energy of a vector on hermes."""
    net, x = layer()
    lines = []
    for count in COUNTS:
        program = hermesc.compile(net, x, options={"tile.slices": count})
        cost = program.cost().cost
        lines.append((len(program.artifact.cores), cost.latency_ps / 1e6, cost.energy_pj / 1e3))
    rows = (("cores", "8d"), ("latency (µs)", "8.2f"), ("energy (nJ)", "8.0f"))
    return "\n".join(
        f"{name:<29}" + "".join(format(line[i], kind) for line in lines)
        for i, (name, kind) in enumerate(rows)
    )


def figure(curves: Curves) -> Figure:
    """A panel an age: measured, and what equation 8 says of equal fills."""
    drawn = Figure(figsize=(8.0, 3.4), layout="constrained")
    colours = dict(zip(WAYS, ("#D55E00", "#E69F00", "#CC79A7", "#0072B2", "#56B4E9", "#009E73"),
                       strict=True))  # fmt: skip
    for axis, age in zip(drawn.subplots(1, len(AGES), sharey=True), AGES, strict=True):
        for weights, fill in WAYS:
            values = [100 * v for v in curves[weights, fill, age]]
            axis.plot(COUNTS, values, "o", ms=4, color=colours[weights, fill],
                      ls="" if fill == "equal" else "-", label=f"{weights}, {fill}")  # fmt: skip
            if fill == "equal":
                said = [values[0] * averaged_error(c, BASES[weights]) for c in COUNTS]
                axis.plot(COUNTS, said, "--", color=colours[weights, fill], lw=1)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(COUNTS, map(str, COUNTS))
        axis.set_yticks(TICKS, map(str, TICKS))
        axis.minorticks_off()
        axis.set_title("fresh" if age == "0s" else f"after {age}", fontsize=9)
        axis.set_xlabel("slices")
    drawn.axes[0].set_ylabel("relative error (%)")
    drawn.axes[1].legend(fontsize=7)
    return drawn


if __name__ == "__main__":
    main()
