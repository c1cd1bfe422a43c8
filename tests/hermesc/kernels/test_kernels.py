"""Kernels against their definitions, and features against kernels."""

import math

import pytest
import torch

from hermesc.errors import OptionError
from hermesc.kernels import ArcCosine0, Rbf


def test_rbf_is_one_on_the_diagonal_and_falls_with_the_distance() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    found = Rbf(gamma=0.02).exact(x, x)
    wanted = [1, math.exp(-0.5), math.exp(-0.5), 1]
    assert found.flatten().tolist() == pytest.approx(wanted, rel=1e-6)


def test_arc_cosine_0_counts_the_angle() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]])
    found = ArcCosine0().exact(x[:1], x)[0]
    assert found.tolist() == pytest.approx([1, 0.5, 0, 0.75], abs=1e-6)


def test_arc_cosine_0_takes_a_row_of_zeros_as_orthogonal() -> None:
    found = ArcCosine0().exact(torch.zeros(1, 3), torch.ones(1, 3))
    assert found.item() == pytest.approx(0.5)


@pytest.mark.parametrize("kernel", [Rbf(gamma=0.05), ArcCosine0()])
def test_features_approximate_their_kernel(kernel: Rbf | ArcCosine0) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(20, 5, generator=draw)
    z = kernel.features(x @ torch.randn(5, 40_000, generator=draw))
    assert (z @ z.T - kernel.exact(x, x)).abs().max() < 0.02


def test_a_projection_of_zero_is_no_feature_of_arc_cosine_0() -> None:
    z = ArcCosine0().features(torch.tensor([0.0, 1.0, -1.0, 2.0]))
    assert z.tolist() == pytest.approx([0, math.sqrt(0.5), 0, math.sqrt(0.5)])


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.inf, math.nan])
def test_gamma_must_be_positive(gamma: float) -> None:
    with pytest.raises(OptionError, match="must be above 0"):
        Rbf(gamma)
