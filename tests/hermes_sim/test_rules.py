"""Streams by their rule against the same streams job by job."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim import rules
from hermes_sim.critical_path import critical_path
from hermes_sim.fifo import every, join, repeated, serve, split_jobs
from hermes_sim.rules import dealt, last_equal, later, served, taken
from hermes_sim.runs import Run, Runs, TimesPs, patterned
from hermes_sim.tracks import Feed

COUNT = 360


def one_by_one(release: TimesPs, service: int) -> TimesPs:
    """Jobs one after the other, by the recursion."""
    ends, end = [], -(10**15)
    for time in release.tolist():
        end = max(time, end) + service
        ends.append(end)
    return np.array(ends)


@st.composite
def streams(draw: st.DrawFn, count: int = COUNT) -> Runs:
    """Some runs of jobs, in any order of times."""
    cuts = sorted(draw(st.sets(st.integers(1, count - 1), max_size=3)))
    runs = []
    for start, stop in zip([0, *cuts], [*cuts, count], strict=True):
        numbers = st.lists(st.integers(0, 900), min_size=1, max_size=min(5, stop - start))
        runs.append(patterned(start, stop, np.array(draw(numbers)), draw(st.integers(0, 60))))
    return Runs(runs)


@given(streams(), streams(), st.integers(0, 20), st.sampled_from([1, 2**14]))
def test_a_rule_is_what_it_is_job_by_job(
    one: Runs, other: Runs, service: int, longest: int
) -> None:
    a, b = one.array(), other.array()
    with patch.object(rules, "LONGEST", longest):
        latest = later(one, other)
        assert (latest.array() == np.maximum(a, b)).all()
        assert (served(latest, service).array() == one_by_one(np.maximum(a, b), service)).all()
    held = a.copy()
    held[3] = max(held[3], 700)
    assert (one.at_least(3, 700).array() == held).all()


@st.composite
def places(draw: st.DrawFn) -> Runs:
    """Jobs of a stream, in rows that follow each other as those of a window do; -1 for some."""
    runs, start = [], 0
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.lists(st.integers(0, 40), min_size=1, max_size=6))
        turns, step = draw(st.integers(1, 12)), draw(st.integers(0, 24))
        stop = start + turns * len(row) - draw(st.integers(0, len(row) - 1))
        runs.append(patterned(start, stop, np.array(row), step))
        start = stop
    if draw(st.booleans()):
        runs.append(patterned(start, start + 2, np.array([-1, 5]), 0))
    return Runs(runs)


@given(streams(), places(), st.integers(1, 4), st.sampled_from([1, 2**14]))
def test_jobs_in_another_order_are_those_jobs(
    times: Runs, at: Runs, each: int, longest: int
) -> None:
    known, wanted = times.array(), at.array()
    with patch.object(rules, "LONGEST", longest):
        found = taken(times, at)
        assert found.tolist() == [int(known[i]) if i >= 0 else 0 for i in wanted]
        assert repeated(times, each).tolist() == np.repeat(known, each).tolist()
        straight = Runs([Run(0, len(range(each - 1, COUNT, each)), each - 1, each)])
        assert taken(times, straight).tolist() == known[each - 1 :: each].tolist()


@given(st.data(), st.integers(1, 4), st.sampled_from([1, 2**14]))
def test_streams_in_turn_are_one_of_each_and_so_on(
    data: st.DataObject, many: int, longest: int
) -> None:
    more = data.draw(st.integers(0, many - 1))
    servers = [data.draw(streams(40 + (turn < more))) for turn in range(many)]
    with patch.object(rules, "LONGEST", longest):
        found = dealt(servers).tolist()
    assert found == [servers[i % many][i // many] for i in range(40 * many + more)]


@given(streams(), st.integers(0, 20), st.integers(0, COUNT - 1), st.sampled_from([1, 2**14]))
def test_the_last_job_that_did_not_wait_is_found(
    release: Runs, service: int, job: int, longest: int
) -> None:
    with patch.object(rules, "LONGEST", longest):
        starts = served(release, service).shifted(-service)
        same = np.flatnonzero((release.array() == starts.array())[: job + 1])
        assert last_equal(release, starts, job) == same[-1]


def test_a_stream_of_a_million_jobs_is_a_few_numbers() -> None:
    jobs = 10**6
    first = serve("a", 7, jobs)
    parts = serve("b", 3, 4 * jobs, [Feed(first, 5, "link", at=split_jobs(jobs, 4))])
    done = join(jobs, [every(parts, 4), Feed(first)])
    assert len(done.known().runs) < 4
    assert done.last == 7 + 5 + 4 * jobs * 3
    assert critical_path(done, jobs - 1) == {"a": 7, "link": 5, "b": 12 * jobs}
