"""Cost of a layer on the simulated chip against the same layer in plain torch.

Prints CPU time as a ratio to F.linear (FP32) on the same inputs, one thread, median of rounds:
  exact      every non-ideality off
  converters 8-bit inputs and outputs, counts, white output noise; no read noise
  published  the default chip: the same and each device's read noise
  model      published, through the whole program: `chip(x)`
"""

import clock  # first: it sets the number of threads
import torch
from torch import nn
from torch.nn import functional

import hermesc
from hermesrt.chip.load import load_chip
from hermesrt.device import Device, ReadSettings
from hermesrt.program import Chip

SIZES, BATCHES = (256, 1024), (1, 64, 1024, 8192)
QUIET = (("effects.read_noise", "off"), ("output_noise.output_steps", "1.0"))


def main() -> None:
    """One line for each size and batch."""
    print("CPU time relative to F.linear, one thread")
    print(
        f"{'layer':>12} {'batch':>6} {'F.linear':>10} {'exact':>7} {'converters':>11} "
        f"{'published':>10} {'model':>6}"
    )
    for size in SIZES:
        layer = nn.Linear(size, size)
        program = hermesc.compile(layer, torch.randn(256, size))
        noisy = program.deploy(hermesc.simulate())
        quiet = program.deploy(hermesc.simulate(load_chip("hermes", QUIET))).device
        ideal = program.deploy(hermesc.simulate()).device
        ideal.configure(ReadSettings(ideal=True))
        for batch in BATCHES:
            print(f"{size:>5} x {size:<4} {batch:>6} {row(layer, ideal, quiet, noisy, batch)}")


def row(layer: nn.Linear, ideal: Device, quiet: Device, noisy: Chip, batch: int) -> str:
    """Time of the plain layer, and the ratios."""
    x = torch.randn(batch, layer.in_features)
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
