"""Vectors meet the same copy however the samples are cut."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import hermesc
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.load import load_chip
from hermesrt.replication import dispatch, places

SPREAD = Options(place=PlaceOptions(objective="latency"))


def _net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(48, 64), nn.Tanh(), nn.Linear(64, 8)).eval()


@pytest.fixture(scope="module")
def copied():
    program = hermesc.compile(_net(), torch.randn(4, 12, 48), options=SPREAD)
    assert all(m.copies > 1 for m in program.artifact.manifest.matrices)
    return program


def test_copies_are_equal_when_ideal(copied):
    x = torch.randn(5, 12, 48)
    chip = copied.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    assert torch.allclose(chip(x), _net()(x), atol=1e-5)


def test_every_copy_is_programmed_with_its_own_noise(copied):
    matrix = copied.artifact.manifest.matrices[0]
    device = hermesc.simulate("hermes", seed=1)
    copied.deploy(device)
    first, second = (
        torch.cat([device.cores[t.core].conductance[..., t.place[0], t.place[1]]
                   for t in matrix.at_stage(0, copy)], -1)
        for copy in (0, 1)
    )  # fmt: skip
    assert first.shape == second.shape
    assert not torch.allclose(first, second)


def test_a_vector_meets_its_copy_whatever_the_batch(copied):
    """Without noise of reads the output of a sample does not depend on the others."""
    x = torch.randn(6, 12, 48)
    quiet = hermesc.compile(
        _net(), torch.randn(4, 12, 48), options=SPREAD,
        chip=load_chip("hermes", [("effects.read_noise", "false")]),
    )  # fmt: skip
    whole = quiet.deploy(hermesc.simulate(quiet.artifact.chip))(x)
    chip = quiet.deploy(hermesc.simulate(quiet.artifact.chip))
    parts = torch.cat([chip(x[:1]), chip(x[1:4]), chip(x[4:])])
    assert torch.allclose(whole, parts, atol=1e-6)


def test_tokens_after_the_batch_and_before_it_have_the_same_places():
    batch_first = places((2, 3, 4), (1, 3, 4))
    assert batch_first.tolist() == [0, 1, 2, 0, 1, 2]
    assert places((3, 2, 4), (3, 1, 4)).tolist() == [0, 0, 1, 1, 2, 2]
    assert places((6, 4), (3, 4)).tolist() == [0, 1, 2, 0, 1, 2]
    assert places((3, 4), (3, 4)).tolist() == [0, 1, 2]


@given(st.integers(0, 9), st.integers(1, 4))
def test_dealing_serves_every_vector_once_and_in_its_place(count, copies):
    x = torch.arange(count * 2.0).reshape(count, 2)
    turns = torch.arange(count) % copies
    served = []

    def serve(vectors, copy):
        served.extend((copy, int(v[0]) // 2) for v in vectors)
        return vectors + 100

    assert torch.equal(dispatch(x, turns, copies, 2, serve), x + 100)
    assert sorted(served, key=lambda pair: pair[1]) == [(i % copies, i) for i in range(count)]
