"""The published draws, the ridge head and the kernel error."""

import pytest
import torch

from hermesc.studies.experiment.published import (
    count_correct,
    draw,
    feature_count,
    kernel_error,
    ridge_head,
)


def test_the_feature_count_is_the_published_one() -> None:
    assert [feature_count(13, ratio) for ratio in (1, 2, 3, 4, 5)] == [25, 50, 101, 204, 411]


@pytest.mark.parametrize(
    ("sampler", "row"),
    [
        ("rff", [0.32209, 0.17354, 0.65285]),
        ("orf", [-1.55641, -0.75689, -0.94368]),
        ("sorf", [0.0, 0.0, 2.0]),
    ],
)
def test_draws_are_those_that_repeat_the_published_errors(sampler: str, row: list[float]) -> None:
    """Digits of the draws with which 300 published FP32 errors repeat within 2e-5."""
    assert draw(sampler, 3, 5, seed=7)[4].tolist() == pytest.approx(row, abs=1e-5)


def test_rff_draws_are_cut_at_three() -> None:
    found = draw("rff", 50, 4000, seed=0)
    assert found.abs().max() <= 3
    assert found.abs().max() > 2.9
    assert found.std().item() == pytest.approx(0.987, abs=0.005)  # of a normal cut at 3


def test_orf_blocks_are_orthogonal() -> None:
    found = draw("orf", 6, 15, seed=1)
    unit = found / found.norm(dim=1, keepdim=True)
    for block in unit.split(6):
        assert torch.allclose(block @ block.T, torch.eye(len(block)), atol=1e-5)


def test_sorf_rows_of_a_power_of_two_are_orthogonal_and_as_long_as_expected() -> None:
    found = draw("sorf", 8, 24, seed=1)
    for block in found.split(8):
        assert torch.allclose(block @ block.T, 8 * torch.eye(8), atol=1e-4)


def test_kernel_error_by_hand() -> None:
    exact = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    features = torch.tensor([[0.0], [2.0]])
    assert kernel_error(exact, features) == pytest.approx(3 / 5)


def test_the_ridge_head_solves_the_normal_equations_whatever_the_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(60, 4, generator=generator)
    labels = (torch.rand(60, generator=generator) > 0.5).float()
    ones = torch.cat([torch.ones(60, 1), z], 1).double()
    wanted = torch.linalg.solve(
        ones.T @ ones + 0.5 * torch.eye(5).double(), ones.T @ labels.double()
    )
    whole = ridge_head([(z, labels)])
    parts = ridge_head(zip(z.split(7), labels.split(7), strict=True))
    assert torch.allclose(whole.double(), wanted, atol=1e-5)
    assert torch.allclose(parts, whole, atol=1e-5)


def test_one_half_counts_as_the_label_0() -> None:
    head = torch.tensor([0.0, 1.0])
    features = torch.tensor([[0.5], [0.51], [2.0], [-1.0]])
    assert count_correct(head, features, torch.tensor([0.0, 1.0, 1.0, 1.0])) == 3
