"""Low-rank adapters train on the host, while the chip keeps the weights that it holds."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesc.training import (
    JOSHI,
    Recipe,
    WeightNoise,
    adapters,
    harden,
    merged,
    program_of,
    programmed,
    set_chip,
)
from hermesc.training.plain import plain_of
from hermesrt.artifact.same_cells import cells_differ
from hermesrt.errors import InputError, ModelError, OptionError

SILENT = Recipe("silent", weights=WeightNoise(size=0.0))


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(40, 48), nn.ReLU(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 3)
    )


X = torch.randn(64, 40, generator=torch.Generator().manual_seed(1))
Y = X[:, :3].argmax(1)


def step(model, times=3):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(times):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
    return float(loss.detach())


@pytest.fixture(scope="module")
def trained():
    """A model with trained adapters; joshi would clip the weights."""
    model = harden(net(), X[:16], recipe=JOSHI, calibration=X, lora=4)
    first = step(model, 1)
    assert step(model, 60) < 0.7 * first
    return model.eval()


def codes(program):
    artifact = program.artifact
    return {
        m.name: (artifact.tensors[m.name], m.tiles, m.g_max_siemens)
        for m in artifact.manifest.matrices
    }


def test_only_adapters_train_and_the_weights_stay_bit_for_bit(trained):
    plain = net()
    assert trained.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in trained.state_dict().items())
    assert [n for n, p in trained.named_parameters() if p.requires_grad] == [
        f"_hermesc_adapters.{m}_{i}" for i in range(2) for m in "ab"
    ]  # the head is no wider than the rank
    plain.load_state_dict(trained.state_dict())
    assert list(adapters(trained)) == ["0", "2"]
    assert all(b.abs().max() > 0 for _, b in adapters(trained).values())


def test_the_program_keeps_every_code_in_its_cell(trained):
    before, after = codes(programmed(trained)), codes(program_of(trained))
    untouched = codes(hermesc.compile(net(), X[:16], calibration=X))
    assert before.keys() == after.keys() == untouched.keys()
    for name, (weights, *places) in before.items():
        for other in (after[name], untouched[name]):
            assert np.array_equal(weights, other[0]) and places == list(other[1:])
    reasons = [
        r.reason for r in program_of(trained).artifact.manifest.account if r.unit == "digital"
    ]
    assert sum(r.startswith("adapter of ") for r in reasons) == 4


def test_a_programmed_chip_takes_the_adapters_without_programming(trained):
    chip = programmed(trained).deploy(hermesc.simulate(seed=3))
    cells = {n: a.copy() for n, a in chip.device.state().arrays.items()}
    switched = chip.switch(program_of(trained))
    assert all(np.array_equal(cells[n], a) for n, a in switched.device.state().arrays.items())
    y = switched(X)
    set_chip(trained, seed=3)
    assert torch.equal(y, trained(X))
    assert (y.argmax(1) == Y).float().mean() > 0.7 > (net()(X).argmax(1) == Y).float().mean()
    with pytest.raises(OptionError, match="differs in the weights of 0"):
        switched.switch(hermesc.compile(net().requires_grad_(False).apply(_doubled), X[:16]))


def test_without_noise_it_is_the_merged_model():
    model = harden(net(), X[:16], recipe=SILENT, lora=4)
    step(model)
    whole = merged(model)
    assert type(whole) is nn.Sequential and len(whole) == 5
    torch.testing.assert_close(model(X), whole(X))
    set_chip(model.eval(), active=False)
    torch.testing.assert_close(model(X), whole(X))
    net().load_state_dict(whole.state_dict())
    assert not torch.equal(whole[0].weight, net()[0].weight)


def test_copies_pickles_and_files_have_the_adapters(trained, tmp_path):
    set_chip(trained, seed=0, active=True)
    y = trained(X)
    for other in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert torch.equal(other(X), y)
        with torch.no_grad():
            next(iter(adapters(other).values()))[1].zero_()
        assert not torch.equal(plain_of(other)(X), plain_of(trained)(X))
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    again = harden(net(), X[:16], recipe=JOSHI, calibration=X, lora=4)
    again.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    assert torch.equal(again.eval()(X), y)
    base = hermesc.compile(net(), X[:16], calibration=X)
    base.save(tmp_path / "base.hermes")
    program = hermesc.compile(
        net(), X[:16], calibration=X, weights=tmp_path / "w.pt", programmed=tmp_path / "base.hermes"
    )
    assert cells_differ(program.artifact, base.artifact) is None
    assert torch.equal(base.deploy(hermesc.simulate()).switch(program)(X), y)


def test_nested_in_a_larger_model_they_travel_too(trained):
    outer, stream = nn.ModuleDict({"inner": copy.deepcopy(trained)}), io.BytesIO()
    torch.save(outer.state_dict(), stream)
    stream.seek(0)
    with torch.no_grad():
        adapters(outer["inner"])["0"][1].zero_()
    outer.load_state_dict(torch.load(stream, weights_only=True))
    assert torch.equal(adapters(outer["inner"])["0"][1], adapters(trained)["0"][1])


def test_what_cannot_be_adapted_is_refused(trained, tmp_path):
    with pytest.raises(OptionError, match="lora=20: no layer is wider"):
        harden(nn.Sequential(nn.Linear(40, 20), nn.Linear(20, 3)), X[:16], lora=20)
    with pytest.raises(OptionError, match="lora is -1"):
        harden(net(), X[:16], lora=-1)

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(40, 8))

        def forward(self, x):
            return x @ self.w

    with pytest.raises(ModelError, match=r"calls no nn\.Linear"):
        harden(Bare(), X[:16], lora=2)
    with pytest.raises(OptionError, match="no adapters"):
        programmed(harden(net(), X[:16], recipe="joshi"))
    with pytest.raises(ModelError, match="does not run on what the chip holds"):
        hermesc.compile(
            net().requires_grad_(False).apply(_doubled),
            X[:16],
            programmed=programmed(trained),
        )
    held = net().state_dict()
    held._metadata["_hermesc_adapters"] = {"layers": {"0": (torch.ones(2, 3), torch.ones(4, 2))}}
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="a layer of 3 inputs and 4 outputs; the model's has 40"):
        hermesc.compile(net(), X[:16], weights=tmp_path / "w.pt")
    held._metadata["_hermesc_adapters"] = {"layers": {"0": 5}}
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(InputError, match="adapters are not two matrices"):
        hermesc.compile(net(), X[:16], weights=tmp_path / "w.pt")


def _doubled(module):
    for p in module.parameters(recurse=False):
        p.mul_(2)
