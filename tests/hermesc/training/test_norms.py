"""Frozen norms show while a model trains what they will do on the chip."""

import torch
from torch import nn

from hermesc.training import Recipe, WeightNoise, freeze_norms, harden


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
