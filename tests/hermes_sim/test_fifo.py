"""A queue in closed form against its recursion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim.critical_path import critical_path
from hermes_sim.fifo import collect, every, join, serve, split_jobs
from hermes_sim.runs import Runs
from hermes_sim.tracks import Feed, Hold, Track

times = st.lists(st.integers(0, 200), min_size=1, max_size=40)


def stream(ends: list[int]) -> Track:
    """Jobs of no duration that end at these times, in that order at the earliest."""
    times = Runs.listed(np.array(ends, np.int64))
    return Track("given", 0, (), (), times, times, in_order=False)


@given(times, st.integers(0, 50), st.integers(0, 100))
def test_the_running_maximum_is_the_recursion(release: list[int], service: int, free: int) -> None:
    before = serve("before", free, 1)
    held = [Hold(0, before.last, before, 0)]
    track = serve("work", service, len(release), [Feed(stream(release))], held)
    wanted, end = [], free
    for r in release:
        end = max(r, end) + service
        wanted.append(end)
    assert track.known().tolist() == wanted


def test_a_path_walks_back_through_busy_time_delay_and_start() -> None:
    first = serve("a", 10, 5)
    second = serve("b", 3, 5, [Feed(first, 7, "remap", from_start=True)])
    assert second.last == 4 * 10 + 7 + 3
    assert critical_path(second, 4) == {"a": 40, "remap": 7, "b": 3}


def test_a_path_follows_the_source_that_came_last() -> None:
    quick, slow = serve("quick", 1, 3), serve("slow", 9, 3)
    both = join(3, [Feed(quick), Feed(slow)])
    assert critical_path(both, 2) == {"slow": 27}


def test_a_stream_without_a_rule_still_has_its_path_when_its_times_are_forgotten() -> None:
    """Its jobs wait for those of another one at random, the last for the last one."""
    jobs = np.cumsum(np.random.default_rng(0).integers(0, 50, 3000))
    source = serve("source", 10, int(jobs[-1]) + 1)
    first = serve("a", 20, 3000, [Feed(source, at=Runs.listed(jobs))])
    both = serve("b", 1, 3000, [Feed(first), Feed(serve("c", 2, 3000))])
    last = serve("d", 1, 1, [Feed(both, whole=True)])
    wanted = critical_path(last, 0)
    assert sum(wanted.values()) == last.last
    for track in (first, both):
        head = track.head
        track.forget()
        assert track.times is None
        assert track.head == head
    assert critical_path(last, 0) == wanted
    with pytest.raises(AssertionError, match="forgotten"):
        serve("e", 1, 3000, [Feed(first)])


def test_parts_of_a_token_and_tokens_of_parts() -> None:
    tokens = serve("a", 10, 3)
    parts = serve("b", 1, 6, [Feed(tokens, at=split_jobs(3, 2))])
    assert parts.known().tolist() == [11, 12, 21, 22, 31, 32]
    whole = join(3, [every(parts, 2)])
    assert whole.known().tolist() == [12, 22, 32]
    assert critical_path(whole, 2) == {"a": 30, "b": 2}


def test_what_was_dealt_to_servers_is_in_order_again() -> None:
    """Three servers of ten, one of which began late; each result waits for those before it."""
    late = serve("late", 100, 1)
    servers = [serve("a", 10, 2), serve("b", 10, 2, [Feed(late, whole=True)]), serve("c", 10, 2)]
    found = collect(servers, 1)
    assert found.known().tolist() == [10, 110, 110, 110, 120, 120]
    assert critical_path(found, 5) == {"b": 20, "late": 100}
    pairs = collect(servers, 2)
    assert pairs.known().tolist() == [110, 110, 120]
    assert critical_path(pairs, 2) == {"b": 20, "late": 100}
