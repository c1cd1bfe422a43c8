"""A weight's error in a step is that of its drawn devices."""

import pytest
import torch

from hermes_sim import pcm
from hermesc.training.device_curves import ChipCurves, draw_error
from hermesrt.chip.device_noise import within
from hermesrt.chip.load import load_chip
from hermesrt.seeds import generator

WEIGHTS = 200_000


@pytest.mark.parametrize("g_max_share", [1.0, 0.5])
@pytest.mark.parametrize("age_s", [0.0, 86400.0])
def test_errors_have_the_mean_and_spread_of_drawn_devices(age_s, g_max_share):
    chip = load_chip("hermes")
    g_max = g_max_share * chip.pcm.g_max_siemens
    torch.manual_seed(0)
    weight = (torch.randn(WEIGHTS, 1) / 3).clamp(-1, 1) * 2
    curves = ChipCurves(chip).at(age_s, g_max)
    drawn = draw_error(curves, weight, torch.tensor([[2.0]]), torch.randn(weight.shape))
    stream = generator(1, "test")
    target = torch.stack([weight.clamp(min=0), (-weight).clamp(min=0)]) * g_max / 2
    held = pcm.program(chip.pcm, target, stream, within(chip))
    nu = pcm.drift_exponent(chip.pcm, target, stream)
    aged = pcm.drift(chip.pcm, held, nu, age_s)
    young, old = held[0] - held[1], aged[0] - aged[1]
    wanted = 2 * old * (young * old).sum() / old.square().sum() / g_max - weight
    assert float(drawn.std() / wanted.std()) == pytest.approx(1.0, abs=0.03)
    for low in (-1.5, -0.8, -0.3, 0.1, 0.5, 1.2):
        some = (weight > low) & (weight < low + 0.1)
        assert float(drawn[some].std() / wanted[some].std()) == pytest.approx(1.0, abs=0.12)
        assert float(drawn[some].mean()) == pytest.approx(float(wanted[some].mean()), abs=0.02)
