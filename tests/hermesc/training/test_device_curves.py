"""A weight's error in a step is that of its drawn devices."""

import pytest
import torch

from hermes_sim import pcm
from hermesc.training.device_curves import ChipCurves, draw_error
from hermesrt.chip.device_noise import within
from hermesrt.chip.load import load_chip
from hermesrt.seeds import generator

DRAWS = 4000


@pytest.mark.parametrize("g_max_share", [1.0, 0.5])
@pytest.mark.parametrize("age_s", [0.0, 86400.0])
def test_errors_have_the_mean_and_spread_of_drawn_devices(age_s, g_max_share):
    chip = load_chip("hermes")
    g_max = g_max_share * chip.pcm.g_max_siemens
    shares = torch.tensor([-0.9, -0.3, 0.05, 0.2, 0.5, 1.0])
    weight = shares[:, None].expand(-1, DRAWS).contiguous() * 2
    drawn = draw_error(
        ChipCurves(chip).at(age_s, g_max), weight, torch.tensor([[2.0]]), torch.randn(weight.shape)
    )
    stream = generator(1, "test")
    target = torch.stack([shares.clamp(min=0), (-shares).clamp(min=0)]) * g_max
    target = target[..., None].expand(-1, -1, DRAWS).contiguous()
    held = pcm.program(chip.pcm, target, stream, within(chip))
    nu = pcm.drift_exponent(chip.pcm, target, stream)
    aged = pcm.drift(chip.pcm, held, nu, age_s)
    young, old = held[0] - held[1], aged[0] - aged[1]
    wanted = 2 * (old * (young * old).sum() / old.square().sum() / g_max) - weight
    assert torch.allclose(drawn.std(1), wanted.std(1), rtol=0.12)
    assert torch.allclose(drawn.mean(1), wanted.mean(1), atol=0.03)
