"""How long the commands that need no torch take to start, as a ratio to an empty Python."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
HERMESC = str(Path(sys.executable).parent / "hermesc")
EXAMPLE = Path(__file__).parents[2] / "examples/rbf_ridge.py"


def seconds(command: list[str], folder: str) -> float:
    """Median wall time of a command."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    """One line a command."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [HERMESC, "compile", str(EXAMPLE)], cwd=folder, check=True, capture_output=True
        )
        empty = seconds([sys.executable, "-c", ""], folder)
        for words in (["--help"], ["run", "--help"], ["chips"], ["inspect", "rbf_ridge.hermes"]):
            time_taken = seconds([HERMESC, *words], folder)
            name = " ".join(["hermesc", *words])
            print(f"{name:<34} {time_taken:.2f} s  {time_taken / empty:.1f} x an empty python")


if __name__ == "__main__":
    main()
