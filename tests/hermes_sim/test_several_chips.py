"""Chips beside each other: links between them, and chips that are off while they have no work."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import hermesc
from hermes_sim.engine import covered
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.load import load_chip

GRID = [("grid.rows", "1"), ("grid.columns", "1")]


def _cost(chip, *settings):
    return _of(load_chip(chip, [*GRID, *settings]))


def _of(chip):
    """The cost of two layers, each on a chip of one core."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(256, 256, bias=False), nn.ReLU(), nn.Linear(256, 256, bias=False))
    options = Options(place=PlaceOptions(chips=2))
    program = hermesc.compile(net.eval(), torch.randn(2, 256), chip=chip, options=options)
    return hermesc.cost(program).cost


@pytest.mark.parametrize(
    ("kind", "byte_ns", "bit_pj"), [("board", 8 / 12, 1.9), ("package", 8 / 20, 0.54)]
)
def test_what_a_vector_unit_sends_to_another_chip_goes_over_a_lane(kind, byte_ns, bit_pj):
    found = _cost("hermes-dpu", ("chip_link.type", kind))
    assert found.energy_by["chip_link"] == pytest.approx(256 * 8 * bit_pj)
    assert "host_link" not in found.energy_by
    assert found.latency_by["chip_link"] >= 20_000 + 256 * byte_ns * 1000
    assert "chip_link" in found.assumed_energy
    assert "chip_link" in found.assumed_latency


def test_through_the_host_it_takes_longer_and_costs_more():
    link, host = (_cost("hermes-dpu", ("chip_link.type", kind)) for kind in ("board", "host"))
    assert host.energy_by["host_link"] == pytest.approx(512 * 40)
    assert "chip_link" not in host.energy_by
    assert link.latency_ps < host.latency_ps
    assert link.energy_pj < host.energy_pj


def test_a_chip_whose_digital_work_the_host_does_has_no_use_for_links():
    link, host = (_cost("hermes", ("chip_link.type", kind)) for kind in ("board", "host"))
    assert link.latency_ps == host.latency_ps
    assert link.energy_by == host.energy_by


def test_a_chip_that_is_off_while_the_other_works_saves_its_idle_energy():
    on = _cost("hermes")
    never = ("gating.idle_chips", "off"), ("gating.wake_ns", "0")
    off = _cost("hermes", *never)
    assert off.latency_ps == on.latency_ps
    assert 0.4 < off.energy_by["idle"] / on.energy_by["idle"] < 0.8
    assert "idle" in off.assumed_energy
    assert "idle" not in on.assumed_energy
    kept = _cost("hermes", *never, ("gating.kept_share", "1"))
    assert kept.energy_by["idle"] == pytest.approx(on.energy_by["idle"])
    early = _cost("hermes", never[0], ("gating.wake_ns", "1e6"))
    assert off.energy_by["idle"] < early.energy_by["idle"] < on.energy_by["idle"]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=6), st.integers(0, 5))
def test_time_in_overlapping_spans_counts_once(spans, before):
    spans = [(first, first + length) for first, length in spans]
    wanted = {t for a, b in spans for t in range(max(0, a - before), b)}
    assert covered(spans, before) == len(wanted)


@pytest.mark.parametrize("chip", ["hermes", "hermes-dpu"])
def test_a_chip_file_without_these_tables_means_what_it_did(chip):
    """As of programs that were compiled before there were any."""
    old = replace(load_chip(chip, GRID), chip_link=None, gating=None)
    found, through_host = _of(old), _cost(chip, ("chip_link.type", "host"))
    assert found.latency_by == through_host.latency_by
    assert found.energy_by == through_host.energy_by
