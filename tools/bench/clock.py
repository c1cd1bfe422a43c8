"""How benchmarks measure: one thread, CPU time, rounds interleaved, the median."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

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


def machine() -> dict[str, str]:
    """What figures hold for: processor, instructions, versions."""
    import torch

    from hermes_sim import device

    found, can = device.kernel(), torch.cpu.get_capabilities()
    limited = can.get("avx512_f") and "AVX512" not in torch.backends.cpu.get_cpu_capability()
    return {
        "processor": _processor(str(can.get("cpu_name", platform.machine()))),
        "limited": "to less than it has" if limited else "",
        "torch_instructions": torch.backends.cpu.get_cpu_capability(),
        "kernel": "torch" if found is None else found.instructions,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hermesc": version("hermesc"),
    }


def _processor(name: str) -> str:
    """With family and model, for names alone are shared by generations."""
    numbers = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            numbers.setdefault(key.strip(), value.strip())
    if "cpu family" not in numbers:
        return name
    return f"{name} (family {numbers['cpu family']}, model {numbers['model']})"


def options(description: str | None) -> argparse.Namespace:
    """Of a benchmark's command line; takes the kernel that it asks for."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", type=Path, help="write the figures as JSON")
    names = "avx512-vnni, avx2, neon-dot, neon or torch"
    parser.add_argument("--kernel", help=f"{names}, instead of the best one")
    found = parser.parse_args()
    if found.kernel is not None:
        from hermes_sim import device
        from hermes_sim.kernel.load import load

        chosen = None if found.kernel == "torch" else load(found.kernel)
        device.kernel = lambda: chosen  # type: ignore[assignment]
    return found


def machine_line() -> str:
    """The same in a line."""
    return ", ".join(f"{name} {value}" for name, value in machine().items() if value)


def write_record(path: Path, benchmark: str, rows: Sequence[Mapping[str, str | float]]) -> None:
    """The figures as JSON, with what they hold for."""
    record = {"benchmark": benchmark, "machine": machine(), "rows": list(rows)}
    path.write_text(json.dumps(record, indent=1) + "\n")
