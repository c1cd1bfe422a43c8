"""Kill hermesc at random moments, fill its disk, start it twice: what is left must be whole.

    python tools/crash --rounds 5 --seed 0
    python tools/crash --only compile --rounds 50

Each scenario prints one line of figures; the exit code is 1 when one of them did not hold.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from files import full_disk, one_file
from killed import compile_killed, programming_killed, study_killed, writing_killed
from processes import Told
from workers import worker_killed

SCENARIOS: dict[str, Callable[[random.Random, int], Told]] = {
    "write": writing_killed,
    "compile": compile_killed,
    "programming": programming_killed,
    "study": study_killed,
    "one file": one_file,
    "full disk": full_disk,
    "worker": worker_killed,
}


def main() -> int:
    """Run the scenarios, each in a folder of its own."""
    parser = argparse.ArgumentParser(description="Kill hermesc, fill its disk, start it twice.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=SCENARIOS)
    options = parser.parse_args()
    fell, before = 0, Path.cwd()
    for name, scenario in SCENARIOS.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                told = scenario(random.Random(f"{name} {options.seed}"), options.rounds)
                os.chdir(before)
            fell += bool(told.faults)
            print(f"{name}: {told.figures if not told.faults else 'DOES NOT HOLD'}", flush=True)
            for fault in dict.fromkeys(told.faults):
                print(f"  {fault}", flush=True)
    return int(fell > 0)


if __name__ == "__main__":
    raise SystemExit(main())
