"""The placer's closed form against the timing engine."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hermesc
from hermesc.ir.stages import Dependence
from hermesc.pipeline import Options
from hermesc.placement.cost_model import (
    CostModel,
    Cut,
    Item,
    MatrixWork,
    busiest_ps,
    equal_parts,
    full_parts,
    load_bound_ps,
)
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


ITEMS = st.builds(Item, st.just(1), st.integers(0, 50), st.integers(1, 20), st.integers(0, 50))


@settings(max_examples=100)
@given(st.lists(ITEMS, min_size=1, max_size=20))
def test_a_core_needs_what_its_worst_set_of_items_needs(items):
    wanted = max(
        head + sum(i.load for i in late) + tail
        for head in {i.head for i in items}
        for tail in {i.tail for i in items}
        if (late := [i for i in items if i.head >= head and i.tail >= tail])
    )
    assert busiest_ps(items) == wanted
    assert load_bound_ps(items, 1) <= wanted


def test_mvms_are_beside_each_other_unless_one_is_over_before():
    """Two stream into a third, which is needed whole by a fourth."""
    cut = Cut(((0, 4),), ((0, 4),), 1, "4-phase")
    works = (
        MatrixWork(0, 5, ()), MatrixWork(0, 5, ()),
        MatrixWork(0, 5, (Dependence(0, False), Dependence(1, False))),
        MatrixWork(0, 1, (Dependence(2, True),)),
    )  # fmt: skip
    model = CostModel(hermesc.simulate().chip, 1, works, (cut,))
    assert [bin(mask) for mask in model.beside] == ["0b111", "0b111", "0b111", "0b1000"]


def test_parts_cover_a_size():
    assert equal_parts(10, 3) == ((0, 3), (3, 6), (6, 10))
    assert full_parts(10, 4) == ((0, 4), (4, 8), (8, 10))
