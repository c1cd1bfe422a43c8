"""All fuzzers, one after another, each with its share of the time or of the mutants.

    python tools/fuzz --seconds 600 --seed 0
    python tools/fuzz --mutants 6000 --seed 0

Of a seed, a number of mutants is the same on each machine. Each fuzzer prints what it found and one
line of figures; the exit code is 1 when one found something.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from budget import add_budget

SHARES = {"pt2.py": 0.25, "hermes.py": 0.25, "onnx_models.py": 0.1, "names.py": 0.1, "data.py": 0.3}
MUTANTS = {
    "pt2.py": 0.1,
    "hermes.py": 0.3,
    "onnx_models.py": 0.07,
    "names.py": 0.006,
    "data.py": 0.524,
}


def main() -> int:
    """Run the fuzzers that lie in this folder."""
    parser = argparse.ArgumentParser(description="Run all fuzzers.")
    add_budget(parser)
    options = parser.parse_args()
    folder = Path(__file__).parent
    found = False
    for name, share in SHARES.items():
        seconds, mutants = options.seconds * share, round(options.mutants * MUTANTS[name])
        words = [str(folder / name), "--seed", str(options.seed)]
        words += ["--seconds", f"{seconds:.0f}", "--mutants", str(mutants)]
        print(f"{name}: at most {seconds:.0f} s, {mutants:,} mutants", flush=True)
        found |= subprocess.run([sys.executable, *words], check=False).returncode != 0
    return int(found)


if __name__ == "__main__":
    raise SystemExit(main())
