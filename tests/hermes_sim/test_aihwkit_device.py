"""Our programs run on aihwkit's simulator, and its errors have the size of ours."""

import pytest
import torch
from torch import nn

import hermesc
from hermesrt.device import Device
from hermesrt.errors import OptionError

pytest.importorskip("aihwkit", reason="aihwkit is not installed")
from hermes_sim.aihwkit_device import AihwkitDevice


@pytest.fixture(scope="module")
def program():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(300, 64), nn.ReLU(), nn.Linear(64, 10)).eval()
    x = torch.randn(256, 300)
    return hermesc.compile(model, x, calibration=x), x, model(x).detach()


def error(y, wanted):
    return float((y - wanted).norm() / wanted.norm())


def test_errors_of_both_simulators_have_one_size(program, chip):
    made, x, wanted = program
    for age in (0.0, 86400.0):
        theirs = made.deploy(AihwkitDevice(chip)).configure(age_s=age)
        ours = made.deploy(hermesc.simulate(seed=0)).configure(age_s=age)
        found = error(theirs(x), wanted) / error(ours(x), wanted)
        assert 1 / 3 < found < 3


def test_one_seed_repeats_its_bits_and_another_does_not(program, chip):
    made, x, wanted = program
    one, again, other = (made.deploy(AihwkitDevice(chip, seed)) for seed in (1, 1, 2))
    assert isinstance(one.device, Device)
    y = one(x)
    assert torch.equal(y, again(x)) and not torch.equal(y, other(x))
    exact = made.deploy(AihwkitDevice(chip)).configure(ideal=True)(x)
    torch.testing.assert_close(exact, wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(OptionError, match="programmed as a whole"):
        made.deploy(AihwkitDevice(chip), method="verify")
