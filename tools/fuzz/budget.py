"""How long a fuzzer goes on: for some seconds, or some mutants, whichever is over first.

Of a seed, mutants alone are the same on every machine: a fast one makes more of them in a second.
"""

import argparse
import time


def add_budget(parser: argparse.ArgumentParser) -> None:
    """The options that all fuzzers have."""
    parser.add_argument("--seconds", type=float, default=60, help="stop after so long")
    parser.add_argument("--mutants", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--seed", type=int, default=0, help="of the mutants")


class Budget:
    """Begins when it is made; `first` is the number of the first mutant."""

    def __init__(self, options: argparse.Namespace, first: int = 0) -> None:
        self._end = time.monotonic() + options.seconds
        self._last = first + options.mutants

    def left(self, number: int) -> bool:
        """Whether the mutant of this number is still to be made."""
        return number < self._last and time.monotonic() < self._end

    def words(self, number: int) -> list[str]:
        """The same end for a child that begins with a number."""
        seconds = max(self._end - time.monotonic(), 0)
        return ["--seconds", f"{seconds:.1f}", "--mutants", str(max(self._last - number, 0))]
