"""Kill hermesc at random moments, fill its disk, start it twice: what is left must be whole.

    python tools/crash.py --rounds 5 --seed 0
    python tools/crash.py --only compile --rounds 50

Each scenario prints one line of figures; the exit code is 1 when one of them did not hold.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERMESC = (sys.executable, "-m", "hermesc")
MODEL = """
import torch
from torch import nn
torch.manual_seed({seed})
model = nn.Sequential(nn.Linear(24, {hidden}), nn.ReLU(), nn.Linear({hidden}, 8)).eval()
example_inputs = (torch.randn(16, 24),)
"""
STUDY = (
    "study", "kernels", "--datasets", "wine", "--kernels", "rbf", "--samplers", "rff",
    "--ratios", "1,2,3", "--seeds", "60", "-o", "runs.csv",
)  # fmt: skip
PROGRAMMING = (
    "program", "p.hermes", "--method", "gdp", "--set", "gdp.iterations=300", "-o", "p.state",
)  # fmt: skip
SIZE = 2**20
WRITER = f"""
from pathlib import Path
from hermesrt.files.atomic import write_atomically
for number in range(10**9):
    write_atomically(Path("file"), bytes([number % 256]) * {SIZE})
"""


@dataclass(slots=True)
class Told:
    """The figures of a scenario, and what did not hold."""

    figures: str = ""
    faults: list[str] = field(default_factory=list)

    def need(self, holds: bool, what: str) -> None:
        """Keep what did not hold."""
        if not holds:
            self.faults.append(what)


def start(*words: str) -> "subprocess.Popen[str]":
    """A command in a session of its own, in the current folder."""
    return subprocess.Popen(
        [*HERMESC, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def finish(*words: str) -> tuple[int, str]:
    """Run a command to its end: exit code and standard error."""
    process = start(*words)
    _, err = process.communicate()
    return process.returncode, err


def killed(rng: random.Random, longest: float, *words: str) -> bool:
    """Kill a command and its processes after a while; whether it was still running."""
    process = start(*words)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=rng.uniform(0, longest))
        return False
    return _end(process)


def killed_behind(rng: random.Random, pattern: str, *words: str) -> bool:
    """Kill a command soon after it kept something: a file of that pattern, new or written anew."""
    before, process = _written(pattern), start(*words)
    while process.poll() is None and _written(pattern) == before:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.3))
    return _end(process)


def _end(process: "subprocess.Popen[str]") -> bool:
    running = process.poll() is None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


def _written(pattern: str) -> set[tuple[str, int]]:
    """Files with the times of their last writing."""
    found = set()
    for path in Path().glob(pattern):
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def timed(*words: str) -> float:
    """Seconds that a command takes when nothing happens to it."""
    begin = time.monotonic()
    code, err = finish(*words)
    if code:
        raise SystemExit(f"hermesc {' '.join(words)}: {err}")
    return time.monotonic() - begin


def write_model(name: str, seed: int, hidden: int = 40) -> None:
    """A small model."""
    Path(name).write_text(MODEL.format(seed=seed, hidden=hidden), encoding="utf-8")


def writing_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a file is written over and over: it is whole, and of one writing."""
    told = Told()
    for _ in range(rounds):
        writer = subprocess.Popen([sys.executable, "-c", WRITER])
        while not Path("file").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        writer.kill()
        writer.wait()
        found = Path("file").read_bytes()
        told.need(found == found[:1] * SIZE, "a half-written file")
    told.figures = f"{rounds} writers killed, the file whole after each"
    return told


def compile_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a program is compiled over an older one: one of the two is there, whole."""
    told, hits = Told(), 0
    write_model("old.py", 0)
    write_model("new.py", 1)
    timed("compile", "old.py", "-o", "old.hermes")
    longest = timed("compile", "new.py", "-o", "new.hermes")
    whole = {Path("old.hermes").read_bytes(), Path("new.hermes").read_bytes()}
    for _ in range(rounds):
        Path("p.hermes").write_bytes(Path("old.hermes").read_bytes())
        hits += killed(rng, longest, "compile", "new.py", "-o", "p.hermes")
        told.need(Path("p.hermes").read_bytes() in whole, "a half-written program")
    told.figures = f"{hits} of {rounds} compilations killed, the file whole after each"
    return told


def programming_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a chip is programmed: it goes on, and ends with the same bits."""
    told, hits = Told(), 0
    write_model("p.py", 0, hidden=400)
    timed("compile", "p.py", "-o", "p.hermes")
    longest = timed(*PROGRAMMING)
    wanted = Path("p.state").read_bytes()
    Path("p.state").unlink()
    for number in range(rounds):
        if number % 2:
            hits += killed(rng, longest, *PROGRAMMING)
        else:
            hits += killed_behind(rng, "p.state.part", *PROGRAMMING)
        half = Path("p.state").exists() and Path("p.state").read_bytes() != wanted
        told.need(not half, "a half-written state")
    went_on = Path("p.state.part").exists()
    code, err = finish(*PROGRAMMING)
    told.need(code == 0, f"going on ended with {code}: {err[-300:]}")
    told.need(not went_on or "went on after iteration" in err, "it began anew")
    same = Path("p.state").exists() and Path("p.state").read_bytes() == wanted
    told.need(same, "another state than without a stop")
    told.need(not Path("p.state.part").exists(), "a checkpoint is left at the end")
    how = err.strip().splitlines()[0] if went_on else "no checkpoint was left"
    told.figures = f"{hits} of {rounds} programmings killed, {how}, the same bits at the end"
    return told


def study_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a study runs: it goes on from what it kept, with the same results."""
    told, hits, cells = Told(), 0, Path("second")
    longest = timed(*STUDY, "--cells", "first", "--jobs", "1")
    wanted = Path("runs.csv").read_bytes()
    Path("runs.csv").unlink()
    for number in range(rounds):
        words = (*STUDY, "--cells", str(cells), "--jobs", rng.choice("12"))
        if number % 2:
            hits += killed(rng, longest, *words)
        else:
            hits += killed_behind(rng, f"{cells}/*.json", *words)
    kept, all_of_them = len(list(cells.glob("*.json"))), len(list(Path("first").glob("*.json")))
    Path("runs.csv").unlink(missing_ok=True)
    code, err = finish(*STUDY, "--cells", str(cells), "--jobs", "1")
    told.need(code == 0, f"going on ended with {code}: {err[-300:]}")
    same = Path("runs.csv").exists() and Path("runs.csv").read_bytes() == wanted
    told.need(same, "other results than without a stop")
    told.figures = (
        f"{hits} of {rounds} studies killed, {kept} of {all_of_them} results kept by then, "
        "the same file at the end"
    )
    return told


def one_file(_rng: random.Random, rounds: int) -> Told:
    """Two processes write one file at the same time: it is that of one of them, whole."""
    told, wins = Told(), [0, 0]
    models = ("a", "b")
    for name, seed in zip(models, (0, 1), strict=True):
        write_model(f"{name}.py", seed)
        timed("compile", f"{name}.py", "-o", f"{name}.hermes")
    whole = [Path(f"{name}.hermes").read_bytes() for name in models]
    for _ in range(rounds):
        both = [start("compile", f"{name}.py", "-o", "p.hermes") for name in models]
        codes = [process.wait() for process in both]
        told.need(codes == [0, 0], f"exit codes {codes}")
        found = Path("p.hermes").read_bytes()
        told.need(found in whole, "a mixture of both programs")
        wins[found == whole[1]] += 1
    left = [p.name for p in Path().glob(".p.hermes.*")]
    told.need(not left, f"left over: {left}")
    two = [start(*STUDY, "--cells", "cells", "--jobs", "1") for _ in models]
    codes = [process.wait() for process in two]
    told.need(codes == [0, 0], f"two studies on one folder of results: exit codes {codes}")
    told.figures = f"{rounds} times two processes: {wins[0]} and {wins[1]} won, whole each time"
    return told


def full_disk(_rng: random.Random, _rounds: int) -> Told:
    """A disk without room: one sentence, exit 2, nothing left behind."""
    told = Told()
    write_model("p.py", 0)
    timed("compile", "p.py", "-o", "p.hermes")
    timed("program", "p.hermes", "-o", "p.state")
    tried = 0
    with small_disk() as disk:
        if disk is None:
            told.figures = "skipped: only root mounts a small disk; "
        else:
            commands = (
                ("compile", "p.py", "-o", f"{disk}/p.hermes"),
                ("program", "p.hermes", "-o", f"{disk}/p.state"),
                ("view", "p.hermes", "-o", f"{disk}/p.html"),
                ("run", "p.hermes", "--outputs", f"{disk}/y.npz"),
                ("run", "p.hermes", "--trace", f"{disk}/t.json"),
                (*STUDY[:-1], f"{disk}/runs.csv", "--cells", f"{disk}/cells"),
            )
            for words in commands:
                tried += 1
                _refused(told, *words)
                left = [p for p in disk.rglob("*") if p.is_file() and p.name != "full"]
                told.need(not left, f"{words[0]} left {left}")
    for words in (("inspect", "p.hermes", "--json"), ("chips",), ("run", "p.hermes")):
        tried += 1
        with open("/dev/full", "w") as full:  # noqa: PTH123
            run = subprocess.run([*HERMESC, *words], stdout=full, stderr=subprocess.PIPE, text=True)
        _one_sentence(told, words, run.returncode, run.stderr)
    told.figures += f"{tried} commands on a full disk, each with one sentence and exit 2"
    return told


def _refused(told: Told, *words: str) -> None:
    _one_sentence(told, words, *finish(*words))


def _one_sentence(told: Told, words: tuple[str, ...], code: int, err: str) -> None:
    clear = code == 2 and err.startswith("error: ") and "Traceback" not in err
    told.need(clear, f"{' '.join(words)}: exit {code}: {err[-400:]}")


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A disk of 16 kB with no room left; None where nobody may mount one."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]
        if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
            yield None
            return
        try:
            with suppress(OSError), Path(folder, "full").open("wb", buffering=0) as full:
                while full.write(bytes(2**10)):
                    pass
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def worker_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 of a process that computes for a study, here and on a Dask cluster."""
    told = Told()
    timed(*STUDY, "--cells", "whole", "--jobs", "1")
    wanted = Path("runs.csv").read_bytes()
    ends = {"went on": 0, "one sentence": 0}
    for number in range(max(1, rounds // 3)):
        for cluster in (False, True):
            folder = f"cells{number}{cluster:d}"
            code, err = _with_a_worker_killed(rng, folder, cluster=cluster)
            clear = code == 2 and err.startswith("error: ") and "Traceback" not in err
            told.need(code == 0 or clear, f"cluster {cluster}: exit {code}: {err[-600:]}")
            ends["went on" if code == 0 else "one sentence"] += 1
            Path("runs.csv").unlink(missing_ok=True)
            code, err = finish(*STUDY, "--cells", folder, "--jobs", "1")
            told.need(code == 0 and Path("runs.csv").read_bytes() == wanted, "other results")
    told.figures = ", ".join(f"{count} {how}" for how, count in ends.items())
    told.figures += "; the same results when the command is given again"
    return told


def _with_a_worker_killed(rng: random.Random, cells: str, *, cluster: bool) -> tuple[int, str]:
    """A study that has begun to compute and then loses a process: exit code and error."""
    import distributed

    if not cluster:
        process = start(*STUDY, "--cells", cells, "--jobs", "2")
        victims = lambda: _children(process.pid)  # noqa: E731
        return _lose_one(rng, process, cells, victims)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as workers:
        process = start(*STUDY, "--cells", cells, "--scheduler", workers.scheduler_address)
        victims = lambda: [w.process.process.pid for w in workers.workers.values()]  # noqa: E731
        return _lose_one(rng, process, cells, victims)


def _lose_one(
    rng: random.Random,
    process: "subprocess.Popen[str]",
    cells: str,
    victims: Callable[[], list[int]],
) -> tuple[int, str]:
    while process.poll() is None and not list(Path(cells).glob("*.json")):
        time.sleep(0.05)
    time.sleep(rng.uniform(0, 0.5))
    found = victims()
    if process.poll() is None and found:
        os.kill(rng.choice(found), signal.SIGKILL)
    _, err = process.communicate()
    return process.returncode, err


def _children(parent: int) -> list[int]:
    """The processes that compute for a study, not the one that counts its semaphores."""
    import psutil

    return [
        child.pid
        for child in psutil.Process(parent).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]


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
