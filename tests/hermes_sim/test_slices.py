"""Slices on the chip: errors fall as published, later slices correct earlier ones, time agrees."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.chip.load import load_chip
from hermesrt.chip.slices import averaged_error
from hermesrt.errors import OptionError
from hermesrt.programming.conductances import core_cells

from .reference import assert_times_agree

# Le Gallo 2022 counts errors of the matrix alone
MATRIX_ALONE = {"chip.effects.input_code": False, "chip.effects.output_code": False}


def made(settings: Mapping[str, Any]) -> tuple[hermesc.Program, Tensor, Tensor]:
    torch.manual_seed(0)
    net, x = nn.Linear(96, 96, bias=False), torch.randn(128, 96)
    net.weight.data = torch.randn(96, 96)
    with torch.no_grad():
        return hermesc.compile(net, x, options={**MATRIX_ALONE, **settings}), x, net(x)


def error(settings: Mapping[str, Any], age: str = "0s") -> float:
    """Mean relative error of two chips at an age."""
    program, x, wanted = made(settings)
    found = []
    for seed in range(2):
        chip = program.deploy(hermesc.simulate(program.artifact.chip, seed=seed)).configure(age)
        found.append(float((chip(x) - wanted).norm() / wanted.norm()))
    return sum(found) / 2


@pytest.fixture(scope="module")
def alone() -> float:
    return error({})


@pytest.mark.parametrize(("weights", "base"), [("equal", 1.0), ("significance", 2.0)])
@pytest.mark.parametrize("count", [2, 6])
def test_errors_fall_with_slices_as_published(
    alone: float, weights: str, base: float, count: int
) -> None:
    """Le Gallo 2022, equation 8, within 4 % (two chips)."""
    found = error({"tile.slices": count, "tile.slice_weights": weights})
    assert found / alone == pytest.approx(averaged_error(count, base), rel=0.04)


def test_slices_that_correct_each_other_are_best(alone: float) -> None:
    """Le Gallo 2022: of all fills at t0, that with correction and falling significances."""
    found = {
        (fill, weights): error(
            {"tile.slices": 3, "tile.slice_fill": fill, "tile.slice_weights": weights}
        )
        for fill, weights in [
            ("equal", "equal"), ("max", "equal"), ("corrected", "equal"), ("max", "significance"),
            ("corrected", "significance"),
        ]
    }  # fmt: skip
    assert min(found, key=lambda way: found[way]) == ("corrected", "significance")
    assert found["corrected", "significance"] < 0.35 * alone
    assert found["corrected", "equal"] < found["max", "equal"] < found["equal", "equal"]


def test_a_month_later_equal_slices_are_best() -> None:
    """Le Gallo 2022, on the array of 1 M devices that it models: drift is in proportion to a
    conductance, and equal significances average it best."""
    array = {"chip.statistics.model": "pcm-like", "tile.slices": 6}
    ways = [
        ("equal", "equal"),
        ("max", "equal"),
        ("equal", "significance"),
        ("max", "significance"),
    ]
    found = {
        (fill, weights): error(
            {**array, "tile.slice_fill": fill, "tile.slice_weights": weights}, "30d"
        )
        for fill, weights in ways
    }
    assert min(found, key=lambda way: found[way]) == ("equal", "equal")


@pytest.fixture(scope="module")
def corrected() -> tuple[hermesc.Program, Tensor]:
    program, x, _ = made({"tile.slices": 3, "tile.slice_fill": "corrected"})
    return program, x


def test_a_state_of_corrected_slices_is_read_as_it_was(
    corrected: tuple[hermesc.Program, Tensor], tmp_path: Any
) -> None:
    program, x = corrected
    chip = program.deploy(hermesc.simulate(program.artifact.chip, seed=1))
    chip.save(tmp_path / "p.state")
    again = hermesc.Chip(program, hermesc.simulate(program.artifact.chip, seed=1))
    again.load(tmp_path / "p.state")
    assert torch.equal(again(x), chip(x))
    errors = [c.rms_error for c in core_cells(program.artifact, chip.device.state())]
    assert max(errors) < 2e-6  # S: against what each was to hold after the others were written


def test_pulses_do_not_correct_and_say_so(corrected: tuple[hermesc.Program, Tensor]) -> None:
    program, _ = corrected
    device = hermesc.simulate(program.artifact.chip, seed=1)
    with pytest.raises(OptionError, match=r"slice_fill=corrected.*published"):
        program.deploy(device, method="gdp")


def test_slices_take_their_time_as_the_reference_says() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))
    program = hermesc.compile(net, torch.randn(4, 7, 20), options={"tile.slices": 3})
    assert_times_agree(load_chip("hermes"), program.workload())
