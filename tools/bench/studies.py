"""Cost of a study of kernels by one process and by two, and what a further program costs.

    python tools/bench/studies.py [--record FILE.json]

Prints CPU time of `hermesc study kernels`, with all its processes, without kept results; and CPU
time of `hermesc.compile` for one module after the other of the same shape, beside a study's way,
which exports the first one alone.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import clock  # before torch: it sets the number of threads
import torch

import hermesc
from hermesc.api.compiling import prepare
from hermesc.frontend.torch.architecture import OncePerArchitecture
from hermesc.pipeline import Options
from hermesc.studies.experiment.measure import ProjectionModule
from hermesrt.chip.load import load_chip

STUDY = (
    "study",
    "kernels",
    "--datasets",
    "wine,breast_cancer",
    "--ratios",
    "1,2,3",
    "--seeds",
    "4",
)
ROUNDS, MODULES = 3, 10


def main(record: Path | None) -> None:
    """One line a way."""
    print(clock.machine_line())
    rows: list[dict[str, str | float]] = []
    for name, seconds in measured():
        print(f"{name:>40} {seconds:>8.3f} s", flush=True)
        rows.append({"name": name, "cpu_s": seconds})
    if record is not None:
        clock.write_record(record, "studies", rows)


def measured() -> Iterator[tuple[str, float]]:
    """Each way with its CPU seconds, the least of some rounds that take turns."""
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for jobs, seconds in found.items():
            seconds.append(_study(jobs))
    for jobs, seconds in found.items():
        yield f"study, {jobs} process{'es' * (jobs > 1)}", min(seconds)
    x, chip, once = torch.randn(64, 30), load_chip("hermes"), OncePerArchitecture()
    yield "compile, a module", _each(lambda m: hermesc.compile(m, x, chip=chip))
    yield (
        "compile in a study, a module",
        _each(lambda m: prepare(m, x, None, None, None, once).compiled(chip, Options())),
    )


def _study(jobs: int) -> float:
    with tempfile.TemporaryDirectory() as cells:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        options = ("--jobs", str(jobs), "--cells", cells, "--json")
        subprocess.run(
            [sys.executable, "-m", "hermesc", *STUDY, *options], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _each(compiled: Callable[[ProjectionModule], object]) -> float:
    modules = [ProjectionModule(torch.randn(30, 113)) for _ in range(MODULES)]
    compiled(modules[0])  # warm
    start = time.process_time()
    for module in modules:
        compiled(module)
    return (time.process_time() - start) / MODULES


if __name__ == "__main__":
    main(clock.options(__doc__).record)
