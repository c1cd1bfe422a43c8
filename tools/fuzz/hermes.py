"""Fuzz programs whose checksums are right: hostile arguments, steps and manifests, run to the end.

Takes valid programs in turn, changes the manifest at one to three places, signs it again and runs
it in a worker process as `hermesc run` would: read, deploy, run, cost, write the outputs. What is
expected is success or a HermescError; a crash, a hang or any other error is printed with the number
of its mutant, which `--only` runs again.

    python tools/fuzz/hermes.py --seconds 120 --seed 0
"""

import argparse
import json
import multiprocessing
import multiprocessing.connection
import resource
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import torch
from budget import Budget, add_budget
from hermes_mutants import PARTS, Mutant, mutant, valid_programs

import hermesc
from hermesrt.artifact import io
from hermesrt.data import write_outputs
from hermesrt.errors import HermescError
from hermesrt.files.container import unpack
from hermesrt.program import Program
from hermesrt.report.text.inspect import inspect_text

MEMORY_BYTES = 6 * 2**30  # of a worker
HANG_SECONDS = 60.0
Programs = list[dict[str, bytes]]


def numbered(programs: Programs, number: int) -> Mutant:
    """The mutant of that number, of one program after another."""
    return mutant(programs[number % len(programs)], number)


def attempt(data: bytes) -> str:
    """What `hermesc run` does with a file, to the end."""
    try:
        artifact = io.from_bytes(data, "mutant.hermes")
        program = Program.of(artifact)
        inspect_text(artifact, "mutant.hermes", None)
        chip = program.deploy(hermesc.simulate(artifact.chip))
        report = chip.report()
        json.dumps(str(report))
        outputs = chip(*(artifact.examples[i.name] for i in artifact.manifest.inputs))
        with tempfile.TemporaryDirectory() as folder:
            many = outputs if isinstance(outputs, tuple) else (outputs,)
            named = {f"output_{i}": t for i, t in enumerate(many)}
            write_outputs(Path(folder) / "y.npz", named, {})
    except HermescError as error:
        return f"refused: {type(error).__name__}"
    except BaseException:
        return "ERROR " + traceback.format_exc()
    return "ran"


def work(pipe: "multiprocessing.connection.Connection", programs: Programs) -> None:
    """A worker: numbers of mutants in, what became of them out."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    while True:
        pipe.send(attempt(numbered(programs, pipe.recv()).data))


class Worker:
    """A process that runs mutants, one after another, until one ends it."""

    def __init__(self, programs: Programs) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, programs), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, number: int) -> tuple[str, bool]:
        """What became of a mutant, and whether the worker lives on."""
        self._pipe.send(number)
        if not self._pipe.poll(HANG_SECONDS):
            self._process.kill()
            self._process.join()
            return f"HANG of more than {HANG_SECONDS:g} s", False
        try:
            return self._pipe.recv(), True
        except EOFError:
            self._process.join()
            return f"CRASH, exit code {self._process.exitcode}", False

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def main() -> int:
    """Run mutants for some time; 1 if one of them did what none may."""
    parser = argparse.ArgumentParser(description="Fuzz re-signed programs.")
    add_budget(parser)
    parser.add_argument("--only", type=int, help="run the mutant of this number alone")
    options = parser.parse_args()
    valid = valid_programs()
    programs = [unpack(data, "program", PARTS, "valid program") for data in valid]
    first = [attempt(data) for data in valid]
    assert set(first) == {"ran"}, first
    if options.only is not None:
        found = numbered(programs, options.only)
        print("\n".join(found.changes), attempt(found.data), sep="\n")
        return 0
    counts: Counter[str] = Counter()
    number = options.seed * 10**6
    worker, budget = Worker(programs), Budget(options, number)
    while budget.left(number):
        result, alive = worker.run(number)
        kind = result.split(",")[0].splitlines()[0].split(" of ")[0]
        counts[kind.split(" Traceback")[0]] += 1
        if kind.startswith(("ERROR", "HANG", "CRASH")):
            changes = "; ".join(numbered(programs, number).changes)
            print(f"mutant {number}: {changes[:300]}\n  {result[-600:]}", flush=True)
        worker = worker if alive else Worker(programs)
        number += 1
    worker.stop()
    print(f"{counts.total()} mutants: " + ", ".join(f"{n} {k}" for k, n in counts.most_common()))
    return int(any(k.startswith(("ERROR", "HANG", "CRASH")) for k in counts))


if __name__ == "__main__":
    sys.exit(main())
