"""`chip(x)` hands gradients on to x, straight through each crossbar."""

import pytest
import torch
from torch import nn

import hermesc


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (nn.Sequential(nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 3)), torch.randn(6, 24)),
        (
            nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(288, 3)
            ),
            torch.randn(4, 3, 6, 6),
        ),
    ],
    ids=["linear", "convolution"],
)
def test_gradients_of_the_chip_are_near_those_of_the_model(model, x):
    chip = hermesc.compile(model, x).deploy(hermesc.simulate(seed=0))
    x = x.clone().requires_grad_()
    y = chip(x)
    assert y.requires_grad
    y.sum().backward()
    on_chip, x.grad = x.grad, None
    model(x).sum().backward()
    assert float((on_chip - x.grad).norm() / x.grad.norm()) < 0.15


def test_without_noise_they_are_the_models_own():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 3)), torch.randn(6, 24)
    chip = hermesc.compile(model, x).deploy(hermesc.simulate(seed=0)).configure(ideal=True)
    x = x.clone().requires_grad_()
    chip(x).square().sum().backward()
    on_chip, x.grad = x.grad, None
    model(x).square().sum().backward()
    assert torch.allclose(on_chip, x.grad, rtol=1e-4, atol=1e-6)


def test_nothing_beyond_the_range_and_none_without_request():
    model, x = nn.Linear(4, 2), torch.full((3, 4), 0.5)
    chip = hermesc.compile(model, x).deploy(hermesc.simulate(seed=0))
    far = torch.tensor([[0.1, 0.2, 9.0, -9.0]]).requires_grad_()
    chip(far).sum().backward()
    assert far.grad[0, 2:].tolist() == [0, 0] and bool((far.grad[0, :2] != 0).all())
    assert not chip(x).requires_grad
    with torch.no_grad():
        assert not chip(far).requires_grad
