"""The value that the placer puts on a program is what the timing engine finds."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions


def _compiled(model, x, chip="hermes", **place):
    return hermesc.compile(model, x, chip=chip, options=Options(place=PlaceOptions(**place)))


def _costs(program):
    device = hermesc.simulate(program.artifact.chip)
    return device.cost(program.workload(), None), program.artifact.manifest.placement


def _linears(*sizes):
    layers = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize("chip", ["hermes", "hermes-dpu"])
@pytest.mark.parametrize(
    "sizes", [(64, 128), (300, 700), (600, 40), (64, 128, 32), (300, 300, 300)]
)
@pytest.mark.parametrize("shape", [(2,), (2, 40)])
def test_a_chain_takes_the_time_that_the_engine_says(chip, sizes, shape):
    program = _compiled(_linears(*sizes), torch.randn(*shape, sizes[0]), chip)
    cost, score = _costs(program)
    assert score.value == pytest.approx(cost.latency_ps / 1000, rel=0.02)
    assert score.bound <= cost.latency_ps / 1000


@pytest.mark.parametrize("objective", ["balanced", "cores", "latency", "throughput"])
def test_no_time_is_below_its_bound(objective):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(64, 64, bias=False), nn.Linear(64, 300, bias=False)
            self.c = nn.Linear(364, 10, bias=False)

        def forward(self, x):
            return self.c(torch.cat([self.a(x), self.b(x)], -1))

    cost, score = _costs(_compiled(Branches(), torch.randn(2, 30, 64), objective=objective))
    time = cost.interval_ps if objective == "throughput" else cost.latency_ps
    if objective != "cores":
        assert score.bound <= time / 1000
        assert score.value <= time / 1000 * 1.02


def test_the_interval_is_the_engines_own():
    cost, score = _costs(_compiled(_linears(64, 128, 32), torch.randn(2, 50, 64),
                                   objective="throughput"))  # fmt: skip
    assert score.value == cost.interval_ps / 1000


def test_the_dynamic_energy_is_the_engines_own():
    program = _compiled(_linears(300, 128, 32), torch.randn(2, 50, 300), objective="energy")
    cost, score = _costs(program)
    assert score.value == pytest.approx(cost.energy_pj / 1000, rel=0.02)


def test_idle_energy_is_the_engines_own_on_several_chips():
    """Cores of two chips draw the power of two chips, though one chip would have held them."""
    program = _compiled(_linears(256 * 9, 256 * 9), torch.randn(2, 256 * 9), objective="energy",
                        chips=2)  # fmt: skip
    cost, score = _costs(program)
    assert len(program.artifact.chips) == 2
    assert score.value == pytest.approx(cost.energy_pj / 1000, rel=0.02)
