"""Compile mutants of ONNX models: each ends in a program or in one sentence, and no code runs.

python tools/fuzz/onnx_models.py --seconds 60 --seed 0
python tools/fuzz/onnx_models.py --seconds 60 --keep FOLDER   keeps the mutants with findings

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
from pathlib import Path
from typing import Any

from budget import Budget, add_budget
from children import run_children

_HANG_S = 5.0  # of processor time, of one mutant
_STUCK_S = 60  # of waiting, after which the child is killed
_MEMORY = 12 * 2**30  # bytes of addresses that the child may take


def main() -> int:
    """Run children until the time is over; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_budget(parser)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        return _child(options)
    return run_children(__file__, options, _HANG_S)


def _child(options: argparse.Namespace) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    from canary import Canary
    from onnx_mutants import mutant, seeds

    import hermesc

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / "mutant.onnx"
        models = seeds()
        for data in models:  # so that all is imported
            path.write_bytes(data)
            hermesc.compile(path)
        canary, number = Canary(names=True), options.child
        budget = Budget(options, number)
        while budget.left(number):
            rng = random.Random(f"{options.seed} {number}")
            data = mutant(rng.choice(models), rng)
            report = _tried(path, data, canary) | {"number": number}
            if options.keep and report["outcome"] in ("ran", "traceback"):
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{options.seed}_{number}.onnx").write_bytes(data)
            print(json.dumps(report), flush=True)
            number += 1
    return 0


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
    if canary.seen:
        outcome, text = "ran", str(canary.seen[:3])
    return {"outcome": outcome, "seconds": round(seconds, 2), "text": text}


if __name__ == "__main__":
    raise SystemExit(main())
