"""A fuzzer that compiles mutants of files: each ends in a program or in one sentence, and no code
runs.

A child process reads the mutants, one of a seed and a number each, so that one can be made again.
The parent sees a crash or a hang of the child and begins another behind that mutant.
"""

import argparse
import faulthandler
import json
import os
import random
import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budget import Budget, add_budget
from children import run_children

_STUCK_S = 60  # of waiting, after which the child is killed
_MEMORY = 12 * 2**30  # bytes of addresses that the child may take


@dataclass(frozen=True, slots=True)
class Mutants:
    """What a fuzzer makes of files of a kind.

    suffix: of the files.
    seeds: ordinary ones, each compiled once, so that all is imported.
    mutant: another file, as bytes.
    canary: a Canary, made last.
    """

    suffix: str
    seeds: Sequence[Any]
    mutant: Callable[[Any, random.Random], bytes]
    canary: Any


def compile_mutants(script: str, about: str, hang_s: float, made: Callable[[], Mutants]) -> int:
    """Run children until the budget is spent, or be one; 1 where something was found.

    script: the fuzzer's own file.
    about: what it does.
    hang_s: processor time of one mutant above which it is told.
    """
    parser = argparse.ArgumentParser(description=about)
    add_budget(parser)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None:
        return run_children(script, options, hang_s)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    _be_child(options, made())
    return 0


def _be_child(options: argparse.Namespace, mutants: Mutants) -> None:
    budget, number = Budget(options, options.child), options.child
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        while budget.left(number):
            rng = random.Random(f"{options.seed} {number}")
            data = mutants.mutant(rng.choice(mutants.seeds), rng)
            path = Path(folder) / f"mutant.{mutants.suffix}"
            report = _tried(path, data, mutants.canary) | {"number": number}
            if options.keep and report["outcome"] in ("ran", "traceback"):
                options.keep.mkdir(parents=True, exist_ok=True)
                kept = options.keep / f"{options.seed}_{number}.{mutants.suffix}"
                kept.write_bytes(data)
            print(json.dumps(report), flush=True)
            number += 1


def _tried(path: Path, data: bytes, canary: Any) -> dict[str, Any]:
    """The outcome of one mutant."""
    import hermesc
    from hermesrt.errors import HermescError, InternalError

    path.write_bytes(data)
    canary.seen.clear()
    faulthandler.dump_traceback_later(_STUCK_S, exit=True)
    start = time.process_time()
    outcome, text = "compiled", ""
    try:
        with canary.watching():
            hermesc.compile(path)
    except InternalError as error:
        outcome, text = "traceback", repr(error)[:2000]
    except HermescError as error:
        outcome, text = "refused", str(error)[:300]
    except BaseException as error:
        outcome, text = "traceback", traceback.format_exc()[-2000:]
        if isinstance(error, KeyboardInterrupt):
            raise
    seconds = time.process_time() - start
    faulthandler.cancel_dump_traceback_later()
    made = [p.name for p in path.parent.iterdir() if p != path]
    if canary.seen or made:
        outcome, text = "ran", f"{canary.seen[:3]} {made}"
        for name in made:
            (path.parent / name).unlink()
    return {"outcome": outcome, "seconds": round(seconds, 2), "text": text}


def compile_once(data: bytes, suffix: str) -> None:
    """Compile an ordinary file."""
    import hermesc

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed.{suffix}"
        path.write_bytes(data)
        hermesc.compile(path)
