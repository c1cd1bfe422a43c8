"""The spread over chips: statistics against closed forms, and intervals that hold what they say."""

import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from hermesrt.spread import share_interval, spread_of, student


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 10, 11, 19, 30, 99, 1000])
def test_students_quantile_is_that_of_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(student_t.ppf(0.975, freedom), rel=2e-5)


def test_mean_deviation_and_the_worst_of_known_values() -> None:
    found = spread_of([1.0, 2.0, 6.0], [7, 8, 9], worst="largest")
    assert (found.mean, found.count) == (3.0, 3)
    assert found.deviation == pytest.approx(math.sqrt(7))
    assert (found.worst, found.worst_seed) == (6.0, 9)
    least = spread_of([1.0, 2.0, 6.0], [7, 8, 9], worst="least")
    assert (least.worst, least.worst_seed) == (1.0, 7)
    reach = 4.302653 * math.sqrt(7)
    assert found.interval == pytest.approx((3 - reach * 2 / 3**0.5, 3 + reach * 2 / 3**0.5))
    assert found.mean_interval == pytest.approx((3 - reach / 3**0.5, 3 + reach / 3**0.5))


def test_one_chip_has_no_deviation_and_no_interval() -> None:
    found = spread_of([0.5], [0], worst="least", bounds=(0.0, 1.0))
    assert found.mean == found.worst == 0.5
    assert math.isnan(found.deviation)
    assert all(map(math.isnan, (*found.interval, *found.mean_interval)))


def test_intervals_end_at_the_bounds_of_a_figure() -> None:
    found = spread_of([0.9, 1.0], [0, 1], worst="least", bounds=(0.0, 1.0))
    assert found.interval == (0.0, 1.0)


def test_the_interval_of_twenty_normal_draws_holds_95_per_cent_of_others() -> None:
    draw = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        *known, fresh = draw.normal(3.0, 2.0, 21)
        low, high = spread_of(known, range(20), worst="least").interval
        held.append(low <= fresh <= high)
    assert 0.94 < np.mean(held) < 0.96


def test_a_share_of_a_small_test_set_is_never_certain() -> None:
    """Wilson 1927: 50 of 100 is 40.4 to 59.6 %; none wrong of 64 is at least 94.3 %."""
    assert share_interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert share_interval(1.0, 64) == pytest.approx((0.9434, 1.0), abs=1e-4)
    assert share_interval(0.0, 64)[0] == 0
