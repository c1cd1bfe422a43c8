"""How benchmarks measure: one thread, CPU time, rounds interleaved, the median."""

import os
import statistics
import time
from collections.abc import Callable, Mapping

os.environ["OMP_NUM_THREADS"] = "1"


def medians(jobs: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Median CPU seconds of one call of each job; each round calls a job for 0.1 s at least."""
    import torch

    torch.set_num_threads(1)
    repeats = {name: _repeats(job) for name, job in jobs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                job()
            seconds[name].append((time.process_time() - start) / repeats[name])
    return {name: statistics.median(values) for name, values in seconds.items()}


def _repeats(job: Callable[[], object]) -> int:
    job()  # warm
    start = time.process_time()
    job()
    return max(1, int(0.1 / max(time.process_time() - start, 1e-6)))
