"""Which cells a descent or a verify read pulses: the compiled functions beside torch."""

import copy

import pytest
import torch

from hermesrt.chip.load import load_chip
from hermesrt.device import Pulses
from hermesrt.programming import session, verify
from hermesrt.programming.compiled import functions
from hermesrt.programming.core_programming import FIELDS, CoreProgramming
from hermesrt.programming.descent_pulses import chosen, descent_pulses
from hermesrt.programming.targets import CoreTarget


def core_of(rows: int, columns: int) -> CoreProgramming:
    """Cells of every kind: tuned or not, of weight zero or not, at the last current or far off."""
    draw = torch.Generator().manual_seed(rows)
    shape = (rows, columns)

    def some(share: float) -> torch.Tensor:
        return torch.rand(shape, generator=draw) < share

    siemens = torch.randn(shape, generator=draw).mul_(1e-5) * some(0.7)
    high = torch.full(shape, 700e-6)
    fields = {
        "device": torch.randint(0, 4, shape, generator=draw).to(torch.int8),
        "ampere": torch.where(some(0.3), high, torch.rand(shape, generator=draw) * 575e-6 + 125e-6),
        "slope": torch.rand(shape, generator=draw).mul_(3e-6) * some(0.9),
        "pending": torch.randn(shape, generator=draw),
        "tuned": some(0.8),
        "open": some(0.5),
        "saturated": torch.randint(0, 5, shape, generator=draw).to(torch.int8),
    }
    return CoreProgramming.of(CoreTarget(0, siemens, torch.ones(shape, dtype=torch.bool)), fields)


def same(ours: CoreProgramming, theirs: CoreProgramming, first: Pulses, second: Pulses) -> None:
    for name in ("cells", "device", "ampere"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    for name in FIELDS:
        assert torch.equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("shape", [(8, 8), (37, 19)])
@pytest.mark.parametrize("threshold", [0.0, 1.5, 99.0])
def test_the_compiled_function_has_the_bits_of_torch(
    shape: tuple[int, int], threshold: float
) -> None:
    if functions() is None:
        pytest.skip("nothing is compiled here")
    chip, ours = load_chip("hermes"), core_of(*shape)
    theirs = copy.deepcopy(ours)
    for _ in range(3):
        first, second = chosen(chip, ours, threshold), descent_pulses(chip, theirs, threshold)
        same(ours, theirs, first, second)
        ours.pending.add_(2 * ours.slope / 3e-6 - 1)
        theirs.pending.copy_(ours.pending)


@pytest.mark.parametrize("shape", [(8, 8), (37, 19)])
def test_the_compiled_verification_has_the_bits_of_torch(shape: tuple[int, int]) -> None:
    if functions() is None:
        pytest.skip("nothing is compiled here")
    chip, ours = load_chip("hermes"), core_of(*shape)
    theirs, draw = copy.deepcopy(ours), torch.Generator().manual_seed(1)
    assert bool((ours.open & (ours.saturated >= session.PATIENCE)).any()), "some are given up"
    for spread in (100.0, 60.0, 4.0):
        read = torch.rand(2, *shape, generator=draw).mul_(spread).round_()
        first = verify.chosen(chip, ours, read, 0.5)
        same(ours, theirs, first, verify.verify_pulses(chip, theirs, read, 0.5))
        assert len(first.cells) > 0
