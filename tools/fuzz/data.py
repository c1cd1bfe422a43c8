"""Fuzz the files that hermesc reads beside models: each is taken or refused in one sentence.

    python tools/fuzz/data.py --seconds 60 --seed 0                every kind in turn
    python tools/fuzz/data.py --kind toml --seconds 60 --seed 0    one kind
    python tools/fuzz/data.py --kind toml --seed 0 --only 17       one mutant, with its traceback

A child process runs the mutants, each from seed and number alone, through the command
line as a user would. The parent sees a crash or a hang and begins another child behind it.
"""

import argparse
import faulthandler
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from budget import Budget, add_budget
from canary import MARK, Canary
from commands import small_program
from kinds import KINDS

_HANG_S = 10.0  # of processor time, of one mutant
_STUCK_S = 60  # of waiting, after which the child ends itself
_MEMORY = 8 * 2**30  # bytes of addresses that the child may take
_BAD = ("finding", "ran code", "crashed", "slow")


def main() -> int:
    """Run children until the time is over; 1 when something was found."""
    parser = argparse.ArgumentParser(description="Fuzz the files that hermesc reads.")
    add_budget(parser)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--only", type=int, help="run the mutant of this number alone")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None or options.child is not None:
        return _child(options)
    counts, longest = _parent(options)
    for kind in _chosen(options):
        print(f"{kind}: {_line(counts[kind])}; longest {longest[kind]:.1f} s")
    total = sum(counts.values(), Counter())
    print(f"data: {_line(total)}")
    return int(any(total[kind] for kind in _BAD))


def _chosen(options: argparse.Namespace) -> list[str]:
    return [options.kind] if options.kind else list(KINDS)


def _line(counts: "Counter[str]") -> str:
    words = [f"{counts[k]} {k}" for k in ("taken", "refused")]
    words += [f"{counts[k]} {k}" for k in _BAD if counts[k]] or ["0 findings"]
    return f"{counts.total() - counts['slow']} mutants: {', '.join(words)}"


def _parent(options: argparse.Namespace) -> "tuple[dict[str, Counter[str]], dict[str, float]]":
    """The outcomes of each kind, and its longest mutant in seconds."""
    chosen = _chosen(options)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in chosen}
    longest = dict.fromkeys(chosen, 0.0)
    told: set[str] = set()  # one of each sort is enough
    start, budget = 0, Budget(options)
    while budget.left(start):
        words = ["--seed", str(options.seed), "--child", str(start), *budget.words(start)]
        words += ["--kind", options.kind] if options.kind else []
        child = subprocess.run(
            [sys.executable, __file__, *words], capture_output=True, text=True, check=False
        )
        for line in child.stdout.splitlines():
            report = json.loads(line)
            start = report["number"] + 1
            kind, slow = report["kind"], report["seconds"] > _HANG_S
            counts[kind].update([report["outcome"]] + ["slow"] * slow)
            longest[kind] = max(longest[kind], report["seconds"])
            sort = f"{kind} {_sort(report['text'])}"
            if (slow or report["outcome"] in _BAD) and sort not in told:
                told.add(sort)
                print(json.dumps(report), flush=True)
        if child.returncode != 0:
            print(f"mutant {start} ended the child: {child.returncode}")
            print(child.stderr[-3000:], flush=True)
            counts[chosen[start % len(chosen)]]["crashed"] += 1
            start += 1
    return counts, longest


def _sort(text: str) -> str:
    """What findings of one cause have in common: the last line's words."""
    last = (text.strip() or "slow").splitlines()[-1]
    return re.sub(r"[\W\d]+", " ", last[:50])


def _child(options: argparse.Namespace) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    budget, number = Budget(options, options.child or 0), options.child
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        small_program()
        chosen = _chosen(options)
        attempts = {kind: KINDS[kind]() for kind in chosen}
        canary = Canary()
        if options.only is not None:
            kind = chosen[options.only % len(chosen)]
            print(kind, attempts[kind](_rng(options, kind, options.only)))
            return 0
        while budget.left(number):
            kind = chosen[number % len(chosen)]
            report = _tried(attempts[kind], _rng(options, kind, number), canary, folder)
            print(json.dumps(report | {"kind": kind, "number": number}), flush=True)
            number += 1
    return 0


def _rng(options: argparse.Namespace, kind: str, number: int) -> random.Random:
    return random.Random(f"{kind} {options.seed} {number}")


def _tried(attempt: Any, rng: random.Random, canary: Any, folder: str) -> dict[str, Any]:
    """The outcome of one mutant."""
    canary.seen.clear()
    faulthandler.dump_traceback_later(_STUCK_S, exit=True)
    start, text = time.process_time(), ""
    try:
        with canary.watching():
            outcome = attempt(rng)
    except Exception:
        outcome, text = "finding", _shortened(traceback.format_exc())
    seconds = time.process_time() - start
    faulthandler.cancel_dump_traceback_later()
    seen = [event for event in canary.seen if not _is_ours(event, folder)]
    if seen or Path(MARK).exists():
        outcome, text = "ran code", f"{seen[:3]}"
        Path(MARK).unlink(missing_ok=True)
    return {"outcome": outcome, "seconds": round(seconds, 2), "text": text}


def _shortened(text: str) -> str:
    return text if len(text) < 900 else f"{text[:100]} ... {text[-800:]}"


def _is_ours(event: str, folder: str) -> bool:
    """What the fuzzer and the commands themselves do to files in the folder they work in."""
    if folder in event or "/dev/null" in event or re.match(r"open \(\d", event):
        return True  # a number is a descriptor that was opened before
    return bool(re.match(r"(open|os\.remove|os\.rename) \('[^/.]", event)) and MARK not in event


if __name__ == "__main__":
    raise SystemExit(main())
