"""Norms of a trained model have the statistics of the chip, or those that it learned before."""

import torch
from torch import nn

from hermesc.training import (
    OutputNoise,
    Recipe,
    WeightNoise,
    freeze_norms,
    harden,
    set_chip,
    settle_norms,
)


def test_an_error_that_all_samples_share_is_hidden_by_a_norm_that_trains_and_not_by_a_frozen_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8))
    x = 4.0 + 0.05 * torch.randn(64, 16)  # samples hardly differ, as means of many tokens do
    for _ in range(100):
        model(x)
    shared = []
    for freeze in (False, True):
        if freeze:
            freeze_norms(model)
        noisy = harden(model, x, recipe=Recipe("noise", weights=WeightNoise("largest", 0.05)))
        shared.append(float((noisy(x) - model.eval()(x)).detach().mean(0).abs().mean()))
        model.train()
    assert shared[0] < 0.1 < 1 < shared[1]


def test_frozen_norms_keep_their_statistics_and_train_their_weights():
    model = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(12, 2))
    freeze_norms(model)
    assert model.training and not model[1].training and model[3].training
    assert all(p.requires_grad for p in model.parameters())


def test_settled_norms_have_the_statistics_of_chips_and_not_of_the_recipes_noise():
    """A ReLU makes the mean of noisy values larger."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 2))
    x = torch.randn(256, 16)
    loud = Recipe("loud", output_noise=OutputNoise(0.5))
    hardened = harden(model, x, recipe=loud, calibration=x)
    for _ in range(60):
        hardened(x)
    wanted = hardened[1](hardened[0](x)).detach()

    def shift():
        return float((hardened[2].running_mean / wanted.mean(0)).mean())

    assert shift() > 1.25
    settle_norms(hardened, {"input": x})
    assert abs(shift() - 1) < 0.1
    assert float((hardened[2].running_var / wanted.var(0)).mean() - 1) < 0.2
    set_chip(hardened, active=False)
    before = hardened[2].running_mean.clone()
    settle_norms(hardened, {"input": x})
    assert torch.equal(hardened[2].running_mean, before)  # the same draws
    assert hardened[2].momentum == 0.1
