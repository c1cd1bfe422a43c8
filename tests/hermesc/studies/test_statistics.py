"""Statistics against numbers worked out by hand."""

import math

import pytest

from hermesc.studies.data.measurements import Cell, Scores
from hermesc.studies.statistics import (
    Goal,
    compare,
    correlation,
    goals,
    mean,
    relative_deviation,
    spread,
    standard_error,
    summaries,
    summarise,
)

ONE, TWO = Cell("ijcnn1", "rbf", "rff", 1), Cell("ijcnn1", "arccos0", "rff", 2)
MEASURED = {
    ONE: {0: Scores(0.5, 0.4, 0.90, 0.89), 1: Scores(0.5, 0.6, 0.90, 0.87)},
    TWO: {0: Scores(0.3, 0.2, 0.80, 0.80), 1: Scores(0.1, 0.2, 0.80, 0.80)},
}
PREDICTED = {
    ONE: {0: Scores(0.5, 0.55, 0.90, 0.89)},
    TWO: {0: Scores(0.3, 0.25, 0.80, 0.79), 1: Scores(0.1, 0.25, 0.80, 0.79)},
}


def test_one_cell_by_hand() -> None:
    cell = compare(PREDICTED, MEASURED)[0]
    assert cell.measured.mean == pytest.approx(0.5)
    assert cell.measured.deviation == pytest.approx(math.sqrt(0.02))
    assert cell.deviation == pytest.approx(0.1)
    assert cell.deviation_fp == pytest.approx(0.0)
    assert cell.in_seed_deviations == pytest.approx(0.05 / math.sqrt(0.02))
    assert cell.drop_predicted == pytest.approx(-0.01)
    assert cell.drop_measured == pytest.approx(-0.02)
    # accuracies on the chip 0.89 and 0.87, in FP32 0.90 twice
    assert cell.drop_error == pytest.approx(math.sqrt(0.0002 / 2))
    assert cell.repeat == 0


def test_a_summary_by_hand() -> None:
    cells = compare(PREDICTED, MEASURED)
    found = summarise(cells)
    assert found.cells == 2
    assert found.deviation == pytest.approx((0.1 + 0.25) / 2)
    assert found.deviation_fp == pytest.approx((0.0 + 0.0) / 2)
    assert found.within_one == 1.0  # of the first: the second has no spread over seeds
    assert math.isnan(found.correlation)
    assert set(summaries(cells, lambda c: (c.kernel,))) == {("rbf",), ("arccos0",)}


def test_errors_of_the_measured_drops_add_in_squares() -> None:
    assert standard_error([0.3, 0.4]) == pytest.approx(0.25)
    assert standard_error([math.nan, 0.2]) == pytest.approx(0.2)
    assert math.isnan(standard_error([math.nan]))
    cells = compare(PREDICTED, MEASURED)
    assert summarise(cells).drop_error == pytest.approx(cells[0].drop_error / 2)


def test_goals_say_reached_or_missed() -> None:
    found = {g.name: g for g in goals(compare(PREDICTED, MEASURED))}
    gate = found["FP32 errors of ijcnn1 against the published ones, seed by seed"]
    assert gate.reached
    assert not found["mean relative deviation of the kernel error"].reached
    worst = found["the same of the worst cell"]
    assert worst.found == pytest.approx(0.25)
    assert worst.reached
    assert not found["correlation with the measured errors"].reached  # no value
    drop = found["rbf: predicted accuracy drop less the measured one"]
    assert drop.found == pytest.approx(0.01)
    assert not drop.reached
    assert Goal("", 0.98, 0.98, at_least=True).reached


def test_the_gate_is_judged_by_seed() -> None:
    wrong = PREDICTED | {ONE: {1: Scores(0.5001, 0.55, 0.9, 0.89)}}
    found = goals(compare(wrong, MEASURED))[0]
    assert found.found == pytest.approx(1e-4)
    assert not found.reached


def test_correlation_by_hand() -> None:
    assert correlation([(1, 2), (2, 4), (3, 6)]) == pytest.approx(1)
    assert correlation([(1, 3), (2, 2), (3, 1)]) == pytest.approx(-1)
    assert correlation([(0, 0), (1, 1), (2, 0)]) == pytest.approx(0)
    assert math.isnan(correlation([(1, 1), (2, 2)]))
    assert math.isnan(correlation([(1, 1), (1, 2), (1, 3)]))


def test_missing_values_are_left_out() -> None:
    assert mean([1, math.nan, 3]) == 2
    assert math.isnan(mean([math.nan]))
    assert spread([1, math.nan, 3]).deviation == pytest.approx(math.sqrt(2))
    assert math.isnan(spread([1]).deviation)
    assert math.isnan(relative_deviation(1, 0))
    assert math.isnan(relative_deviation(1, math.nan))
