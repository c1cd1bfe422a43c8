"""Jobs of a study on this machine's processors or on a Dask cluster.

A job is plain data with a function that computes it; results do not depend on where or in which
order they run: one thread for each, all randomness from the job's own seed. Jobs whose result a
`Store` holds are not run. Stopping (Ctrl-C, an error) ends the workers at once.

On Linux the processes are copies of this one, which has imported and made what jobs share; that
takes a process with one thread of Python's, for a copy has no other, and with no GPU in use.
Otherwise, and under a limit of memory, each starts anew.
"""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from threading import Thread, active_count, current_thread, main_thread
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from warnings import catch_warnings, simplefilter

import torch

from hermesc.studies.jobs.blobs import hold
from hermesc.studies.jobs.result_cache import Store
from hermesrt.errors import OptionError
from hermesrt.extras import require
from hermesrt.threads import one_thread

J = TypeVar("J")
R = TypeVar("R")

_POLL_S = 0.2
_CONNECT_S = 10
_ATTEMPTS = 3  # where workers are killed


@dataclass(frozen=True, slots=True)
class JobKind(Generic[J, R]):
    """How jobs of a kind are computed, told apart, and written as plain data and back."""

    compute: Callable[[J], R]  # a function of a module, for it is sent to other processes
    identity: Callable[[J], Mapping[str, Any]]
    encode: Callable[[R], Any]
    decode: Callable[[Any], R]
    needs: Callable[[J], Sequence[str]] = lambda _job: ()  # names of blobs
    share: Callable[[Sequence[J]], None] = lambda _jobs: (
        None
    )  # keeps what jobs of one process share


@dataclass(frozen=True, slots=True)
class Workers:
    """Where jobs run: `workers` processes here, each with as much memory as it may take on Linux,
    or the Dask scheduler of an address."""

    workers: int = 1
    scheduler: str | None = None
    memory_mib: int | None = None


def run_jobs(
    work: JobKind[J, R],
    jobs: Sequence[J],
    place: Workers,
    store: Store | None = None,
    blobs: Mapping[str, bytes] = MappingProxyType({}),
) -> Iterator[tuple[J, R]]:
    """Each job with its result, those that were kept first, then as they end.

    `blobs` are what jobs need, by name; each worker gets them once.
    Raises: OptionError for a scheduler that does not answer, or when workers were killed again and
    again; InputError for a cell that is damaged; what a job itself raises.
    """
    left = []
    for job in jobs:
        kept = None if store is None else store.find(work.identity(job))
        if kept is None:
            left.append(job)
        else:
            yield job, work.decode(kept)
    for job, result in _computed(work, left, place, blobs):
        if store is not None:
            store.keep(work.identity(job), work.encode(result))
        yield job, result


def processors() -> int:
    """How many processes this one may run at a time."""
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def _computed(
    work: JobKind[J, R], jobs: Sequence[J], place: Workers, blobs: Mapping[str, bytes]
) -> Iterator[tuple[J, R]]:
    if place.scheduler is not None:
        return _on_cluster(work, jobs, place.scheduler, blobs)
    if place.memory_mib is None and (place.workers == 1 or len(jobs) <= 1):
        return _here(work.compute, jobs, blobs)
    return _in_processes(work, jobs, place, blobs)


def _here(
    compute: Callable[[J], R], jobs: Sequence[J], blobs: Mapping[str, bytes]
) -> Iterator[tuple[J, R]]:
    hold(blobs)
    for job in jobs:
        yield job, _alone(compute, job)


def _in_processes(
    work: JobKind[J, R], jobs: Sequence[J], place: Workers, blobs: Mapping[str, bytes]
) -> Iterator[tuple[J, R]]:
    """A process that was ended takes the others with it: what is left starts anew, in fewer."""
    left = list(jobs)
    for attempt in range(_ATTEMPTS):
        try:
            fewer = replace(place, workers=max(1, place.workers >> attempt))
            for job, result in _in_pool(work, left, fewer, blobs):
                left.remove(job)
                yield job, result
            return
        except BrokenProcessPool:
            continue
    raise OptionError(
        f"--jobs {place.workers}: a process was ended from outside {_ATTEMPTS} times, perhaps for "
        f"lack of memory; try fewer; {len(left)} of {len(jobs)} jobs are left"
    )


def _in_pool(
    work: JobKind[J, R], jobs: Sequence[J], place: Workers, blobs: Mapping[str, bytes]
) -> Iterator[tuple[J, R]]:
    copies = place.memory_mib is None and may_be_copied()
    if copies:
        with one_thread():
            work.share(jobs)
    context = get_context("fork" if copies else "spawn")
    stop = context.Event()
    given = (stop, dict(blobs), place.memory_mib)
    workers = min(place.workers, len(jobs))
    pool = ProcessPoolExecutor(workers, context, _start_worker, given)
    futures: dict[Future[R], J] = {}
    try:
        with _interrupts_ignored(), catch_warnings(), _left_alone():  # by new processes
            simplefilter("ignore", DeprecationWarning)  # idle threads of libraries are no harm
            futures = {pool.submit(_alone, work.compute, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        if not all(future.done() for future in futures):
            stop.set()
        pool.shutdown(cancel_futures=True)


def may_be_copied() -> bool:
    """Whether a copy of this process can work: none of its threads but this one is Python's, and no
    GPU is in use. Idle threads of torch and BLAS are not missed, for jobs have one thread."""
    gpu: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return sys.platform == "linux" and active_count() == 1 and not gpu


@contextmanager
def _left_alone() -> Iterator[None]:
    """What is there now is not looked through for garbage by processes that start meanwhile: that
    would make copies of all memory that they share with this one."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if current_thread() is not main_thread():  # only the main one has to do with signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start_worker(stop: Event, blobs: Mapping[str, bytes], memory_mib: int | None) -> None:
    if memory_mib is not None:
        import resource

        limit = memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    hold(blobs)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is the parent's to say
    Thread(target=_end_with, args=(os.getppid(), stop), daemon=True).start()


def _end_with(parent: int, stop: Event) -> None:
    """End when told to, in the middle of a job too, and with a parent that was killed."""
    while os.getppid() == parent and not stop.is_set():
        time.sleep(_POLL_S)
    os._exit(1)


def _alone(compute: Callable[[J], R], job: J) -> R:
    """Compute a job with one thread: how many there are could change the last bits."""
    try:
        with one_thread():
            return compute(job)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):  # as torch says it
            raise OptionError(
                "a job needs more memory than it may have; allow more by --memory, or run fewer at "
                "a time by --jobs; finished results are kept"
            ) from None
        raise


def _alone_with(compute: Callable[[J], R], job: J, names: Sequence[str], *blobs: bytes) -> R:
    """The same on a cluster's worker, which got what the job needs."""
    hold(dict(zip(names, blobs, strict=True)))
    return _alone(compute, job)


def _on_cluster(
    work: JobKind[J, R], jobs: Sequence[J], address: str, blobs: Mapping[str, bytes]
) -> Iterator[tuple[J, R]]:
    """Dask itself gives the job of a lost worker to another; one that is lost all the same is given
    again when all others are done."""
    require("distributed", "--scheduler")
    import distributed

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # we tell it ourselves
    try:
        connect: Any = distributed.Client  # untyped, as all of this package
        client = connect(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"--scheduler {address}: no Dask scheduler answers there ({str(error)[:200]}); give an "
            "address such as tcp://host:8786"
        ) from None
    left, why = list(jobs), ""
    with client:
        for _ in range(_ATTEMPTS):
            for job, result in _round(client, work, list(left), blobs):
                if isinstance(result, _Lost):
                    why = result.why
                else:
                    left.remove(job)
                    yield job, result
            if not left:
                return
    raise OptionError(
        f"--scheduler {address}: the cluster ended or lost a job ({why}); "
        "finished results are kept: start it and give the same command again"
    )


@dataclass(frozen=True, slots=True)
class _Lost:
    """Instead of a result: the workers of a job were ended."""

    why: str


def _round(
    client: Any, work: JobKind[J, R], jobs: Sequence[J], blobs: Mapping[str, bytes]
) -> Iterator[tuple[J, R | _Lost]]:
    """All jobs once, as they end."""
    import distributed

    lost = (distributed.KilledWorker, CancelledError)  # the one of futures is the latter
    futures: dict[Any, J] = {}
    try:
        sent = {n: client.scatter(data, broadcast=True, hash=False) for n, data in blobs.items()}
        for job in jobs:
            names = tuple(work.needs(job))
            needed = [sent[name] for name in names]
            future = client.submit(_alone_with, work.compute, job, names, *needed, pure=False)
            futures[future] = job
        ended: Any = distributed.as_completed
        for future in ended(futures, loop=client.loop):
            job = futures.get(future, jobs[0])
            try:
                yield job, future.result()
            except lost as error:
                yield job, _Lost(str(error).partition("\n")[0][:200])
    finally:
        client.cancel(list(futures))
