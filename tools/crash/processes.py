"""Commands in processes of their own, that end by themselves or are killed, and what to tell."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
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
