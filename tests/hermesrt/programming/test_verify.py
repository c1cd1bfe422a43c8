"""Program-and-verify leaves alone what is good enough."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import hermesc
from hermesc.target.spec import ChipSpec
from hermesrt.program import Program
from hermesrt.programming.hand import Bench, Effort, Hand, take_in_hand
from hermesrt.programming.targets import targets
from hermesrt.programming.verify import VerifyOptions, verify

COUNT = 0.129375e-6
MARGIN = 5


def held(device: Any) -> Tensor:
    """g+ - g- of all cells, in counts."""
    g = torch.from_numpy(device.state().arrays["0.conductance"]).sum(0)
    return (g[0] - g[1]) / COUNT


@pytest.fixture
def bench(
    chip_of: Callable[..., ChipSpec],
    compiled: Callable[[Tensor, ChipSpec], Program],
    clean: dict[str, str],
    matrices: dict[str, Tensor],
    watched: Callable[[Any], Any],
) -> tuple[Bench, Hand]:
    """A clean device that holds uniform weights with zeros, and its hand."""
    chip = chip_of(64, 64, clean)
    program = compiled(matrices["with zeros"], chip)
    device = watched(hermesc.simulate(chip))
    device.load(program.artifact)
    (target,) = targets(program.artifact)
    made = Bench(device, 0, Effort())
    return made, take_in_hand(made, target)


def test_only_cells_outside_the_margin_are_pulsed(bench: tuple[Bench, Hand]) -> None:
    made, hand = bench
    device: Any = made.device
    closed = torch.zeros(64 * 64, dtype=torch.bool)
    for _ in range(10):
        wrong = (hand.target.siemens / COUNT - held(device)).abs().flatten()
        device.sent.clear()
        verify(made, hand, VerifyOptions())
        pulsed = torch.zeros(64 * 64, dtype=torch.bool)
        for _, pulses in device.sent:  # one call, or none when every cell is done
            pulsed[pulses.cells] = True
        assert bool((wrong[pulsed] > MARGIN - 0.51).all()), "a read is a whole count"
        left = hand.tuned.flatten() & ~pulsed & ~closed
        assert bool((wrong[left] <= MARGIN + 0.51).all())
        assert not bool((pulsed & closed).any()), "once within the margin is enough"
        closed |= ~pulsed
    assert int(pulsed.sum()) < 0.1 * int(hand.tuned.sum())


def test_cells_of_no_weight_are_never_pulsed(bench: tuple[Bench, Hand]) -> None:
    made, hand = bench
    device: Any = made.device
    zero = (hand.target.siemens == 0).flatten()
    assert 0.2 < float(zero.float().mean()) < 0.4
    device.sent.clear()
    for _ in range(5):
        verify(made, hand, VerifyOptions())
    assert not any(bool(zero[pulses.cells].any()) for _, pulses in device.sent)


@pytest.mark.parametrize("gain", [0.25, 0.5, 1.0])
def test_the_gain_is_the_share_of_the_error_that_one_pulse_removes(
    bench: tuple[Bench, Hand], gain: float
) -> None:
    made, hand = bench
    before = hand.target.siemens / COUNT - held(made.device)
    verify(made, hand, VerifyOptions(gain=gain))
    after = hand.target.siemens / COUNT - held(made.device)
    # a cell whose both devices are SET and still too little cannot be helped
    helped = hand.open & (before * hand.target.siemens.sign() < -10)
    assert int(helped.sum()) > 500
    torch.testing.assert_close(after[helped], (1 - gain) * before[helped], rtol=0.02, atol=1.2)
