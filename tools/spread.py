"""How twenty chips of the demo's model differ, at five ages.

python tools/spread.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/rbf_ridge.py"
HERMESC = str(Path(sys.executable).parent / "hermesc")
COMMAND = "run rbf_ridge.hermes --inputs test.npz --draws 20 --ages 0,1h,1d,30d,1y"


def main() -> None:
    """The command, what ran, and the tables."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(EXAMPLE), "test.npz"], cwd=folder, check=True,
                       capture_output=True)  # fmt: skip
        hermesc(folder, "compile", str(EXAMPLE))
        print(f"$ hermesc {COMMAND}")
        lines = hermesc(folder, *COMMAND.split()).splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("Accuracy"))
        told = [line for line in lines[4:start] if line.startswith("Range")]
        print("\n".join([*lines[:4], *told, *lines[start:]]))


def hermesc(folder: str, *words: str) -> str:
    """What a command prints."""
    run = subprocess.run([HERMESC, *words], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout


if __name__ == "__main__":
    main()
