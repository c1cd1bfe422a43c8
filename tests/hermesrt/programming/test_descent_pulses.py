"""Which cells a descent pulses: the compiled function beside torch."""

import copy

import pytest
import torch

from hermesrt.chip.load import load_chip
from hermesrt.programming.compiled import functions
from hermesrt.programming.descent_pulses import chosen, descent_pulses
from hermesrt.programming.session import FIELDS, CoreProgramming
from hermesrt.programming.targets import CoreTarget


def core_of(rows: int, columns: int) -> CoreProgramming:
    """Cells of every kind: tuned or not, of weight zero or not, at the last current or far off."""
    draw = torch.Generator().manual_seed(rows)
    shape = (rows, columns)

    def some(share: float) -> torch.Tensor:
        return torch.rand(shape, generator=draw) < share

    siemens = torch.randn(shape, generator=draw).mul_(1e-5) * some(0.7)
    high = torch.full(shape, 700e-6)
    return CoreProgramming(
        target=CoreTarget(0, siemens, torch.ones(shape, dtype=torch.bool)),
        device=torch.randint(0, 4, shape, generator=draw).to(torch.int8),
        ampere=torch.where(some(0.3), high, torch.rand(shape, generator=draw) * 575e-6 + 125e-6),
        slope=torch.rand(shape, generator=draw).mul_(3e-6) * some(0.9),
        pending=torch.randn(shape, generator=draw),
        tuned=some(0.8),
        open=some(0.5),
        saturated=torch.randint(0, 5, shape, generator=draw).to(torch.int8),
    )


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
        for name in ("cells", "device", "ampere"):
            assert torch.equal(getattr(first, name), getattr(second, name))
        for name in FIELDS:
            assert torch.equal(getattr(ours, name), getattr(theirs, name))
        ours.pending.add_(2 * ours.slope / 3e-6 - 1)
        theirs.pending.copy_(ours.pending)
