"""Assumed constants, one at a time."""

import random

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermes_sim.engine import cost
from hermes_sim.sensitivity import joint_range, sensitivity
from hermesrt.chip.load import load_chip
from hermesrt.workload import Workload


class Features(nn.Module):
    """One matrix and a cosine."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(32, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).cos()


@pytest.fixture(scope="module")
def work() -> Workload:
    return hermesc.compile(Features(), torch.randn(2, 32)).workload()


def test_every_assumed_constant_that_matters_is_there_and_no_other(work: Workload) -> None:
    chip = load_chip("hermes")
    found = sensitivity(chip, work, "4-phase")
    assert {m.key for m in found} == {
        "host_energy.op_pj", "host_time.op_ns", "host_time.transcendental_ops",
        "host_link_time.byte_ns", "host_link_energy.byte_pj",
    }  # fmt: skip
    quoted = load_chip("hermes", [("mvm_time.four_phase_ns", "520")])  # a user's own: assumed
    assert "mvm_time.four_phase_ns" in {m.key for m in sensitivity(quoted, work, "4-phase")}


def test_the_totals_are_those_of_a_chip_with_that_constant(work: Workload) -> None:
    chip = load_chip("hermes")
    moved = next(m for m in sensitivity(chip, work, "4-phase") if m.key == "host_time.op_ns")
    for factor, latency, energy in zip((0.5, 2), moved.latency_ps, moved.energy_pj, strict=True):
        other = load_chip("hermes", [("host_time.op_ns", str(chip.host_time.op_ns * factor))])
        found = cost(other, work, "4-phase")
        assert (found.latency_ps, found.energy_pj) == (latency, energy)


def test_no_choice_between_half_and_twice_lies_outside_the_joint_range(work: Workload) -> None:
    chip = load_chip("hermes")
    low, high = joint_range(chip, work, "4-phase")
    middle = cost(chip, work, "4-phase")
    assert low.latency_ps < middle.latency_ps < high.latency_ps
    assert low.energy_pj < middle.energy_pj < high.energy_pj
    draw = random.Random(0)
    for _ in range(10):
        settings = [
            (key, str(value * 2 ** draw.uniform(-1, 1)))
            for key, value in (
                ("host_energy.op_pj", chip.host_energy.op_pj),
                ("host_time.op_ns", chip.host_time.op_ns),
                ("host_link_time.byte_ns", chip.host_link_time.byte_ns),
                ("host_link_energy.byte_pj", chip.host_link_energy.byte_pj),
            )
        ]
        found = cost(load_chip("hermes", settings), work, "4-phase")
        assert low.latency_ps <= found.latency_ps <= high.latency_ps
        assert low.energy_pj <= found.energy_pj <= high.energy_pj


def test_all_constants_are_at_their_end_together(work: Workload) -> None:
    chip = load_chip("hermes")
    _, high = joint_range(chip, work, "4-phase")
    settings = [
        ("host_energy.op_pj", str(2 * chip.host_energy.op_pj)),
        ("host_time.op_ns", str(2 * chip.host_time.op_ns)),
        ("host_time.transcendental_ops", str(2 * chip.host_time.transcendental_ops)),
        ("host_link_time.byte_ns", str(2 * chip.host_link_time.byte_ns)),
        ("host_link_energy.byte_pj", str(2 * chip.host_link_energy.byte_pj)),
    ]
    found = cost(load_chip("hermes", settings), work, "4-phase")
    assert (high.latency_ps, high.energy_pj) == (found.latency_ps, found.energy_pj)


def test_the_strongest_comes_first(work: Workload) -> None:
    chip = load_chip("hermes")
    before = cost(chip, work, "4-phase")
    changes = [
        max(
            abs(m.latency_ps[1] / before.latency_ps - 1), abs(m.energy_pj[1] / before.energy_pj - 1)
        )
        for m in sensitivity(chip, work, "4-phase")
    ]
    assert changes == sorted(changes, reverse=True)
