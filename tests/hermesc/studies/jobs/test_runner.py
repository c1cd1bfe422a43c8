"""Jobs in this process, in others, on a Dask cluster; what is kept is not run again."""

import gc
import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

from hermesc.studies.jobs.blobs import held
from hermesc.studies.jobs.result_cache import Store
from hermesc.studies.jobs.runner import JobKind, Workers, run_jobs
from hermesrt.errors import InputError, OptionError


def work(compute: Callable[[Any], Any]) -> JobKind[Any, Any]:
    """Jobs that are numbers; `compute` is sent to other processes by its name."""
    return JobKind(compute, lambda job: {"job": job}, lambda result: result, float)


JOBS = [1.0, 4.0, 9.0, 16.0, 25.0]
ROOTS = {1.0: 1.0, 4.0: 2.0, 9.0: 3.0, 16.0: 4.0, 25.0: 5.0}


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_comes_back_with_its_result(workers: int) -> None:
    assert dict(run_jobs(work(math.sqrt), JOBS, Workers(workers))) == ROOTS


def test_in_this_process_jobs_keep_their_order_and_the_threads_come_back() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(run_jobs(work(math.sqrt), JOBS, Workers())) == list(ROOTS.items())
        assert list(run_jobs(work(_threads), [0], Workers())) == [(0, 1)]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def _threads(_: float) -> int:
    return torch.get_num_threads()


def test_what_is_kept_is_not_run_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = dict(run_jobs(work(math.sqrt), JOBS[:3], Workers(), store))
    assert first == {job: ROOTS[job] for job in JOBS[:3]}
    assert store.count({"job": job} for job in JOBS) == 3
    rest = dict(run_jobs(work(math.exp), JOBS, Workers(), store))
    assert rest == first | {job: math.exp(job) for job in JOBS[3:]}


def test_jobs_before_a_stop_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    running = run_jobs(work(math.sqrt), JOBS, Workers(), store)
    assert [next(running), next(running)] == [(1.0, 1.0), (4.0, 2.0)]
    running.close()  # type: ignore[attr-defined]
    assert store.count({"job": job} for job in JOBS) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_comes_through(workers: int) -> None:
    with pytest.raises(ValueError, match=r"math|expected"):
        dict(run_jobs(work(math.sqrt), [-1.0, -4.0], Workers(workers)))


def test_a_worker_that_was_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermesc.studies.jobs.runner._ATTEMPTS", 1)
    with pytest.raises(OptionError, match="a process was ended from outside"):
        dict(run_jobs(work(os._exit), [1, 2, 3], Workers(2)))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to the limit")
def test_a_job_that_takes_more_than_its_memory_is_told_and_the_others_are_kept(
    tmp_path: Path,
) -> None:
    store, place = Store(tmp_path), Workers(memory_mib=1024)
    assert dict(run_jobs(work(_bytes_taken), [2.0**20], place, store)) == {2.0**20: 2**20}
    with pytest.raises(OptionError, match="more memory than it may have; allow more by --memory"):
        dict(run_jobs(work(_bytes_taken), [2.0**20, 2.0**31], place, store))
    assert store.count({"job": job} for job in (2.0**20, 2.0**31)) == 1


def _bytes_taken(count: float) -> int:
    return torch.ones(int(count), dtype=torch.uint8).nbytes


def _first_time_killed(job: float) -> float:
    """The first of all jobs ends its process; a file says that it was there."""
    mark = Path(held("mark").decode())
    if job == JOBS[0] and not mark.exists():
        mark.touch()
        os._exit(1)
    return math.sqrt(job)


def test_the_jobs_of_a_killed_worker_are_given_again(tmp_path: Path) -> None:
    blobs = {"mark": str(tmp_path / "mark").encode()}
    found = dict(run_jobs(work(_first_time_killed), JOBS, Workers(2), blobs=blobs))
    assert (tmp_path / "mark").exists()
    assert found == ROOTS


def _of_blob(job: float) -> float:
    return float(held("number")) * job


@pytest.mark.parametrize("workers", [1, 2])
def test_every_worker_has_what_jobs_share(workers: int) -> None:
    found = dict(run_jobs(work(_of_blob), [1.0, 2.0], Workers(workers), blobs={"number": b"3"}))
    assert found == {1.0: 3.0, 2.0: 6.0}


_MADE: list[float] = []


def _made_here(job: float) -> float:
    return sum(_MADE) * job


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process starts anew")
def test_processes_have_what_was_made_for_all_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermesc.studies.jobs.runner.active_count", lambda: 1)  # of a test's runner
    shared = replace(work(_made_here), share=_MADE.extend)
    try:
        assert dict(run_jobs(shared, [1.0, 2.0], Workers(2))) == {1.0: 3.0, 2.0: 6.0}
    finally:
        _MADE.clear()


def _left_alone(job: float) -> float:
    return job * (gc.get_freeze_count() > 1000)


@pytest.mark.skipif(sys.platform != "linux", reason="processes start anew")
def test_copied_processes_do_not_look_through_what_they_share_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hermesc.studies.jobs.runner.active_count", lambda: 1)  # of a test's runner
    before = gc.get_freeze_count()
    assert dict(run_jobs(work(_left_alone), JOBS, Workers(2))) == {job: job for job in JOBS}
    assert gc.get_freeze_count() == before


def test_a_process_with_another_thread_is_not_copied() -> None:
    shared, stop = replace(work(_made_here), share=_MADE.extend), Event()
    thread = Thread(target=stop.wait)
    thread.start()
    try:
        assert dict(run_jobs(shared, [1.0, 2.0], Workers(2))) == {1.0: 0.0, 2.0: 0.0}
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A Dask cluster on this machine."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_gives_the_same(scheduler: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert dict(run_jobs(work(math.sqrt), JOBS, Workers(scheduler=scheduler), store)) == ROOTS
    assert store.count({"job": job} for job in JOBS) == 5


def test_a_cluster_gets_what_a_job_needs(scheduler: str) -> None:
    plain = work(_of_blob)
    needy = replace(plain, needs=lambda _: ("number",))
    place = Workers(scheduler=scheduler)
    found = dict(run_jobs(needy, [1.0, 2.0], place, blobs={"number": b"4", "other": b"9"}))
    assert found == {1.0: 4.0, 2.0: 8.0}


def test_a_job_whose_cluster_worker_was_killed_is_given_again(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    blobs = {"mark": str(tmp_path / "mark").encode()}
    killed = replace(work(_first_time_killed), needs=lambda _: ("mark",))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        place = Workers(scheduler=cluster.scheduler_address)
        found = dict(run_jobs(killed, JOBS, place, blobs=blobs))
    assert (tmp_path / "mark").exists()
    assert found == ROOTS


def test_an_error_on_a_cluster_comes_through(scheduler: str) -> None:
    with pytest.raises(ValueError, match=r"math|expected"):
        dict(run_jobs(work(math.sqrt), [-1.0], Workers(scheduler=scheduler)))


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermesc.studies.jobs.runner._CONNECT_S", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(OptionError, match="no Dask scheduler answers there"):
            dict(run_jobs(work(math.sqrt), JOBS, Workers(scheduler=address)))


def test_a_cluster_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'hermesc\[cluster\]'"):
        dict(run_jobs(work(math.sqrt), JOBS, Workers(scheduler="tcp://127.0.0.1:9")))


def test_a_cluster_that_ends_in_the_middle_is_told(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost:
        def result(self) -> None:
            raise CancelledError("connection-lost\nand more")

    monkeypatch.setattr("distributed.as_completed", lambda *_, **__: iter([Lost()]))
    with pytest.raises(OptionError, match=r"lost a job \(connection-lost\); finished results are"):
        dict(run_jobs(work(math.sqrt), JOBS, Workers(scheduler=scheduler)))
