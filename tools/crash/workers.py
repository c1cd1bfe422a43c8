"""A process that computes for a study is killed, here and on a Dask cluster."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from processes import STUDY, Told, finish, start, timed


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
