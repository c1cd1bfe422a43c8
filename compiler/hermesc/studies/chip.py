"""The experiment on the simulated chip: projections there, everything else in FP32.

One projection serves all kernels: they differ by a factor only (sqrt(2 gamma)), and codes,
conductances and counts are relative to the largest input, weight and output. As on the real chip,
the non-linear functions are digital and the ridge head is trained on FP32 features; calibration
inputs are the training inputs, the chip's seed is the draw's.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

import hermesc
from hermesc.errors import OptionError
from hermesc.kernels import ArcCosine, Rbf
from hermesc.studies.datasets import Dataset, Prepared, prepare, read_dataset
from hermesc.studies.measurements import Cell, Measurements, Scores
from hermesc.studies.published import (
    ERROR_ROWS,
    KERNELS,
    count_correct,
    draw,
    feature_count,
    kernel_error,
    ridge_head,
)
from hermesc.target.spec import ChipSpec, Mode
from hermesrt.program import Chip

_BLOCK_ROWS = 4096  # at least ERROR_ROWS
_EXAMPLE_ROWS = 8

Project = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Job:
    """One projection to simulate, and the kernels that use it."""

    folder: Path
    dataset: str
    sampler: str
    log2_ratio: int
    seed: int
    kernels: tuple[str, ...]
    chip: ChipSpec
    mode: Mode = "4-phase"
    age_s: float = 0.0

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One for each kernel."""
        return tuple(Cell(self.dataset, k, self.sampler, self.log2_ratio) for k in self.kernels)


class Projection(nn.Module):
    """x omega, the only product with a fixed matrix in the experiment."""

    omega: Tensor

    def __init__(self, omega: Float[Tensor, "inputs features"]) -> None:
        super().__init__()
        self.register_buffer("omega", omega)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.omega


def plan(
    measured: Measurements, folder: Path, seeds: Sequence[int], chip: ChipSpec
) -> tuple[Job, ...]:
    """The jobs that predict all measured cells for some seeds, the longest of a dataset first."""
    kernels: dict[tuple[str, int, str, int], list[str]] = {}
    for cell, found in measured.scores.items():
        for seed in found:
            if seed in seeds:
                key = (cell.dataset, cell.log2_ratio, cell.sampler, seed)
                kernels.setdefault(key, []).append(cell.kernel)
    ordered = sorted(
        kernels.items(), key=lambda item: (measured.datasets.index(item[0][0]), -item[0][1])
    )
    return tuple(
        Job(folder, dataset, sampler, ratio, seed, tuple(names), chip)
        for (dataset, ratio, sampler, seed), names in ordered
    )


def run(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, tuple[Scores, ...]]]:
    """Each job with the scores of its cells, in the jobs' order; one thread a process.

    The number of workers changes no bit of the results.
    """
    if workers == 1 or len(jobs) == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for job in jobs:
                yield job, simulate(job)
        finally:
            torch.set_num_threads(threads)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker)
    try:
        yield from zip(jobs, pool.map(simulate, jobs), strict=True)
    except BrokenProcessPool:
        raise OptionError(
            f"--jobs {workers}: a process was ended from outside, perhaps for lack of memory; "
            "try fewer"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def processors() -> int:
    """How many processes this one may run at a time."""
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def simulate(job: Job) -> tuple[Scores, ...]:
    """The scores of a job's cells, by its kernels."""
    data = _prepared(job.folder, job.dataset, job.seed)
    inputs = data.train.shape[1]
    omega = draw(job.sampler, inputs, feature_count(inputs, job.log2_ratio), job.seed).T

    def in_fp32(x: Tensor) -> Tensor:
        return x @ omega

    with torch.no_grad():
        trained = [_trained(KERNELS[name], in_fp32, data) for name in job.kernels]
        fp = _evaluated(trained, in_fp32, data)
        chip = _evaluated(trained, _deployed(omega, data.train, job), data)
    return tuple(
        Scores(error_fp, error_chip, accuracy_fp, accuracy_chip)
        for (error_fp, accuracy_fp), (error_chip, accuracy_chip) in zip(fp, chip, strict=True)
    )


class _Trained(NamedTuple):
    """A kernel with its ridge head and its exact values on the first test points."""

    kernel: Rbf | ArcCosine
    head: Tensor
    exact: Tensor


def _trained(kernel: Rbf | ArcCosine, project: Project, data: Prepared) -> _Trained:
    blocks = _blocks(data.train, data.train_labels)
    head = ridge_head((kernel.features(project(x)), labels) for x, labels in blocks)
    first = data.test[:ERROR_ROWS]
    return _Trained(kernel, head, kernel.exact(first, first))


def _evaluated(
    trained: Sequence[_Trained], project: Project, data: Prepared
) -> list[tuple[float, float]]:
    """Kernel error and accuracy of each kernel on the test points, projected in that way."""
    errors, correct = [0.0] * len(trained), [0] * len(trained)
    for number, (x, labels) in enumerate(_blocks(data.test, data.test_labels)):
        projected = project(x)
        for k, (kernel, head, exact) in enumerate(trained):
            z = kernel.features(projected)
            correct[k] += count_correct(head, z, labels)
            if number == 0:
                errors[k] = kernel_error(exact, z[:ERROR_ROWS])
    return [(e, c / len(data.test)) for e, c in zip(errors, correct, strict=True)]


def _start_worker() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is the parent's to do
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that was killed cannot end its workers; they would wait for jobs for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _deployed(omega: Tensor, calibration: Tensor, job: Job) -> Chip:
    program = hermesc.compile(
        Projection(omega.contiguous()),
        calibration[:_EXAMPLE_ROWS],
        chip=job.chip,
        calibration=calibration,
    )
    chip = program.deploy(hermesc.simulate(job.chip, seed=job.seed))
    return chip.configure(mode=job.mode, age_s=job.age_s)


def _blocks(rows: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield rows[start : start + _BLOCK_ROWS], labels[start : start + _BLOCK_ROWS]


@lru_cache(maxsize=1)
def _dataset(folder: Path, name: str) -> Dataset:
    return read_dataset(folder, name)


@lru_cache(maxsize=2)
def _prepared_for(folder: Path, name: str, seed: int) -> Prepared:
    return prepare(_dataset(folder, name), seed)


def _prepared(folder: Path, name: str, seed: int) -> Prepared:
    permuted = _dataset(folder, name).parts is None
    return _prepared_for(folder, name, seed if permuted else 0)
