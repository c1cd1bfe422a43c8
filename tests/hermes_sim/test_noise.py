"""Normal numbers for reads: normal, uncorrelated within a call and between calls, repeatable."""

import math

import pytest
import torch
from torch import Tensor

from hermes_sim.noise import ReadNoise, sequences

CALLS = 10_000
PERIOD = 2**20


def call(number: int, *shape: int) -> Tensor:
    """What one call, a block of a run, reads."""
    return ReadNoise(0, "read", "layer", number)(0, torch.empty(shape)).double()


@pytest.fixture(scope="module")
def calls() -> Tensor:
    """[calls, places]: four rows of 64 columns in each of 10,000 calls."""
    return torch.stack([call(number, 4 * 64) for number in range(CALLS)])


def test_read_noise_is_normal() -> None:
    values = torch.cat([call(number, 2**16) for number in range(60)])
    assert values.mean().item() == pytest.approx(0.0, abs=0.002)
    assert values.std().item() == pytest.approx(1.0, abs=0.002)
    assert values.pow(3).mean().item() == pytest.approx(0.0, abs=0.01)
    assert values.pow(4).mean().item() == pytest.approx(3.0, abs=0.02)
    for beyond in (0.5, 1.0, 1.959964, 3.0, 4.0):
        wanted = math.erfc(beyond / math.sqrt(2))
        found = (values.abs() > beyond).double().mean().item()
        assert found == pytest.approx(wanted, rel=0.05, abs=5e-6)
    assert 4.5 < values.abs().max().item() < 7.0


def test_every_place_of_a_call_is_normal_over_many_calls(calls: Tensor) -> None:
    """Mean, variance and fourth moment within what chance allows 10,000 independent numbers."""
    chance = 1 / math.sqrt(CALLS)
    assert calls.mean(0).abs().max().item() < 4.5 * chance
    assert (calls.var(0) - 1).abs().max().item() < 4.5 * math.sqrt(2) * chance
    assert (calls.pow(4).mean(0) - 3).abs().max().item() < 6.0 * math.sqrt(96) * chance
    assert (calls.mean(0) * math.sqrt(CALLS)).std().item() == pytest.approx(1.0, abs=0.15)


def test_the_error_of_an_average_falls_with_the_root_of_its_reads(calls: Tensor) -> None:
    for reads in (10, 100, 1000, CALLS):
        averages = calls.view(CALLS // reads, reads, -1).mean(1) * math.sqrt(reads)
        chance = 1 / math.sqrt(2 * min(averages.numel(), 2000))
        assert averages.std().item() == pytest.approx(1.0, abs=4 * chance), reads


def test_the_sum_of_whole_calls_has_the_variance_of_independent_numbers() -> None:
    """Stretches of different calls overlap; what that adds and takes away cancels."""
    sums = torch.stack([call(number, 2**16).sum() / 2**8 for number in range(400)])
    assert sums.std().item() == pytest.approx(1.0, abs=0.12)
    assert sums.view(20, 20).sum(1).div(20**0.5).std().item() == pytest.approx(1.0, abs=0.5)


def test_places_of_a_call_are_uncorrelated(calls: Tensor) -> None:
    """Every pair of 256 places: neighbours, columns, rows."""
    correlation = torch.corrcoef(calls.T) - torch.eye(calls.shape[1])
    assert correlation.abs().max().item() < 5.5 / math.sqrt(CALLS)
    assert correlation.std().item() == pytest.approx(1 / math.sqrt(CALLS), rel=0.03)


def test_successive_calls_are_uncorrelated(calls: Tensor) -> None:
    for distance in (1, 2, 3, 50):
        together = calls[:-distance] * calls[distance:]
        whole = together.mean().item() * math.sqrt(together.numel())
        assert abs(whole) < 4.5, distance
        assert together.mean(0).abs().max().item() < 4.5 / math.sqrt(CALLS)


def test_streams_of_other_names_and_stages_are_uncorrelated() -> None:
    def read(name: str, stage: int, number: int) -> Tensor:
        return ReadNoise(0, name, number)(stage, torch.empty(2**12)).double()

    for name, stage in (("b", 0), ("a", 1)):
        together = [(read("a", 0, n) * read(name, stage, n)).mean() for n in range(300)]
        found = torch.stack(together) * math.sqrt(2**12)
        assert found.mean().item() == pytest.approx(0.0, abs=4 / math.sqrt(300))


@pytest.mark.parametrize("which", [0, 1])
def test_the_sequences_have_the_spectrum_of_white_noise(which: int) -> None:
    """No mean, a variance of a half, no correlation at any distance: exactly."""
    sequence = sequences()[which]
    assert torch.equal(sequence[PERIOD:], sequence[: len(sequence) - PERIOD])
    power = torch.fft.rfft(sequence[:PERIOD].double()).abs().square()
    correlation = torch.fft.irfft(power) / PERIOD
    assert correlation[0].item() == pytest.approx(0.5, abs=1e-6)
    assert correlation[1:].abs().max().item() < 1e-6
    assert power[0].item() < 1e-3


def test_each_stage_goes_on_with_its_own_stream() -> None:
    noise = ReadNoise(5, "read", "layer", 0)
    first, other, second = (noise(stage, torch.empty(3, 4)).clone() for stage in (0, 1, 0))
    assert len({tuple(t.flatten().tolist()) for t in (first, other, second)}) == 3
    again = ReadNoise(5, "read", "layer", 0)
    assert torch.equal(again(1, torch.empty(3, 4)), other)
    assert torch.equal(again(0, torch.empty(3, 4)), first)
    assert torch.equal(again(0, torch.empty(3, 4)), second)
    assert not torch.equal(ReadNoise(6, "read", "layer", 0)(0, torch.empty(3, 4)), first)


@pytest.mark.parametrize("part", [1, 777, 2**16, 100_000])
def test_a_stream_is_the_same_in_whatever_parts_it_is_taken(part: int) -> None:
    whole = ReadNoise(0, "a")(0, torch.empty(200_000))
    noise = ReadNoise(0, "a")
    count = 200_000 if part > 1 else 300
    taken = [noise(0, torch.empty(min(part, count - i))) for i in range(0, count, part)]
    assert torch.equal(torch.cat(taken), whole[:count])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 7])
def test_any_number_of_values_is_filled(size: int) -> None:
    out = torch.full((size,), float("nan"))
    assert bool(ReadNoise(0, "a")(0, out).isfinite().all())
