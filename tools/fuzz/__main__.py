"""All fuzzers, one after another, each with its share of the time.

    python tools/fuzz --seconds 600 --seed 0

Each prints what it found and one line of figures; the exit code is 1 when one found something.
"""

import argparse
import subprocess
import sys
from pathlib import Path

SHARES = {"pt2.py": 0.25, "hermes.py": 0.25, "onnx_models.py": 0.1, "names.py": 0.1, "data.py": 0.3}


def main() -> int:
    """Run the fuzzers that lie in this folder."""
    parser = argparse.ArgumentParser(description="Run all fuzzers.")
    parser.add_argument("--seconds", type=float, default=600, help="of all together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(__file__).parent
    here = {name: share for name, share in SHARES.items() if (folder / name).exists()}
    found = False
    for name, share in here.items():
        seconds = options.seconds * share / sum(here.values())
        words = [str(folder / name), "--seconds", f"{seconds:.0f}", "--seed", str(options.seed)]
        print(f"{name}: {seconds:.0f} s", flush=True)
        found |= subprocess.run([sys.executable, *words], check=False).returncode != 0
    return int(found)


if __name__ == "__main__":
    raise SystemExit(main())
