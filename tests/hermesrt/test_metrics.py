"""Accuracy and error, by hand."""

import numpy as np
import pytest
import torch

from hermesrt.errors import InputError
from hermesrt.metrics import RelativeError, predictions


def test_error_gathers_over_blocks() -> None:
    error = RelativeError()
    error.add(torch.tensor([3.0]), torch.tensor([0.0]))
    error.add(torch.tensor([0.0]), torch.tensor([4.0]))
    assert error.value == pytest.approx(5 / 4)


def test_an_imaginary_part_counts_as_the_real_one_does() -> None:
    error = RelativeError()
    error.add(torch.tensor([3 + 4j]), torch.tensor([3 + 0j]))
    assert error.value == pytest.approx(4 / 3)


def test_error_of_nothing_is_zero_and_of_something_against_nothing_is_infinite() -> None:
    error = RelativeError()
    error.add(torch.zeros(2), torch.zeros(2))
    assert error.value == 0
    error.add(torch.ones(2), torch.zeros(2))
    assert error.value == float("inf")


def test_a_result_that_is_not_finite_counts_as_infinitely_wrong() -> None:
    error = RelativeError()
    error.add(torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("nan")]))
    assert error.value == 0
    error.add(torch.tensor([float("nan")]), torch.tensor([1.0]))
    assert error.value == float("inf")


def test_labels_outside_the_columns_are_refused() -> None:
    with pytest.raises(InputError, match="labels run from 1 to 3; output_0 has 3 columns"):
        predictions(torch.zeros(2, 3), np.array([1, 2, 3]))


def test_several_columns_vote_by_the_largest() -> None:
    found = predictions(torch.tensor([[0.1, 0.9], [2.0, 1.0]]), np.array([0, 1]))
    assert found is not None
    assert found.tolist() == [1, 0]


@pytest.mark.parametrize(("labels", "wanted"), [([0, 1, 1], [0, 1, 0]), ([-1, 1, 1], [1, 1, -1])])
def test_one_column_is_a_threshold_or_a_sign(labels: list[int], wanted: list[int]) -> None:
    output = torch.tensor([0.2, 0.7, -0.4])
    for shaped in (output, output[:, None]):
        found = predictions(shaped, np.array(labels))
        assert found is not None
        assert found.tolist() == wanted


def test_regression_has_no_classes() -> None:
    assert predictions(torch.zeros(2, 1), np.array([0.3, 1.7])) is None
    assert predictions(torch.zeros(2, 1), np.array([3, 7])) is None
    assert predictions(torch.zeros(2, 3, 4), np.array([0, 1])) is None


def test_one_whole_number_a_row_is_the_class_itself() -> None:
    found = predictions(torch.tensor([7, 3, -2]), np.array([3, 7]))
    assert found is not None
    assert found.tolist() == [7, 3, -2]


@pytest.mark.parametrize("classes", [(4, 9), ("no", "yes"), (-1.0, 1.0)])
def test_two_classes_have_their_threshold_at_zero(classes: tuple[int | float | str, ...]) -> None:
    found = predictions(torch.tensor([0.2, -0.2, 0.0]), np.array(classes), classes)
    assert found is not None
    assert found.tolist() == [classes[1], classes[0], classes[0]]


def test_columns_vote_for_their_class() -> None:
    output = torch.tensor([[0.1, 0.9, 0.0], [2.0, 1.0, 0.0]])
    found = predictions(output, np.array([5]), (5, 8, 9))
    assert found is not None
    assert found.tolist() == [8, 5]
    assert predictions(output, np.array([5]), (5, 8)) is None


def test_labels_that_are_no_class_are_refused() -> None:
    with pytest.raises(InputError, match=r"labels hold 6, .* its classes are 5, 8, 9"):
        predictions(torch.zeros(1, 3), np.array([5, 6]), (5, 8, 9))
