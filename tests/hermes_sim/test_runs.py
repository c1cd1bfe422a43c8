"""Streams by their rule against the same streams job by job."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim import fifo
from hermes_sim.fifo import Feed, critical_path, join, serve
from hermes_sim.runs import IrregularError, Run, Runs, TimesPs

COUNT = 360


def served(release: TimesPs, service: int) -> TimesPs:
    """Jobs one after the other, by the recursion."""
    ends, end = [], -(10**15)
    for time in release.tolist():
        end = max(time, end) + service
        ends.append(end)
    return np.array(ends)


@st.composite
def streams(draw: st.DrawFn) -> Runs:
    """Some runs of jobs, in any order of times."""
    cuts = sorted(draw(st.sets(st.integers(1, COUNT - 1), max_size=3)))
    runs = []
    for start, stop in zip([0, *cuts], [*cuts, COUNT], strict=True):
        numbers = st.lists(st.integers(0, 900), min_size=1, max_size=min(5, stop - start))
        runs.append(Run(start, stop, np.array(draw(numbers)), draw(st.integers(0, 60))))
    return Runs(runs)


@given(streams(), streams(), st.integers(0, 20), st.integers(1, 4), st.integers(0, 3))
def test_a_rule_is_what_it_is_job_by_job(
    one: Runs, other: Runs, service: int, each: int, first: int
) -> None:
    a, b = one.array(), other.array()
    assert one.tolist() == [one[i] for i in range(COUNT)]
    later = one.later(other)
    assert (later.array() == np.maximum(a, b)).all()
    assert (later.served(service).array() == served(np.maximum(a, b), service)).all()
    assert (one.every(first, each).array() == a[first::each]).all()
    assert (one.repeated(each).array() == np.repeat(a, each)).all()
    assert (one.shifted(service).array() == a + service).all()
    held = a.copy()
    held[first] = max(held[first], 700)
    assert (one.at_least(first, 700).array() == held).all()
    assert one.head(8) == a[:8].tolist()


@given(streams(), st.integers(0, 20), st.integers(0, COUNT - 1))
def test_the_last_job_that_did_not_wait_is_found(release: Runs, service: int, job: int) -> None:
    starts = release.served(service).shifted(-service)
    same = np.flatnonzero((release.array() == starts.array())[: job + 1])
    assert release.last_equal(starts, job) == same[-1]


def test_a_stream_of_a_million_jobs_is_a_few_numbers() -> None:
    jobs = 10**6
    first = serve("a", 7, jobs)
    parts = serve("b", 3, 4 * jobs, [Feed(first, 5, "link", each_feeds=4)])
    done = join(jobs, [Feed(parts, every=4, first=3), Feed(first)])
    assert isinstance(done.times, Runs) and len(done.times.runs) < 4
    assert done.last == 7 + 5 + 4 * jobs * 3
    assert critical_path(done, jobs - 1) == {"a": 7, "link": 5, "b": 12 * jobs}


def test_a_stream_without_a_rule_is_kept_job_by_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def irregular(*_: object) -> None:
        raise IrregularError

    slow, quick = (serve("a", service, fifo.LONG) for service in (9, 2))
    feeds = [Feed(slow), Feed(quick, 3)]
    wanted = serve("b", 4, fifo.LONG, feeds)
    monkeypatch.setattr(Runs, "later", irregular)
    found = serve("b", 4, fifo.LONG, feeds)
    assert isinstance(wanted.times, Runs) and isinstance(found.times, np.ndarray)
    assert found.times.tolist() == wanted.times.tolist()
    last = fifo.LONG - 1
    assert critical_path(found, last) == critical_path(wanted, last)
