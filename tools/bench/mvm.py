"""Cost of a layer on the simulated chip against the same layer in plain torch.

Prints CPU time as a ratio to F.linear (FP32) on the same inputs, one thread, median of rounds.
"""

import clock  # first: it sets the number of threads
import torch
from torch import nn
from torch.nn import functional

import hermesc
from hermesrt.program import Chip

SIZES, BATCHES = (256, 1024), (1, 64, 1024, 8192)


def main() -> None:
    """One line for each size and batch."""
    print("CPU time relative to F.linear, one thread")
    print(f"{'layer':>12} {'batch':>6} {'F.linear':>10} {'ideal':>7} {'published':>10}")
    for size in SIZES:
        layer = nn.Linear(size, size)
        program = hermesc.compile(layer, torch.randn(256, size))
        noisy = program.deploy(hermesc.simulate())
        ideal = program.deploy(hermesc.simulate()).configure(ideal=True)
        for batch in BATCHES:
            print(f"{size:>5} x {size:<4} {batch:>6} {row(layer, ideal, noisy, batch)}")


def row(layer: nn.Linear, ideal: Chip, noisy: Chip, batch: int) -> str:
    """Time of the plain layer, and the two ratios."""
    x = torch.randn(batch, layer.in_features)
    times = clock.medians(
        {
            "linear": lambda: functional.linear(x, layer.weight, layer.bias),
            "ideal": lambda: ideal(x),
            "published": lambda: noisy(x),
        }
    )
    base = times["linear"]
    ratios = f"{times['ideal'] / base:>7.2f} {times['published'] / base:>10.2f}"
    return f"{base * 1e6:>7.0f} us {ratios}"


if __name__ == "__main__":
    with torch.no_grad():
        main()
