"""Cost of programming a whole chip, 64 full cores, in simulation: CPU time, one thread, memory.

The draw is the default `published` state; drift is to one day with the read noise's variance. A
core-step of gradient descent is one iteration on one core: 128 MVMs, the gradient, the pulses.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import clock  # first: it sets the number of threads
import torch
from torch import nn
from torch.nn import functional

import hermesc
from hermes_sim.device import SimulatedDevice
from hermesrt.device import ReadSettings
from hermesrt.program import Program
from hermesrt.programming import loop as drive

_SIDE, _CORES, _DESCENTS = 2048, 64, 100


def main() -> None:
    """Compile in a process of its own, so that the memory is that of programming."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "full.hermes"
        if len(sys.argv) == 1:
            subprocess.run([sys.executable, __file__, str(path)], check=True)
            measure(Program.load(path))
        else:
            model = nn.Linear(_SIDE, _SIDE, bias=False)
            hermesc.compile(model, torch.randn(256, _SIDE)).save(sys.argv[1])


def measure(program: Program) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    base = clock.medians({"linear": _linear()})["linear"]
    print(
        f"{_CORES} cores of 256x256, CPU time, one thread "
        f"(F.linear of 128 x 256 x 256: {base * 1e6:.0f} us)"
    )
    before = _peak_mib()
    _descend(program, base)
    _row("peak memory", f"{_peak_mib():.0f} MiB, {before:.0f} before")
    device = hermesc.simulate()
    device.load(program.artifact)
    _row("draw the published state", f"{_seconds(lambda: device.draw('published')):.2f} s")
    _row("drift to one day", f"{_seconds(lambda: _drift(device)):.2f} s")


def _descend(program: Program, base: float) -> None:
    """Gradient descent on a device of its own."""
    device, options = hermesc.simulate(), drive.ProgrammingOptions()
    device.load(program.artifact)
    progress = drive.ProgrammingProgress("gdp", drive.phases_of("gdp", device.chip, options))
    rounds = drive.program(device, program.artifact, progress, options)
    before = 1 + options.gdp.verify_iterations
    start = _seconds(lambda: [next(rounds) for _ in range(before)])
    descents = _seconds(lambda: [next(rounds) for _ in range(_DESCENTS)])
    step = descents / (_CORES * _DESCENTS)
    _row("SET, RESET, 10 rounds of verify", f"{start:.2f} s")
    _row(
        "100 rounds of gradient descent",
        f"{descents:.2f} s: {step * 1e3:.2f} ms a core-step, {step / base:.0f} x F.linear",
    )


def _row(name: str, value: str) -> None:
    print(f"{name:<34}{value}")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _drift(device: SimulatedDevice) -> None:
    device.configure(ReadSettings(age_s=86400.0))
    for core in device.cores.values():
        core.now(86400.0)


def _linear() -> Callable[[], torch.Tensor]:
    x, weight = torch.randn(128, 256), torch.randn(256, 256)
    return lambda: functional.linear(x, weight)


def _seconds(job: Callable[[], object]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


if __name__ == "__main__":
    with torch.no_grad():
        main()
