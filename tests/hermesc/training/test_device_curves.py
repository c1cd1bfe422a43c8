"""A weight's error in a step is that of its drawn devices."""

import pytest
import torch

from hermes_sim import pcm
from hermesc.training import device_kernel
from hermesc.training.device_curves import (
    ChipCurves,
    draw_error,
    read_variances,
    torch_error,
    torch_variances,
)
from hermesrt.chip.device_noise import within
from hermesrt.chip.load import load_chip
from hermesrt.seeds import generator

from ...emulated import SETS, Emulated

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


@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (9, 3, 2, 2), (24,)])
@pytest.mark.parametrize("by", ["row", "column", "matrix"])
def test_the_compiled_pass_has_the_bits_of_torchs_operations(shape, by):
    chip = load_chip("hermes")
    curves = ChipCurves(chip).at(3600.0, chip.pcm.g_max_siemens)
    torch.manual_seed(0)
    weight, drawn = torch.randn(shape), torch.randn(shape)
    weight.view(-1)[0] = 0
    kept = {"row": 0, "column": weight.dim() - 1, "matrix": -1}[by]
    over = [d for d in range(weight.dim()) if d != kept]
    unit = (weight.abs().amax(over, keepdim=True) if over else weight.abs()).clamp(min=1e-9)
    found, wanted = drawn.clone(), drawn.clone()
    if not device_kernel.errors(weight, unit, found, curves.mean, curves.deviation):
        pytest.skip("no C compiler")
    torch_error(curves, weight, unit, wanted)
    assert torch.equal(found, wanted)
    torch_variances(curves, weight, unit, wanted)
    assert torch.equal(read_variances(curves, weight, unit), wanted)


@pytest.mark.parametrize("by_column", [False, True])
def test_the_pass_for_arm_processors_has_the_bits_of_torchs_operations(by_column, tmp_path):
    chip = load_chip("hermes")
    curves = ChipCurves(chip).at(3600.0, chip.pcm.g_max_siemens)
    torch.manual_seed(0)
    weight, drawn = torch.randn(24, 37), torch.randn(24, 37)
    weight[0, 0] = 0
    unit = weight.abs().amax(0 if by_column else 1, keepdim=True)
    found, wanted = drawn.clone(), drawn.clone()
    floats = [torch.tensor(c) for c in (curves.mean, curves.deviation, curves.read_variance)]
    with Emulated(device_kernel.SOURCE, SETS[-1], tmp_path) as run:
        run("hermes_errors", weight, unit, found, *weight.shape, int(by_column), *floats[:2])
        torch_error(curves, weight, unit, wanted)
        assert torch.equal(found, wanted)
        run("hermes_variances", weight, unit, found, *weight.shape, int(by_column), floats[2])
        torch_variances(curves, weight, unit, wanted)
        assert torch.equal(found, wanted)
