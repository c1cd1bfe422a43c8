"""Gradients through the chip's noise are those of the expected loss."""

import pytest
import torch
from torch import nn

from hermesc.training import InputCode, OutputNoise, Recipe, WeightNoise, adapters, harden
from hermesc.training.codes import input_code, output_code
from hermesc.training.hardening import state_of

DRAWS = 60


def expected_loss(hardened, x, target):
    """The mean over the same draws each time: noise follows from the step."""
    state_of(hardened).step.zero_()
    return torch.stack([(hardened(x) - target).square().mean() for _ in range(DRAWS)]).mean()


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("weights", weights=WeightNoise("largest", 0.1)),
        Recipe("own", weights=WeightNoise("own", 0.2)),
        Recipe("outputs", output_noise=OutputNoise(0.1), weights=WeightNoise("largest", 0.05)),
    ],
    ids=lambda recipe: recipe.name,
)
def test_gradients_are_those_of_the_expectation(recipe):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 3)).double()
    x, target = torch.randn(16, 8).double(), torch.randn(16, 3).double()
    hardened = harden(model, x, recipe=recipe)
    expected_loss(hardened, x, target).backward()
    for name, parameter in hardened.named_parameters():
        if name.startswith("_hermesc"):
            continue
        away = torch.randn_like(parameter) * 1e-4
        away.view(-1)[parameter.detach().abs().argmax()] = 0  # the noise is in units of the largest
        if recipe.name == "own":
            away *= 0.1
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(sign * away)
                losses.append(expected_loss(hardened, x, target).item())
                parameter.sub_(sign * away)
        slope = (losses[0] - losses[1]) / 2
        along = (parameter.grad * away).sum().item()
        assert along == pytest.approx(slope, rel=0.15, abs=2e-7), name


def test_gradients_of_adapters_are_those_of_the_expectation():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 6)).double()
    x, target = torch.randn(16, 8).double(), torch.randn(16, 6).double()
    recipe = Recipe("both", weights=WeightNoise("largest", 0.1), output_noise=OutputNoise(0.1))
    hardened = harden(model, x, recipe=recipe, lora=2)
    with torch.no_grad():
        for _, outer in adapters(hardened).values():
            outer.normal_(std=0.3)
    expected_loss(hardened, x, target).backward()
    for matrix in (m for pair in adapters(hardened).values() for m in pair):
        away, losses = torch.randn_like(matrix) * 1e-4, []
        for sign in (1, -1):
            with torch.no_grad():
                matrix.add_(sign * away)
                losses.append(expected_loss(hardened, x, target).item())
                matrix.sub_(sign * away)
        along = (matrix.grad * away).sum().item()
        assert along == pytest.approx((losses[0] - losses[1]) / 2, rel=1e-3)
    assert all(p.grad is None for p in model.parameters())


def test_the_gradient_of_a_range_is_that_of_clipping():
    torch.manual_seed(0)
    x = torch.randn(20_000, dtype=torch.float64)
    weights = torch.randn_like(x)

    def loss(limit):
        return (input_code(x, limit, 127, 0.0, 0.95, relative=False) * weights).sum()

    limit = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    loss(limit).backward()
    slope = (loss(limit.detach() + 0.05) - loss(limit.detach() - 0.05)) / 0.1
    assert float(limit.grad) == pytest.approx(float(slope), rel=0.05)


def test_inputs_beyond_the_range_get_no_gradient():
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
    input_code(x, torch.tensor(1.0), 127, 0.0, 0.95, relative=False).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_a_range_shrinks_while_most_inputs_lie_within():
    for inside, wanted in ((0.95, 0.5), (1.0, 0.0)):
        limit = torch.tensor(5.0, requires_grad=True)
        input_code(torch.ones(10), limit, 127, 0.1, inside, relative=False).sum().backward()
        assert float(limit.grad) == pytest.approx(wanted)


def test_output_codes_pass_gradients_and_truncate():
    y = torch.tensor([0.99, -0.99, 127.0], requires_grad=True)
    coded = output_code(y, torch.tensor(127.0), 127, "truncate")
    coded.sum().backward()
    assert coded.tolist() == [0, 0, 127]
    assert output_code(y, torch.tensor(127.0), 127, "nearest").tolist() == [1, -1, 127]
    assert y.grad.tolist() == [1, 1, 1]


def test_inputs_get_gradients_too():
    torch.manual_seed(0)
    model, x = nn.Linear(8, 3), torch.randn(4, 8, requires_grad=True)
    recipe = Recipe("inputs", inputs=InputCode(), weights=WeightNoise(size=0.0))
    harden(model, x, recipe=recipe)(x).sum().backward()
    assert torch.allclose(x.grad, model.weight.sum(0).expand(4, 8), atol=1e-6)
