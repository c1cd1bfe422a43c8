"""Normal numbers for reads: normal, independent, repeatable."""

import pytest
import torch

from hermes_sim.noise import ReadNoise


def test_read_noise_is_normal() -> None:
    values = ReadNoise(0, "a")(0, torch.empty(1000, 1000)).flatten().double()
    assert values.mean().item() == pytest.approx(0.0, abs=0.004)
    assert values.std().item() == pytest.approx(1.0, abs=0.003)
    assert values.pow(3).mean().item() == pytest.approx(0.0, abs=0.02)
    assert values.pow(4).mean().item() == pytest.approx(3.0, abs=0.03)
    assert (values.abs() > 1.959964).double().mean().item() == pytest.approx(0.05, abs=0.001)
    assert 4.0 < values.abs().max().item() < 5.0


def test_read_noise_of_neighbours_is_independent() -> None:
    values = ReadNoise(0, "a")(0, torch.empty(400, 400)).double()
    for distance in (1, 2, 3, 4, 8):
        together = (values[:, :-distance] * values[:, distance:]).mean()
        assert together.item() == pytest.approx(0.0, abs=0.012)


def test_each_stage_goes_on_with_its_own_stream() -> None:
    noise = ReadNoise(5, "read", "layer", 0)
    first, other, second = (noise(stage, torch.empty(3, 4)).clone() for stage in (0, 1, 0))
    assert len({tuple(t.flatten().tolist()) for t in (first, other, second)}) == 3
    again = ReadNoise(5, "read", "layer", 0)
    assert torch.equal(again(1, torch.empty(3, 4)), other)
    assert torch.equal(again(0, torch.empty(3, 4)), first)
    assert torch.equal(again(0, torch.empty(3, 4)), second)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 7])
def test_any_number_of_values_is_filled(size: int) -> None:
    out = torch.full((size,), float("nan"))
    assert bool(ReadNoise(0, "a")(0, out).isfinite().all())
