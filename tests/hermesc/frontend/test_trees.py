"""Trees walk to their leaves, and damaged ones are found out."""

import dataclasses

import numpy as np
import pytest
import torch

from hermesc.frontend.trees import Forest, Trees, joined, rounded_down

STUMP = Trees(
    feature=np.array([1, 0, 0]),
    threshold=np.array([0.5, 0.0, 0.0]),
    yes=np.array([1, 1, 2]),
    no=np.array([2, 1, 2]),
    missing_goes_yes=np.array([True, False, False]),
    values=np.array([[0.0], [1.0], [2.0]]),
    roots=np.array([0]),
)


def test_a_row_goes_where_its_value_says() -> None:
    other = dataclasses.replace(STUMP, missing_goes_yes=np.array([False] * 3))
    x = torch.tensor([[0.0, 0.5], [0.0, 0.6], [0.0, torch.nan]])
    leaves = Forest(joined([STUMP, other]))(x)
    assert leaves[:, :, 0].tolist() == [[1, 1], [2, 2], [1, 2]]


@pytest.mark.parametrize(
    ("yes", "message"), [([1, 0, 2], "in a circle"), ([1, 9, 2], "that is not there")]
)
def test_nodes_that_lead_nowhere_are_refused(yes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Forest(dataclasses.replace(STUMP, yes=np.array(yes)))


def test_a_rounded_threshold_parts_fp32_numbers_as_the_exact_one() -> None:
    exact = 0.1 + 1e-10
    (near,) = rounded_down([exact])
    above, below = np.nextafter(np.float32(near), np.float32(1)), np.float32(near)
    assert float(below) <= exact < float(above)
