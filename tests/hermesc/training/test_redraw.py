"""Random features are drawn anew on a schedule, and stand still in a program."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import hermesc
from hermesc.kernels import FavorAttention, MultiheadAttention
from hermesc.training import FitOptions, MidRedrawWarning, fix_features, harden, program_of
from hermesc.training.data import TrainingData
from hermesc.training.fit import fit
from hermesrt.errors import ModelError, OptionError


class Public(nn.Module):
    """As public Performers have it: no seed, in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("projection", torch.randn(6, 16))

    def redraw_projection_matrix(self):
        self.projection.copy_(torch.randn(6, 16))

    def forward(self, x):
        return (x @ self.projection).cos()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.mix = MultiheadAttention(8, 2, lambda size: FavorAttention(size, 8))
        self.public, self.head = Public(), nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.public(self.mix(x).mean(1)[:, :6]))


X = torch.randn(12, 5, 8, generator=torch.Generator().manual_seed(1))


def draws(model):
    return model.mix.attention.map.omega.clone(), model.public.projection.clone()


@pytest.fixture(scope="module")
def hardened():
    return harden(Net(), X, recipe="joshi", redraw_every=3)


def test_draws_follow_from_seed_and_step(hardened):
    one, again = copy.deepcopy(hardened), pickle.loads(pickle.dumps(hardened))
    before, seen = draws(one), []
    for _ in range(7):
        one(X).sum().backward(), again(X)
        seen.append(draws(one))
    for part in (0, 1):
        kinds = [torch.equal(a[part], b[part]) for a, b in zip([before, *seen], seen, strict=False)]
        assert kinds == [True, True, True, False, True, True, False]
    assert all(torch.equal(a, b) for a, b in zip(draws(one), draws(again), strict=True))
    assert one.state_dict().keys() == Net().state_dict().keys()


def test_compiling_in_mid_redraw_warns_until_the_features_are_fixed(hardened):
    model = copy.deepcopy(hardened)
    for _ in range(5):
        model(X)
    with pytest.warns(
        MidRedrawWarning, match="every 3 steps, and the rest has trained on these for 2"
    ):
        program_of(model)
    with pytest.warns(MidRedrawWarning):
        hermesc.compile(model, X)
    fix_features(model)
    held = draws(model)
    for _ in range(4):
        model(X)
    assert all(torch.equal(a, b) for a, b in zip(draws(model), held, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program_of(model)


def test_the_last_draw_of_a_run_trains_as_long_as_the_others(hardened):
    model = copy.deepcopy(hardened)
    data = TrainingData({"x": X}, torch.zeros(12, dtype=torch.int64))
    steps = []
    fit(model, data, data, FitOptions(epochs=4, batch=6),
        observe=lambda p: steps.append((p.step, draws(model)[0])))  # fmt: skip
    changed = [n for (n, a), (_, b) in zip(steps[1:], steps, strict=False) if not torch.equal(a, b)]
    assert changed == [4]  # of 8 steps; one at 7 would have trained for 2 alone
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program_of(model)


def test_a_model_without_random_features_is_refused():
    with pytest.raises(ModelError, match=r"redraw_every=2: no module .* method `redraw\(seed\)`"):
        harden(nn.Linear(4, 2), torch.randn(4, 4), redraw_every=2)
    with pytest.raises(OptionError, match="redraw_every is -2"):
        harden(nn.Linear(4, 2), torch.randn(4, 4), redraw_every=-2)
