"""Program-and-verify ends where the chip's own programming was measured."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Chip, Program
from hermesrt.programming.mvm_error import mvm_errors

Compiled = Callable[[Tensor, ChipSpec], Program]
TOLERANCE = 0.15  # of the published end state's MVM error


def _drawn(make: Callable[[torch.Generator], Tensor]) -> Tensor:
    return make(torch.Generator().manual_seed(0))


MATRICES = {
    "identity": torch.eye(256),
    "64 ones": torch.eye(64),
    "a tenth of the cells": _drawn(
        lambda g: torch.randn(256, 256, generator=g) * (torch.rand(256, 256, generator=g) > 0.9)
    ),
    "uniform, 30 % zeros": _drawn(
        lambda g: (
            (torch.rand(256, 256, generator=g) * 2 - 1) * (torch.rand(256, 256, generator=g) >= 0.3)
        )
    ),
    "dense": _drawn(lambda g: torch.randn(256, 256, generator=g)),
}


def _error(program: Program, chip: ChipSpec, method: str) -> float:
    made = program.deploy(hermesc.simulate(chip), method)  # type: ignore[arg-type]
    (error,) = mvm_errors(made.device, program.artifact).values()
    return error


@pytest.mark.parametrize("name", MATRICES)
def test_verify_leaves_the_published_mvm_error(
    name: str, chip: ChipSpec, compiled: Compiled
) -> None:
    """Published: the spread of pcm_tdp, fitted on this chip by its team at the first read."""
    program = compiled(MATRICES[name], chip)
    published = _error(program, chip, "published")
    assert _error(program, chip, "verify") == pytest.approx(published, rel=TOLERANCE)


def test_a_cell_without_a_weight_has_the_published_deviation(
    chip: ChipSpec, compiled: Compiled
) -> None:
    """0.166 uS a polarity, clipped at zero: g+ - g- of 0.137 uS; within 5 %."""
    program = compiled(torch.eye(256), chip)
    made: Chip = program.deploy(hermesc.simulate(chip), "verify")
    g = torch.from_numpy(made.device.state().arrays["0.conductance"]).sum(0)
    off = ~torch.eye(256, dtype=torch.bool)
    published = 0.166e-6 * math.sqrt(2 * (1 / 2 - 1 / (2 * math.pi)))
    assert float((g[0] - g[1])[off].std()) == pytest.approx(published, rel=0.05)
