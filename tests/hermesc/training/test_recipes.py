"""Recipes are data: named, combined, and checked."""

import pytest
import torch
from torch import nn

import hermesc
from hermesc.training import (
    JOSHI,
    RECIPES,
    Clip,
    Recipe,
    WeightNoise,
    clip_weights,
    combined,
    harden,
    learned_ranges,
)
from hermesc.training.recipes import recipe_of
from hermesrt.errors import OptionError


def test_every_recipe_says_where_it_comes_from():
    assert set(RECIPES) == {"chip", "joshi", "rasch", "murray", "adversarial", "paper", "none"}
    assert all(recipe.sources for recipe in RECIPES.values())


def test_parts_are_combined_and_the_later_one_holds():
    both = recipe_of("joshi+murray+adversarial")
    assert both.weights == RECIPES["murray"].weights
    assert both.clip == JOSHI.clip and both.adversarial is not None
    assert combined(JOSHI, RECIPES["none"]).weights == JOSHI.weights


def test_numbers_beyond_their_limits_are_refused():
    with pytest.raises(OptionError, match=r"WeightNoise\.size is -1.0; it is from 0.0 to 100.0"):
        recipe_of(Recipe("mine", weights=WeightNoise(size=-1.0)))


@pytest.mark.parametrize(
    ("noise", "wanted"),
    [
        (WeightNoise("largest", 0.1), lambda w: 0.1 * w.abs().amax().expand_as(w)),
        (WeightNoise("largest", 0.1, by_column=True), lambda w: 0.1 * w.abs().amax(1, True)),
        (WeightNoise("own", 0.1), lambda w: 0.1 * w.abs()),
    ],
)  # fmt: skip
def test_weight_noise_has_its_size(noise, wanted):
    torch.manual_seed(0)
    model, x = nn.Linear(64, 64, bias=False), torch.eye(64)
    hardened = harden(model, x, recipe=Recipe("noise", weights=noise))
    errors = torch.stack([hardened(x) - model(x) for _ in range(300)]).detach()
    ratio = errors.std(0).T / wanted(model.weight.detach())
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.02)
    assert float((ratio - 1).abs().max()) < 0.3


@pytest.mark.parametrize("name", ["rasch", "paper"])
def test_learned_ranges_start_where_the_compiler_puts_them(name):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(64, 8) ** 3
    hardened = harden(model, x, recipe=name, calibration=x)
    steps = hermesc.compile(model, x, calibration=x).artifact.manifest.steps
    wanted = [s.input_max for s in steps if s.tag == "mvm"]
    assert list(learned_ranges(hardened).values()) == pytest.approx(wanted)


def test_weights_are_clipped_after_each_step_of_any_optimizer():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4)), torch.randn(8, 32)
    with torch.no_grad():
        model[0].weight[0, 0] = 9.0
    hardened = harden(model, x, recipe=Recipe("clip", clip=Clip(2.0)))
    assert float(hardened[0].weight.detach().abs().max()) == 9.0
    optimizer = torch.optim.Adam(hardened.parameters(), lr=1e-3)
    hardened(x).square().sum().backward()
    optimizer.step()
    assert float(hardened[0].weight.detach().abs().max()) < 1.5
    bias = hardened[0].bias
    with torch.no_grad():
        hardened[0].weight[0, 0] = 9.0
        bias[0] = 9.0
    clip_weights(hardened)
    assert float(hardened[0].weight.detach().abs().max()) < 1.5 and float(bias[0].detach()) == 9.0
