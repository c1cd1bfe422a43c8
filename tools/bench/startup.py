"""CPU time of commands in a process of their own, and what of it is more than Python or torch take.

    python tools/bench/startup.py [--record FILE.json]

`before` is an empty Python; for `run` also `import torch`; for `compile` also torch.export's
tracing of the same model. Median of rounds.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import clock

ROUNDS = 5
HERMESC = str(Path(sys.executable).parent / "hermesc")
EXAMPLE = str(Path(__file__).parents[2] / "examples/rbf_ridge.py")
PERFORMER = str(Path(__file__).with_name("performer.py"))
EMPTY, TORCH = [sys.executable, "-c", ""], [sys.executable, "-c", "import torch"]
TRACED = (
    "import sys, torch; sys.path.insert(0, sys.argv[1]); import performer as p; "
    "torch.export.export(p.model, p.example_inputs, dynamic_shapes=({0: torch.export.Dim.AUTO},))"
)
TRACE = [sys.executable, "-c", TRACED, str(Path(__file__).parent)]
COMMANDS = (
    ("--help", EMPTY), ("run --help", EMPTY), ("chips", EMPTY), ("inspect rbf_ridge.hermes", EMPTY),
    ("run rbf_ridge.hermes", TORCH), (f"compile {PERFORMER}", TRACE),
)  # fmt: skip


def main() -> None:
    """One line a command."""
    given = clock.options(__doc__)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        seconds([HERMESC, "compile", EXAMPLE], folder)
        print(f"{'command':<34} {'CPU':>6} {'before':>7} {'ours':>6}")
        for words, before in COMMANDS:
            taken, base = medians([HERMESC, *words.split()], before, folder)
            name = "hermesc " + words.replace(PERFORMER, "performer.py")
            print(f"{name:<34} {taken:>5.2f}s {base:>6.2f}s {taken - base:>5.2f}s")
            rows.append({"command": name, "cpu_s": taken, "before_s": base})
    if given.record is not None:
        clock.write_record(given.record, "startup", rows)


def medians(command: list[str], before: list[str], folder: str) -> tuple[float, float]:
    """Median CPU times of two commands that take turns."""
    found = [(seconds(command, folder), seconds(before, folder)) for _ in range(ROUNDS)]
    first, second = (statistics.median(times) for times in zip(*found, strict=True))
    return first, second


def seconds(command: list[str], folder: str) -> float:
    """CPU time of a command."""
    start = _children()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return _children() - start


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
