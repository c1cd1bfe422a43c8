"""Program-and-verify leaves alone what is good enough."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Program
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.session import (
    ProgrammingSession,
    start_core,
)
from hermesrt.programming.targets import targets
from hermesrt.programming.verify import VerifyOptions, verify

COUNT = 0.129375e-6
MARGIN = 5


def held(device: Any) -> Tensor:
    """g+ - g- of all cells, in counts."""
    g = torch.from_numpy(device.state().arrays["0.conductance"]).sum(0)
    return (g[0] - g[1]) / COUNT


@pytest.fixture
def session(
    chip_of: Callable[..., ChipSpec],
    compiled: Callable[[Tensor, ChipSpec], Program],
    clean: dict[str, str],
    matrices: dict[str, Tensor],
    watched: Callable[[Any], Any],
) -> tuple[ProgrammingSession, CoreProgramming]:
    """A clean device that holds uniform weights with zeros, and its core."""
    chip = chip_of(64, 64, clean)
    program = compiled(matrices["with zeros"], chip)
    device = watched(hermesc.simulate(chip))
    device.load(program.artifact)
    (target,) = targets(program.artifact)
    made = ProgrammingSession(device)
    return made, start_core(made, target)


def test_only_cells_outside_the_margin_are_pulsed(
    session: tuple[ProgrammingSession, CoreProgramming],
) -> None:
    made, core = session
    device: Any = made.device
    closed = torch.zeros(64 * 64, dtype=torch.bool)
    for _ in range(10):
        wrong = (core.target.siemens / COUNT - held(device)).abs().flatten()
        device.sent.clear()
        verify(made, core, VerifyOptions())
        pulsed = torch.zeros(64 * 64, dtype=torch.bool)
        for _, pulses in device.sent:  # one call, or none when every cell is done
            pulsed[pulses.cells] = True
        assert bool((wrong[pulsed] > MARGIN - 0.51).all()), "a read is a whole count"
        left = core.tuned.flatten() & ~pulsed & ~closed
        assert bool((wrong[left] <= MARGIN + 0.51).all())
        assert not bool((pulsed & closed).any()), "once within the margin is enough"
        closed |= ~pulsed
    assert int(pulsed.sum()) < 0.1 * int(core.tuned.sum())


def test_cells_of_no_weight_are_never_pulsed(
    session: tuple[ProgrammingSession, CoreProgramming],
) -> None:
    made, core = session
    device: Any = made.device
    zero = (core.target.siemens == 0).flatten()
    assert 0.2 < float(zero.float().mean()) < 0.4
    device.sent.clear()
    for _ in range(5):
        verify(made, core, VerifyOptions())
    assert not any(bool(zero[pulses.cells].any()) for _, pulses in device.sent)


@pytest.mark.parametrize("gain", [0.25, 0.5, 1.0])
def test_the_gain_is_the_share_of_the_error_that_one_pulse_removes(
    session: tuple[ProgrammingSession, CoreProgramming], gain: float
) -> None:
    made, core = session
    before = core.target.siemens / COUNT - held(made.device)
    verify(made, core, VerifyOptions(gain=gain))
    after = core.target.siemens / COUNT - held(made.device)
    # a cell whose both devices are SET and still too little cannot be helped
    helped = core.open & (before * core.target.siemens.sign() < -10)
    assert int(helped.sum()) > 500
    torch.testing.assert_close(after[helped], (1 - gain) * before[helped], rtol=0.02, atol=1.2)
