"""A queue in closed form against its recursion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim.fifo import Feed, Hold, Track, collect, critical_path, join, serve

times = st.lists(st.integers(0, 200), min_size=1, max_size=40)


def stream(ends: list[int]) -> Track:
    """Jobs of no duration that end at these times, in that order at the earliest."""
    track = serve("given", 0, len(ends), in_order=False)
    track.times = np.array(ends, np.int64)
    track.last = ends[-1]
    return track


@given(times, st.integers(0, 50), st.integers(0, 100))
def test_the_running_maximum_is_the_recursion(release: list[int], service: int, free: int) -> None:
    before = serve("before", free, 1)
    held = [Hold(0, before.last, before, 0)]
    track = serve("work", service, len(release), [Feed(stream(release))], held)
    wanted, end = [], free
    for r in release:
        end = max(r, end) + service
        wanted.append(end)
    assert track.times is not None
    assert track.times.tolist() == wanted


def test_a_path_walks_back_through_busy_time_delay_and_start() -> None:
    first = serve("a", 10, 5)
    second = serve("b", 3, 5, [Feed(first, 7, "remap", from_start=True)])
    assert second.last == 4 * 10 + 7 + 3
    assert critical_path(second, 4) == {"a": 40, "remap": 7, "b": 3}


def test_a_path_follows_the_source_that_came_last() -> None:
    quick, slow = serve("quick", 1, 3), serve("slow", 9, 3)
    both = join(3, [Feed(quick), Feed(slow)])
    assert critical_path(both, 2) == {"slow": 27}


def test_a_forgotten_stream_still_has_its_path_but_no_times() -> None:
    first = serve("a", 10, 100)
    second = serve("b", 1, 1, [Feed(first, whole=True)])
    first.forget()
    assert critical_path(second, 0) == {"a": 1000, "b": 1}
    with pytest.raises(AssertionError, match="forgotten"):
        serve("c", 1, 100, [Feed(first)])


def test_parts_of_a_token_and_tokens_of_parts() -> None:
    tokens = serve("a", 10, 3)
    parts = serve("b", 1, 6, [Feed(tokens, each_feeds=2)])
    assert parts.times is not None
    assert parts.times.tolist() == [11, 12, 21, 22, 31, 32]
    whole = join(3, [Feed(parts, every=2, first=1)])
    assert whole.times is not None
    assert whole.times.tolist() == [12, 22, 32]
    assert critical_path(whole, 2) == {"a": 30, "b": 2}


def test_what_was_dealt_to_servers_is_in_order_again() -> None:
    """Three servers of ten, one of which began late; each result waits for those before it."""
    late = serve("late", 100, 1)
    servers = [serve("a", 10, 2), serve("b", 10, 2, [Feed(late, whole=True)]), serve("c", 10, 2)]
    found = collect(servers, 1)
    assert found.times is not None
    assert found.times.tolist() == [10, 110, 110, 110, 120, 120]
    assert critical_path(found, 5) == {"b": 20, "late": 100}
    pairs = collect(servers, 2)
    assert pairs.times is not None
    assert pairs.times.tolist() == [110, 110, 120]
    assert critical_path(pairs, 2) == {"b": 20, "late": 100}
