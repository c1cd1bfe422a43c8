"""Whether a model's weights are numbers."""

import math

import pytest
import torch

from hermesc.analysis.finite_weights import all_finite, check_finite_weights
from hermesrt.errors import ModelError

NAN, INF = torch.tensor([1.0, math.nan]), torch.tensor([1.0, -math.inf])


def test_nan_is_refused_wherever_it_stands():
    with pytest.raises(ModelError, match="the weights of mask hold NaN"):
        check_finite_weights({"mask": NAN}, ())


def test_infinity_is_refused_in_trained_weights_and_not_in_masks():
    check_finite_weights({"mask": INF, "w": torch.ones(2), "i": torch.ones(2).long()}, ("w", "i"))
    with pytest.raises(ModelError, match="the weights of w hold NaN or infinity"):
        check_finite_weights({"w": INF}, ("w",))


@pytest.mark.parametrize(
    ("weights", "finite"),
    [
        (torch.full((9,), 3e38), True),  # whose sum is not
        (torch.full((9,), 6e4).half(), True),
        (torch.tensor([INF[1], -INF[1]]), False),
        (NAN, False),
        (torch.empty(0), True),
    ],
)
def test_weights_are_finite_whatever_their_sum(weights, finite):
    assert all_finite(weights) is finite
