"""Cost of a layer on the simulated chip against the same layer in plain torch.

    python tools/bench/mvm.py [--kernel avx2] [--record FILE.json]

Prints CPU time as a ratio to F.linear (FP32) on the same inputs, one thread, median of rounds:
  exact      every non-ideality off
  quiet      the default chip without read noise: 8-bit inputs and outputs, counts, saturation
  published  the default chip: the same and each device's read noise
  model      published, through the whole program: `chip(x)`
  torch      published, without the compiled kernel
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from unittest.mock import patch

import clock  # before torch: it sets the number of threads
import torch
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermes_sim import device
from hermesrt.chip.load import load_chip
from hermesrt.device import Device, ReadSettings
from hermesrt.program import Chip, Program
from hermesrt.reads import numbered

SIZES, BATCHES = (256, 1024), (1, 64, 1024, 8192)
INPUTS: dict[str, Callable[[int, int], Tensor]] = {
    "Gaussian": torch.randn,
    "uniform": lambda rows, size: torch.rand(rows, size) * 2 - 1,
    "ReLU-like": lambda rows, size: torch.randn(rows, size).relu(),
    "one-hot": lambda rows, size: functional.one_hot(torch.randint(0, size, (rows,)), size).float(),
}
QUIET = (("effects.read_noise", "off"),)
WAYS = ("exact", "quiet", "published", "model", "torch")


def main(record: Path | None) -> None:
    """One line for each size and batch."""
    print(clock.machine_line())
    print("CPU time relative to F.linear, one thread")
    print(f"{'layer':>12} {'inputs':>9} {'batch':>6} {'F.linear':>10} "
          + " ".join(f"{way:>9}" for way in WAYS))  # fmt: skip
    rows = list(measured())
    if record is not None:
        clock.write_record(record, "mvm", rows)


def measured() -> Iterator[dict[str, str | float]]:
    """The rows, each printed as it is known."""
    for size, (name, draw) in product(SIZES, INPUTS.items()):
        torch.manual_seed(0)
        layer = nn.Linear(size, size)
        program = hermesc.compile(layer, draw(256, size))
        noisy = program.deploy(hermesc.simulate())
        quiet = program.deploy(hermesc.simulate(load_chip("hermes", QUIET))).device
        ideal = program.deploy(hermesc.simulate()).device
        ideal.configure(ReadSettings(ideal=True))
        for batch in BATCHES if name == "Gaussian" else BATCHES[2:3]:
            devices = ideal, quiet, without_kernel(program)
            found = times(layer, devices, noisy, draw(batch, size))
            base = found.pop("linear")
            ratios = {way: found[way] / base for way in WAYS}
            print(f"{size:>5} x {size:<4} {name:>9} {batch:>6} {base * 1e6:>7.0f} us "
                  + " ".join(f"{ratios[way]:>9.2f}" for way in WAYS), flush=True)  # fmt: skip
            yield {"size": size, "inputs": name, "batch": batch, "linear_s": base} | ratios


def without_kernel(program: Program) -> Device:
    """A device whose layers torch runs, as where there is no compiler."""
    step, held = program.artifact.mvms[0], program.deploy(hermesc.simulate()).device
    with patch.object(device, "kernel", lambda: None):
        held.mvm(step, torch.zeros(1, program.artifact.matrices[step.matrix].rows), numbered(1))
    return held


def times(
    layer: nn.Linear, devices: tuple[Device, Device, Device], noisy: Chip, x: Tensor
) -> dict[str, float]:
    """CPU seconds of the plain layer and of each way."""
    step, reads = noisy.compiled.artifact.mvms[0], numbered(len(x))
    ideal, quiet, plain = devices
    return clock.medians(
        {
            "linear": lambda: functional.linear(x, layer.weight, layer.bias),
            "exact": lambda: ideal.mvm(step, x, reads),
            "quiet": lambda: quiet.mvm(step, x, reads),
            "published": lambda: noisy.device.mvm(step, x, reads),
            "model": lambda: noisy(x),
            "torch": lambda: plain.mvm(step, x, reads),
        }
    )


if __name__ == "__main__":
    chosen = clock.options(__doc__)
    with torch.no_grad():
        main(chosen.record)
