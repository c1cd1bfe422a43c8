"""A stream's rule against its jobs one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim.runs import Run, Runs, TimesPs, patterned


@given(st.lists(st.integers(0, 9), min_size=1, max_size=300), st.integers(0, 20))
def test_times_one_by_one_are_the_times(given_times: list[int], later: int) -> None:
    """However many short runs in a row there are, and whichever were made one."""
    made = Runs.joined([Run(i, i + 1, time, 0) for i, time in enumerate(given_times)])
    assert made.tolist() == [made[i] for i in range(len(made))] == given_times
    assert made.shifted(later).tolist() == [time + later for time in given_times]
    jobs: TimesPs = np.arange(-1, len(made))
    assert made.take(jobs).tolist() == [0, *given_times]
    assert made.head(8) == given_times[:8]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=7), st.integers(0, 50), st.data())
def test_a_part_of_a_run_is_those_jobs(pattern: list[int], step: int, data: st.DataObject) -> None:
    stop = data.draw(st.integers(1, 40))
    run = patterned(0, stop, np.array(pattern), step)
    values = [pattern[i % len(pattern)] + i // len(pattern) * step for i in range(stop)]
    start = data.draw(st.integers(0, stop - 1))
    end = data.draw(st.integers(start + 1, stop))
    part = run.part(start, end)
    assert part.values(start, end - start).tolist() == values[start:end]
    assert [run.at(i) for i in range(stop)] == values


def test_equal_steps_are_one_straight_run_of_four_numbers() -> None:
    apart = [Run(0, 1, 5, 0), Run(1, 3, 8, 3), patterned(3, 9, np.array([14, 17]), 6)]
    assert Runs.joined(apart).runs == [Run(0, 9, 5, 3)]


def test_what_has_no_rule_is_a_list() -> None:
    times = np.random.default_rng(0).integers(0, 1000, 5000)
    made = Runs.joined([Run(i, i + 1, time, 0) for i, time in enumerate(times.tolist())])
    assert made.is_list and len(made.runs) == 1
    assert made.array().tolist() == times.tolist()
    assert not Runs.constant(7, 5000).is_list
