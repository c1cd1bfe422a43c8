"""Programming through the protocol alone, on a chip with stuck devices."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.load import load_chip
from hermesrt.program import Chip
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.loop import ProgrammingOptions
from hermesrt.programming.targets import targets

CHIP = load_chip("hermes")
SET = 25e-6
X = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def layer():
    made = nn.Linear(32, 16, bias=False)
    nn.init.uniform_(made.weight, 0.02, 0.2, generator=torch.Generator().manual_seed(1))
    return made


def _column_stuck(column, level):
    """Both positive devices of a column."""
    places = [(0, row, column, device) for row in range(256) for device in (0, 1)]
    return DefectMap(
        "hermes", 64, 256, 256,
        stuck=np.array(places, np.int32), siemens=np.full(len(places), level, np.float32),
    )  # fmt: skip


def _programmed(program, defects, method, seen=None):
    chip = Chip(program, hermesc.simulate(CHIP, 0, defects))
    options = ProgrammingOptions(gdp=GdpOptions(iterations=20))
    chip.program(method, options, seen)
    return chip


@pytest.mark.parametrize("level", [0.0, SET])
@pytest.mark.parametrize("method", ["verify", "gdp"])
def test_cells_that_do_not_respond_are_given_up_and_the_others_finished(layer, method, level):
    program = hermesc.compile(layer, X)
    cores = []
    chip = _programmed(program, _column_stuck(3, level), method, lambda p: cores.extend(p.cores))
    core = cores[-1]
    assert not core.tuned[:32, 3].any() and not core.open[:32, 3].any()
    assert core.tuned[:32, :3].any()
    (core,) = chip.device.cores.values()
    wrong = core.conductance.sum(0)[0] - core.conductance.sum(0)[1] - core.target.siemens
    assert wrong[:32, 3].abs().mean() > 4 * wrong[:32, :3].abs().mean()


def test_no_pulse_is_wasted_on_cells_that_were_given_up(layer):
    program = hermesc.compile(layer, X)
    sent = []

    class Watched:
        def __init__(self, device):
            self._device = device

        def __getattr__(self, name):
            return getattr(self._device, name)

        def pulse(self, core, pulses, index):
            sent.append(int(((pulses.cells % 256) == 3).sum()) if pulses.kind == "iterative" else 0)
            self._device.pulse(core, pulses, index)

    Chip(program, Watched(hermesc.simulate(CHIP, 0, _column_stuck(3, SET)))).program("verify")
    assert sum(sent) > 0
    assert sum(sent[-3:]) == 0  # long before the last iteration


def test_known_devices_are_not_tuned_and_their_neighbours_are(layer):
    defects = _column_stuck(3, 0.0)
    half = replace(defects, stuck=defects.stuck[::2], siemens=defects.siemens[::2])  # device 0
    everywhere = half.stuck.repeat(256, axis=0)
    everywhere[:, 2] = np.tile(np.arange(256), 256)
    half = replace(half, stuck=everywhere, siemens=np.zeros(len(everywhere), np.float32))
    program = hermesc.compile(layer, X, defects=half)
    (target,) = targets(program.artifact)
    assert bool(target.stuck.cells[:32, :16].all())
    cores = []
    _programmed(program, half, "verify", lambda p: cores.extend(p.cores))
    assert (cores[-1].device[:32, :16][cores[-1].tuned[:32, :16]] == 1).all()
    assert cores[-1].tuned[:32, :16].any()
