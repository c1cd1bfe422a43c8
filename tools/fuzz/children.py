"""A fuzzer's parent: its children compile mutants, and one that crashes is followed by another.

A child prints a line of JSON for each mutant: its number, outcome (compiled, refused, ran or
traceback) and seconds of processor time.
"""

import argparse
import json
import subprocess
import sys

from budget import Budget


def run_children(script: str, options: argparse.Namespace, hang_s: float) -> int:
    """Run children until the budget is spent; 1 where one found something.

    hang_s: processor time of one mutant above which it is told.
    """
    counts = dict.fromkeys(("compiled", "refused", "ran", "traceback", "slow", "crashed"), 0)
    longest, budget, start = 0.0, Budget(options), 0
    while budget.left(start):
        command = [sys.executable, script, "--seed", str(options.seed), "--child", str(start)]
        command += budget.words(start)
        command += ["--keep", str(options.keep)] if options.keep else []
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in child.stdout.splitlines():
            report = json.loads(line)
            start = report["number"] + 1
            counts[report["outcome"]] += 1
            counts["slow"] += report["seconds"] > hang_s
            longest = max(longest, report["seconds"])
            if report["outcome"] in ("ran", "traceback") or report["seconds"] > hang_s:
                print(json.dumps(report), flush=True)
        if child.returncode != 0:
            print(f"mutant {start} of seed {options.seed} ended the child: {child.returncode}")
            print(child.stderr[-2000:], flush=True)
            counts["crashed"] += 1
            start += 1
    total = sum(counts[k] for k in ("compiled", "refused", "ran", "traceback", "crashed"))
    print(
        f"{total} mutants of seed {options.seed}: {counts['compiled']} compiled, "
        f"{counts['refused']} refused in one sentence, {counts['ran']} ran code, "
        f"{counts['traceback']} tracebacks, {counts['slow']} above {hang_s:g} s, "
        f"{counts['crashed']} crashes; longest {longest:.1f} s of processor time"
    )
    return int(any(counts[k] for k in ("ran", "traceback", "slow", "crashed")))
