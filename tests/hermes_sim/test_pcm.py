"""The device equations against their publication's numbers."""

import math

import pytest
import torch

from hermes_sim import pcm
from hermes_sim.seeds import generator
from hermesc.target.spec import ChipSpec

RATIOS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("devices", "percent_of_g_max"),
    [("odp", (1.5, 3.6, 5.9, 8.4, 9.4, 9.7)), ("tdp", (0.8, 2.7, 4.3, 4.8, 4.4, 5.3))],
)
def test_programming_noise_has_the_published_spread(
    chip: ChipSpec, devices: str, percent_of_g_max: tuple[float, ...]
) -> None:
    model = chip.pcm_odp if devices == "odp" else chip.pcm_tdp
    for ratio, percent in zip(RATIOS, percent_of_g_max, strict=True):
        target = torch.full((400, 400), ratio * model.g_max_siemens)
        programmed = pcm.program(model, target, generator(1, devices, str(ratio)))
        error = (programmed - target) / model.g_max_siemens
        clipped = error.square().mean().sqrt() * math.sqrt(2)  # half of the normal is left at zero
        spread = clipped if ratio == 0.0 else error.std()
        assert 100 * spread.item() == pytest.approx(percent, abs=0.12)


def test_programmed_conductance_is_never_negative(chip: ChipSpec) -> None:
    programmed = pcm.program(chip.pcm, torch.zeros(200, 200), generator(0))
    assert programmed.min() == 0
    assert programmed.max() > 0, "the zero device is noisy too"


def test_drift_follows_the_power_law_from_t0(chip: ChipSpec) -> None:
    g = torch.tensor([[10e-6]])
    nu = torch.tensor([[0.05]])
    assert pcm.drift(chip.pcm, g, nu, 0.0).item() == pytest.approx(10e-6)
    ten_times = 9 * chip.pcm.t0_seconds  # t = age + t0
    assert pcm.drift(chip.pcm, g, nu, ten_times).item() == pytest.approx(10e-6 * 10**-0.05)


def test_small_conductances_drift_more(chip: ChipSpec) -> None:
    means = [
        pcm.drift_exponent(chip.pcm, torch.full((300, 300), r * 20.7e-6), generator(2)).mean()
        for r in (0.01, 0.5, 1.0)
    ]
    assert means[0].item() == pytest.approx(0.13, abs=0.002)  # the clamp of the published fit
    assert means[0] > means[1] > means[2]


def test_read_noise_grows_with_the_logarithm_of_time(chip: ChipSpec) -> None:
    g = torch.tensor([[10e-6]])
    early, late = (pcm.read_noise(chip.pcm, g, g, age).item() for age in (0.0, 86400.0))
    q = sum(
        c * (10 / 20.7) ** i for i, c in enumerate((0.0123, 0.0211, -0.0280, 0.0069))
    )  # aihwkit, Hermes, 2 devices
    growth = math.sqrt(math.log((300 + 512e-9) / (2 * 512e-9)))
    assert early == pytest.approx(10e-6 * q * growth, rel=1e-4)
    assert late > early


def test_curve_clamps_its_logarithm(chip: ChipSpec) -> None:
    values = pcm.curve(chip.pcm.read_noise, torch.tensor([0.0, 1e-9, 0.159]))
    assert values[:2].tolist() == pytest.approx([0.04, 0.04])
    assert values[2].item() == pytest.approx(max(0.015, -0.0117 * math.log(0.159) - 0.0069))
