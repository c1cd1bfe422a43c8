"""One matrix on its way through the stages: what `hermesc inspect` says of the demo's `omega`.

python tools/walk.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERMESC = str(Path(sys.executable).parent / "hermesc")
STAGES = ("graph", "tiles", "ranges", "places", "steps", "cost")
HEADINGS = {"layer", "where"}  # one of these words stands above each table, and nowhere else


def main() -> None:
    """The heading of each stage's table, and its lines about `omega`."""
    with tempfile.TemporaryDirectory() as folder:
        hermesc(folder, "compile", str(ROOT / "examples/rbf_ridge.py"))
        for stage in STAGES:
            lines = hermesc(folder, "inspect", "rbf_ridge.hermes", "--stage", stage).splitlines()
            about = [line for line in lines if "omega" in line.split()]
            heading = next(line for line in lines if HEADINGS & set(line.split()))
            print(f"{stage}:")
            print("\n".join(line.rstrip() for line in (heading, *about)))


def hermesc(folder: str, *words: str) -> str:
    """What a command prints."""
    run = subprocess.run([HERMESC, *words], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout


if __name__ == "__main__":
    main()
