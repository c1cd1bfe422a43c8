"""The device equations against their publication's numbers."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hermes_sim import pcm
from hermesrt.chip import device_noise
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.tables.devices import CountPolynomial, Curve, Pcm
from hermesrt.seeds import generator

RATIOS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def table(chip: ChipSpec, name: str) -> Pcm:
    found: Pcm = getattr(chip, f"pcm_{name}")
    return found


def cells(siemens: float) -> Tensor:
    return torch.full((2, 300, 300), siemens)


def value(curve: Curve, r: float) -> float:
    ratio = torch.tensor([r])
    return float(device_noise.curve(curve, ratio, ratio.log()))


@pytest.mark.parametrize(
    ("devices", "percent_of_g_max"),
    [
        ("odp", (1.5, 3.6, 5.9, 8.4, 9.4, 9.7)),
        ("tdp", (0.8, 2.7, 4.3, 4.8, 4.4, 5.3)),
        # 0.26348 + 1.9650 r - 1.1731 r^2 of 25 uS
        ("like", (1.05, 1.79, 2.73, 3.81, 4.31, 4.22)),
    ],
)
def test_programming_noise_has_the_published_spread(
    chip: ChipSpec, devices: str, percent_of_g_max: tuple[float, ...]
) -> None:
    model = table(chip, devices)
    for ratio, percent in zip(RATIOS, percent_of_g_max, strict=True):
        target = cells(ratio * model.g_max_siemens)
        programmed = pcm.program(model, target, generator(1, devices, str(ratio)))
        error = (programmed - target) / model.g_max_siemens
        clipped = error.square().mean().sqrt() * math.sqrt(2)  # half of the normal is left at zero
        spread = clipped if ratio == 0.0 else error.std()
        assert 100 * spread.item() == pytest.approx(percent, abs=0.12)


@pytest.mark.parametrize("devices", ["odp", "tdp", "like"])
def test_programmed_conductance_is_never_negative(chip: ChipSpec, devices: str) -> None:
    programmed = pcm.program(table(chip, devices), cells(0.0), generator(0))
    assert programmed.min() == 0
    assert programmed.max() > 0, "the zero device is noisy too"


@pytest.mark.parametrize("devices", ["odp", "tdp", "like"])
@pytest.mark.parametrize("ratio", [0.5, 0.75, 1.0])
def test_a_spread_that_holds_the_first_read_makes_up_the_published_one_with_it(
    chip: ChipSpec, devices: str, ratio: float
) -> None:
    model = table(chip, devices)
    target = cells(ratio * model.g_max_siemens)
    until = device_noise.logarithm(model, 0.0)
    alone, within = (
        pcm.program(model, target, generator(4), held) - target for held in (0.0, until)
    )
    read = pcm.read_noise(model, target, target, until)
    both = (within.square() + read.square()).mean().sqrt()
    # two devices near g_max: the noise of a read alone is more than the published spread
    wanted = max(alone.std().item(), read.square().mean().sqrt().item())
    assert both.item() == pytest.approx(wanted, rel=0.01)
    assert within.std() < 0.95 * alone.std()


@pytest.mark.parametrize(
    ("counts", "sigma"),
    [(40.0, 7.5), (52.5, 8.36), (52.6, 8.35), (120.0, 8.9), (160.0, 13.7), (180.0, 19.2)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_weight_errors_have_the_published_counts(
    chip: ChipSpec, counts: float, sigma: float, sign: int
) -> None:
    count = chip.pcm_count.g_max_siemens / 180
    target = torch.zeros(2, 300, 300)
    target[0 if sign > 0 else 1] = counts * count
    written = pcm.program(chip.pcm_count, target, generator(3, str(counts)))
    error = (written[0] - written[1]) / count - sign * counts
    assert error.std().item() == pytest.approx(sigma, rel=0.015)
    assert error.mean().item() == pytest.approx(0.0, abs=sigma / 50)
    assert bool((written.amin(0) == 0).all()), "the sign may change, but one device stays zero"


def test_weights_below_the_smallest_count_are_exactly_zero(chip: ChipSpec) -> None:
    model = chip.pcm_count
    assert isinstance(model.programming, CountPolynomial)
    at_zero = device_noise.polynomial(model.programming.low, torch.zeros(1))
    assert at_zero.item() == pytest.approx(2.6, abs=0.05)
    count = model.g_max_siemens / 180
    target = torch.zeros(2, 300, 300)
    target[0] = 0.59 * count
    assert not bool(pcm.program(model, target, generator(0)).any())
    target[0] = 0.61 * count
    assert bool(pcm.program(model, target, generator(0)).any())


def test_drift_follows_the_power_law_from_t0(chip: ChipSpec) -> None:
    g = torch.full((1, 2, 1, 1), 10e-6)
    nu = torch.full_like(g, 0.05)
    for model in (chip.pcm_tdp, chip.pcm_odp, chip.pcm_like):
        assert torch.equal(pcm.drift(model, g, nu, 0.0), g)
        ten_times = 9 * model.t0_seconds  # t = age + t0
        aged = pcm.drift(model, g, nu, ten_times)
        assert aged[0, 0, 0, 0].item() == pytest.approx(10e-6 * 10**-0.05)


@pytest.mark.parametrize(
    ("devices", "r", "mean", "spread"),
    [
        # -0.0436 r^2 - 0.0126 r + 0.0736, and the spreads' polynomials, worked out
        ("tdp", 0.5, 0.0564, 0.0090),
        ("tdp", 1.0, 0.0174, 0.0048),
        ("odp", 0.5, 0.0564, 0.0121),
        ("odp", 1.0, 0.0174, 0.0055),
        # below the bounds: clamp(-0.0387 ln r - 0.0182), clamp(-0.0117 ln r - 0.0057), ...
        ("tdp", 0.05, 0.0977, 0.02935),
        ("odp", 0.05, 0.0977, 0.03365),
        ("tdp", 0.001, 0.13, 0.04),
        # clamp(-0.0155 ln r + 0.0244; 0.049, 0.1), clamp(-0.0125 ln r - 0.0059; 0.008, 0.045)
        ("like", 0.1, 0.0601, 0.0229),
        ("like", 0.01, 0.0958, 0.045),
        ("like", 1.0, 0.049, 0.008),
    ],
)
def test_drift_exponents_have_the_published_mean_and_spread(
    chip: ChipSpec, devices: str, r: float, mean: float, spread: float
) -> None:
    model = table(chip, devices)
    assert value(model.drift_mean, r) == pytest.approx(mean, abs=6e-5)
    assert value(model.drift_spread, r) == pytest.approx(spread, abs=6e-5)
    nu = pcm.drift_exponent(model, cells(r * model.g_max_siemens), generator(2))
    assert nu.min() >= 0
    assert nu.mean().item() == pytest.approx(mean, rel=0.01)
    assert nu.std().item() == pytest.approx(spread, rel=0.03)


@pytest.mark.parametrize(
    ("devices", "r", "q"),
    [
        # 0.0069 r^3 - 0.0280 r^2 + 0.0211 r + 0.0123
        # 0.0664 r^3 - 0.1352 r^2 + 0.0768 r + 0.0088
        ("tdp", 0.5, 0.016712),
        ("tdp", 1.0, 0.0123),
        ("odp", 0.5, 0.0217),
        ("odp", 1.0, 0.0168),
        ("tdp", 0.1, 0.02004),
        ("odp", 0.1, 0.02176),
        ("tdp", 0.001, 0.04),
        ("odp", 1e-6, 0.04),
        # min(0.2, 0.0088 / max(r^0.65, 1e-3))
        ("like", 1.0, 0.0088),
        ("like", 0.1, 0.03931),
        ("like", 1e-3, 0.2),
        ("like", 0.0, 0.2),
    ],
)
def test_read_noise_has_the_published_size(
    chip: ChipSpec, devices: str, r: float, q: float
) -> None:
    model = table(chip, devices)
    programmed = torch.full((2, 1, 1), r * model.g_max_siemens)
    drifted = torch.full((2, 1, 1), 5e-6)
    for age in (0.0, 86400.0):
        time = age + model.t0_seconds
        growth = math.sqrt(math.log((time + model.read_seconds) / (2 * model.read_seconds)))
        since = device_noise.logarithm(model, age)
        sigma = pcm.read_noise(model, drifted, programmed, since)[0, 0, 0].item()
        assert sigma == pytest.approx(5e-6 * q * growth, rel=3e-3)


def test_counts_have_the_reads_in_them(chip: ChipSpec) -> None:
    assert not bool(pcm.read_noise(chip.pcm_count, cells(1e-5), cells(1e-5), 1.0).any())


def test_curve_clamps_its_logarithm(chip: ChipSpec) -> None:
    assert isinstance(chip.pcm.read_noise, Curve)
    found = [value(chip.pcm.read_noise, r) for r in (1e-9, 0.159)]
    assert found[0] == pytest.approx(0.04)
    assert found[1] == pytest.approx(max(0.015, -0.0117 * math.log(0.159) - 0.0069))


def equations(model: Pcm) -> list[Tensor]:
    """What each equation gives for conductances of every size."""
    g = torch.rand(2, 37, 41, generator=generator(5)).square_().mul_(1.2 * model.g_max_siemens)
    g[0, :4] = torch.tensor([0.0, 1e-30, 1e-12, 1e-3])[:, None]
    held = [pcm.program(model, g, generator(6), within) for within in (0.0, 1.7)]
    held += [nu := pcm.drift_exponent(model, g, generator(7))]
    held += [pcm.drift(model, g, nu * share, 1e6) for share in (1.0, 50.0)]
    return [*held, pcm.read_noise(model, held[0], g, 1.7), pcm.drift(model, g, nu, 0.0)]


@pytest.mark.parametrize("devices", ["odp", "tdp", "like"])
def test_compiled_equations_have_the_bits_of_torch(
    chip: ChipSpec, devices: str, without_functions: Callable[[], None]
) -> None:
    model = table(chip, devices)
    first = equations(model)
    without_functions()
    for ours, theirs in zip(first, equations(model), strict=True):
        assert torch.equal(ours, theirs)


@given(
    st.lists(
        st.tuples(st.floats(0, 20, width=32), st.floats(0, 25, width=32)), min_size=1, max_size=8
    )
)
def test_max_set_fill_keeps_the_sum_and_one_device_full_or_empty(
    pairs: list[tuple[float, float]],
) -> None:
    target, written = torch.tensor(pairs).T[:, None, :, None].expand(2, 2, -1, 1)
    g_set = 10.0
    filled, rest = pcm.max_set_fill(target, written, g_set)
    torch.testing.assert_close(filled + rest, written)
    assert bool((rest >= 0).all())
    for wanted, got, first in zip(
        target.flatten().tolist(),
        written.flatten().tolist(),
        filled.flatten().tolist(),
        strict=True,
    ):
        assert first == (min(got, g_set) if wanted > g_set else 0.0)
