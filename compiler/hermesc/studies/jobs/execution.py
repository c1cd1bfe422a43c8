"""Where the jobs of a study run, and where their results are kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from hermesc.studies.jobs.result_cache import Store
from hermesc.studies.jobs.runner import JobKind, Workers, processors, run_jobs
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable
from hermesrt.units import plural

J = TypeVar("J")
R = TypeVar("R")

CELLS = Path("hermesc-cells")
PICTURES = (".svg", ".png", ".pdf")


@dataclass(frozen=True, slots=True)
class Execution:
    """How a study's jobs are run.

    jobs: processes; one a processor, if not given.
    scheduler: address of a Dask scheduler to run on instead.
    cells: folder of finished results, from which a stopped study goes on.
    fresh: compute kept results again.
    progress: gets the jobs done and all jobs.
    memory_mib: that a process may take, on Linux; without a limit, if not given.
    """

    jobs: int | None = None
    scheduler: str | None = None
    cells: Path = CELLS
    fresh: bool = False
    progress: Callable[[int, int], None] | None = None
    memory_mib: int | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.scheduler is not None:
            raise OptionError(
                "--jobs and --scheduler: give one of them; a cluster has its own workers"
            )
        if self.memory_mib is not None and self.scheduler is not None:
            raise OptionError(
                "--memory and --scheduler: give one of them; a cluster's workers have limits of "
                "their own (dask worker --memory-limit)"
            )

    @property
    def workers(self) -> Workers:
        """Where jobs run."""
        return Workers(self.jobs or processors(), self.scheduler, self.memory_mib)

    def where(self, jobs: int) -> str:
        """Where that many jobs run, in words."""
        if self.scheduler is not None:
            return f"on the cluster of {self.scheduler}"
        return f"on {plural(min(self.workers.workers, jobs), 'processor')}"

    def finished(
        self,
        work: JobKind[J, R],
        jobs: Sequence[J],
        blobs: Mapping[str, bytes] = MappingProxyType({}),
    ) -> tuple[dict[J, R], int]:
        """The results of all jobs in their order, and how many were kept from before.

        Jobs must be different; `blobs` are what they need, by name.
        """
        store = Store(self.cells, self.fresh)
        store.check()
        kept = store.count(work.identity(job) for job in jobs)
        found = {}
        for job, result in run_jobs(work, jobs, self.workers, store, blobs):
            found[job] = result
            if self.progress is not None:
                self.progress(len(found), len(jobs))
        return {job: found[job] for job in jobs}, kept


def check_outputs(output: Path | None, plot: Path | None, **read: Path | None) -> None:
    """Fail before long work when a file cannot be written, or is no picture.

    Raises: InputError, OptionError.
    """
    for path in (output, plot):
        if path is not None:
            check_writable(path, **read)
    if plot is not None and plot.suffix not in PICTURES:
        raise OptionError(f"--plot {plot}: the picture is one of {', '.join(PICTURES)}")
