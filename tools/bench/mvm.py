"""Cost of a layer on the simulated chip against the same layer in plain torch.

Prints CPU time as a ratio to F.linear (FP32) on the same inputs, one thread, median of rounds:
  exact      every non-ideality off
  converters 8-bit inputs and outputs, counts, white output noise; no read noise
  published  the default chip: the same and each device's read noise
  model      published, through the whole program: `chip(x)`
"""

from collections.abc import Callable
from itertools import product

import clock  # before torch: it sets the number of threads
import torch
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermesrt.chip.load import load_chip
from hermesrt.device import Device, ReadSettings
from hermesrt.program import Chip

SIZES, BATCHES = (256, 1024), (1, 64, 1024, 8192)
INPUTS: dict[str, Callable[[int, int], Tensor]] = {
    "Gaussian": torch.randn,
    "uniform": lambda rows, size: torch.rand(rows, size) * 2 - 1,
    "ReLU-like": lambda rows, size: torch.randn(rows, size).relu(),
    "one-hot": lambda rows, size: functional.one_hot(torch.randint(0, size, (rows,)), size).float(),
}
QUIET = (("effects.read_noise", "off"), ("output_noise.output_steps", "1.0"))


def main() -> None:
    """One line for each size and batch."""
    print("CPU time relative to F.linear, one thread")
    print(
        f"{'layer':>12} {'inputs':>9} {'batch':>6} {'F.linear':>10} {'exact':>7} "
        f"{'converters':>11} {'published':>10} {'model':>6}"
    )
    for size, (name, draw) in product(SIZES, INPUTS.items()):
        layer = nn.Linear(size, size)
        program = hermesc.compile(layer, draw(256, size))
        noisy = program.deploy(hermesc.simulate())
        quiet = program.deploy(hermesc.simulate(load_chip("hermes", QUIET))).device
        ideal = program.deploy(hermesc.simulate()).device
        ideal.configure(ReadSettings(ideal=True))
        for batch in BATCHES if name == "Gaussian" else BATCHES[2:3]:
            ratios = row(layer, ideal, quiet, noisy, draw(batch, size))
            print(f"{size:>5} x {size:<4} {name:>9} {batch:>6} {ratios}")


def row(layer: nn.Linear, ideal: Device, quiet: Device, noisy: Chip, x: Tensor) -> str:
    """Time of the plain layer, and the ratios."""
    step = noisy.compiled.artifact.mvms[0]
    times = clock.medians(
        {
            "linear": lambda: functional.linear(x, layer.weight, layer.bias),
            "exact": lambda: ideal.mvm(step, x, 0),
            "converters": lambda: quiet.mvm(step, x, 0),
            "published": lambda: noisy.device.mvm(step, x, 0),
            "model": lambda: noisy(x),
        }
    )
    base = times.pop("linear")
    ratios = " ".join(
        f"{times[name] / base:>{width}.2f}"
        for name, width in (("exact", 7), ("converters", 11), ("published", 10), ("model", 6))
    )
    return f"{base * 1e6:>7.0f} us {ratios}"


if __name__ == "__main__":
    with torch.no_grad():
        main()
