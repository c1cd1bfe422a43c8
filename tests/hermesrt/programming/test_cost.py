"""OperationCounts, time and energy by core."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Chip, Program
from hermesrt.programming.cost import joules, seconds
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.loop import ProgrammingOptions
from hermesrt.programming.session import OperationCounts

Compiled = Callable[[Tensor, ChipSpec], Program]
HALVES = {"programming_pulses.write_heads": "4", "unit_cell.devices_per_polarity": "1"}


@pytest.fixture(scope="module")
def one_shot(chip_of: Callable[..., ChipSpec], compiled: Compiled) -> Chip:
    """A full crossbar of 8 x 8 weights, none zero; 4 write heads serve a diagonal in 2 cycles."""
    chip = chip_of(8, 8, HALVES)
    weights = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    made = Chip(compiled(weights, chip), hermesc.simulate(chip))
    made.program("oneshot")
    return made


def test_a_start_costs_four_resets_and_a_set(one_shot: Chip) -> None:
    start = one_shot.iterations[0].counts
    assert start.pulses == 4 * 64 + 64
    assert start.reads == 1
    assert start.mvms == 0
    assert start.pulse_ns == 8 * 2 * (4 * 125 + 250)
    assert start.charge_coulomb == pytest.approx(256 * 700e-6 * 125e-9 + 64 * 125e-6 * 250e-9)
    chip = one_shot.device.chip
    assert seconds(chip, start, 1) == pytest.approx((12000 + 8 * 768) * 1e-9)
    wanted = 2.5 * 2.44e-8 + 8 * chip.programming_energy.verify_read_nj * 1e-9
    assert joules(chip, start) == pytest.approx(wanted)


def test_the_pulse_costs_a_reset_and_a_pass_for_each_device_in_use(one_shot: Chip) -> None:
    start, end = (i.counts for i in one_shot.iterations)
    cells = (end.pulses - start.pulses) / 2  # without those whose SET level is below the target
    assert 60 <= cells <= 64
    assert end.reads - start.reads == 1
    assert end.pulse_ns - start.pulse_ns == 8 * 2 * (125 + 125)
    charge = end.charge_coulomb - start.charge_coulomb - cells * 700e-6 * 125e-9
    assert cells * 125e-6 * 125e-9 < charge < cells * 700e-6 * 125e-9


def test_every_device_number_in_use_takes_a_pass(
    chip_of: Callable[..., ChipSpec], compiled: Compiled
) -> None:
    chip = chip_of(8, 8, {"programming_pulses.write_heads": "8"})
    weights = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    made = Chip(compiled(weights, chip), hermesc.simulate(chip))
    made.program("oneshot")
    start, end = (i.counts for i in made.iterations)
    assert start.reads == 2
    assert start.pulse_ns == 8 * (4 * 125 + 2 * 250 + 2 * 125)
    assert 4 * 64 + 2 * 64 <= start.pulses <= 4 * 64 + 3 * 64
    assert end.pulse_ns - start.pulse_ns == 8 * (2 * 125 + 2 * 125)


def test_cores_work_side_by_side_and_all_draw_energy(one_shot: Chip) -> None:
    chip = one_shot.device.chip
    counts = OperationCounts(pulses=10, charge_coulomb=4e-6, pulse_ns=3000.0, reads=2, mvms=5)
    one = seconds(chip, counts, 1)
    mvm_ns = chip.mvm_time.four_phase_ns
    assert one == pytest.approx((3000 + 2 * 8 * 768 + 5 * mvm_ns) * 1e-9)
    assert seconds(chip, counts, 2) == pytest.approx(one / 2)
    reads = 2 * 8 * chip.programming_energy.verify_read_nj
    wanted = 1e-5 + (reads + 5 * chip.mvm_energy.four_phase_nj) * 1e-9
    assert joules(chip, counts) == pytest.approx(wanted)
    assert seconds(chip, OperationCounts(), 0) == joules(chip, OperationCounts()) == 0.0


def test_descents_are_counted_in_mvms(chip_of: Callable[..., ChipSpec], compiled: Compiled) -> None:
    chip = chip_of(8, 8)
    made = Chip(compiled(torch.randn(8, 8), chip), hermesc.simulate(chip))
    made.program(
        "gdp", ProgrammingOptions(gdp=GdpOptions(verify_iterations=2, iterations=3, batch=16))
    )
    mvms = [i.counts.mvms for i in made.iterations]
    assert [i.phase for i in made.iterations] == ["start", "verify", "verify", *["descend"] * 3]
    assert mvms == [0, 0, 0, 16, 32, 48]
    reads = [i.counts.reads for i in made.iterations]
    assert reads == [2, 3, 4, 4, 4, 4]
