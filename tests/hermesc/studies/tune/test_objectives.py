"""Objectives as numbers to make small, and the space that points cover."""

import itertools

import pytest

from hermesc.studies.sweep.job import Figures
from hermesc.studies.tune.objectives import (
    dominates,
    front,
    hypervolume,
    parse_aims,
    relative_hypervolume,
)
from hermesrt.errors import OptionError


def test_less_is_better_in_every_objective() -> None:
    figures = Figures(accuracy=0.9, errors=(("output_0", 0.2),), energy_nj=5.0, latency_ns=7.0,
                      interval_ns=3.0, cores_used=2)  # fmt: skip
    aims = parse_aims("accuracy,error,energy,latency,interval,cores", labelled=True)
    assert aims.losses(figures) == pytest.approx((0.1, 0.2, 5.0, 7.0, 3.0, 2.0))
    assert aims.words(figures) == ("90.0 %", "0.2", "5.00 nJ", "7.00 ns", "3.00 ns", "2")


def test_the_hypervolume_is_the_share_of_a_grid_that_some_point_dominates() -> None:
    points = [(1, 4, 2), (2, 2, 3), (3, 1, 1), (2, 3, 5), (6, 0, 0)]
    cells = itertools.product(range(5), repeat=3)
    wanted = sum(any(all(a <= b for a, b in zip(p, c, strict=True)) for p in points) for c in cells)
    assert hypervolume(points, (5, 5, 5)) == wanted
    assert hypervolume([(2.0,), (3.0,)], (5.0,)) == 3.0
    assert hypervolume([], (1.0, 1.0)) == 0.0


def test_more_points_never_cover_less() -> None:
    some, more = [(1.0, 5.0), (4.0, 4.0)], [(1.0, 5.0), (4.0, 4.0), (2.0, 1.0)]
    assert relative_hypervolume(some, more) < relative_hypervolume(more, more) < 1


def test_a_front_holds_what_no_other_beats_and_equals_once() -> None:
    points = [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (1.0, 2.0)]
    assert front(points) == [0, 1]
    assert dominates((1.0, 1.0), (1.0, 2.0))
    assert not dominates((1.0, 1.0), (1.0, 1.0))


@pytest.mark.parametrize(
    ("text", "labelled", "message"),
    [
        ("accuracy,energi", True, r"energi: there is no such objective \(did you mean .energy"),
        ("energy,energy", True, "each objective once"),
        ("", True, "no such objective"),
        ("accuracy", False, "there are no labels.*--objective error,energy"),
    ],
)
def test_what_is_no_objective_is_refused(text: str, labelled: bool, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_aims(text, labelled=labelled)
