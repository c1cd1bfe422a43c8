"""1/f noise in a slow and a fast part, against its analytic covariance."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

import hermesc
from hermes_sim import flicker, pcm
from hermes_sim.core import Core
from hermesrt.chip import device_noise
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ChipError
from hermesrt.programming.targets import CoreTarget

HOUR, DAY, MONTH = 3600.0, 86400.0, 30 * 86400.0


def test_the_fast_part_is_of_the_size_that_two_ways_derive(chip: ChipSpec) -> None:
    read = chip.pcm.read_seconds
    assert flicker.interval_logarithm(5e-6, read) == pytest.approx(1.68, abs=0.01)
    back_to_back = flicker.structure_logarithm(520e-9, chip.pcm, 0.0)
    assert back_to_back == pytest.approx(1.65, abs=0.03)
    assert flicker.structure_logarithm(5e-6, chip.pcm, 0.0) == pytest.approx(4.0, abs=0.1)
    assert chip.fast_noise.logarithm == pytest.approx(back_to_back, abs=0.1)


def test_all_noise_at_t0_is_the_published_logarithm(chip: ChipSpec) -> None:
    assert device_noise.logarithm(chip.pcm, 0.0) == pytest.approx(19.5, abs=0.05)
    assert device_noise.logarithm(chip.pcm_odp, 0.0) == pytest.approx(19.1, abs=0.05)


@pytest.mark.parametrize(("age", "grown"), [(0.0, 0.0), (HOUR, 2.56), (DAY, 5.67), (MONTH, 9.06)])
def test_slow_noise_grows_with_the_logarithm_of_time(
    chip: ChipSpec, age: float, grown: float
) -> None:
    assert flicker.growth(chip.pcm, age) == pytest.approx(grown, abs=0.01)


def test_ages_are_correlated_as_a_brownian_motion_in_the_logarithm_of_time(chip: ChipSpec) -> None:
    grown = [flicker.growth(chip.pcm, age) for age in (60.0, HOUR, DAY, MONTH)]
    paths = torch.stack([flicker.wander(torch.empty(200_000), g, 0, "test") for g in grown])
    found = paths @ paths.T / paths.shape[1]
    for i, a in enumerate(grown):
        for j, b in enumerate(grown):
            assert float(found[i, j]) == pytest.approx(min(a, b), abs=0.04 * math.sqrt(a * b))


@pytest.mark.parametrize("shape", [(0,), (5,), (4096,), (3, 5000)])
def test_compiled_paths_have_the_bits_of_torch(
    shape: tuple[int, ...], without_functions: Callable[[], None]
) -> None:
    grown = (0.3, flicker.STEP, 5.7)
    first = [flicker.wander(torch.full(shape, torch.nan), g, 0, "test") for g in grown]
    without_functions()
    for path, g in zip(first, grown, strict=True):
        assert torch.equal(path, flicker.wander(torch.full(shape, torch.nan), g, 0, "test"))


def core(chip: ChipSpec, siemens: float) -> Core:
    cells = torch.full((256, 256), siemens)
    made = Core(chip, 0, CoreTarget(0, cells, torch.ones(256, 256, dtype=torch.bool)))
    made.draw("ideal")
    return made


@pytest.mark.parametrize("age", [HOUR, MONTH])
def test_slow_noise_of_the_cells_has_its_variance(age: float) -> None:
    chip = load_chip("hermes", [("effects.drift", "off")])
    held = core(chip, 10e-6)
    moved = held.now(age)[0][0] - 10e-6
    cell = torch.full((1, 1), 10e-6)
    unit = float(pcm.read_noise(chip.pcm, cell, cell, 1.0))
    wanted = unit * math.sqrt(flicker.growth(chip.pcm, age))
    assert float(moved.std()) == pytest.approx(wanted, rel=0.02)
    assert torch.equal(held.now(age)[0], held.now(age)[0]), "it stands still at an age"


def test_averages_over_repeated_mvms_keep_the_slow_part_and_lose_the_fast(
    product: type[nn.Module],
) -> None:
    """Var(mean of n) = slow + fast / n, with the analytic sizes of both."""
    quiet = (
        "programming_noise", "drift", "drift_compensation", "converter_spread", "input_code",
        "column_correction", "count_code", "output_code", "output_noise", "saturation",
    )  # fmt: skip
    chip = load_chip("hermes", [(f"effects.{name}", "off") for name in quiet])
    matrix, x, repeats = torch.ones(256, 256), torch.ones(4, 256), 400
    program = hermesc.compile(product(matrix), x, chip=chip)
    made = program.deploy(hermesc.simulate(chip), "ideal").configure(age_s=DAY)
    calls = torch.stack([made(x)[0] for _ in range(repeats)]).double()
    g = program.artifact.manifest.matrices[0].g_max_siemens[0]
    cell = torch.full((1, 1), g)
    unit = float(pcm.read_noise(chip.pcm, cell, cell, 1.0)) / g
    fast = 256 * unit**2 * chip.fast_noise.logarithm
    slow = 256 * unit**2 * flicker.growth(chip.pcm, DAY)
    assert float(calls.var(0).mean()) == pytest.approx(fast, rel=0.05)
    means = calls.mean(0) - 256.0
    assert float(means.square().mean()) == pytest.approx(slow + fast / repeats, rel=0.25)


def test_programming_gathers_slow_noise_until_t0(core_of_split: Callable[[str], Core]) -> None:
    """What pulses left is not what the first read finds; `published` holds that noise already."""
    settled, bare = core_of_split("split"), core_of_split("added")
    added = settled.conductance - bare.conductance
    held = bare.conductance
    on = held > 5e-6
    until = device_noise.logarithm(settled.statistics, 0.0) - settled.chip.fast_noise.logarithm
    sigma = pcm.read_noise(settled.statistics, held, held, until)
    assert float((added / sigma)[on].std()) == pytest.approx(1.0, rel=0.02)


@pytest.fixture
def core_of_split() -> Callable[[str], Core]:
    """A core of uniform conductances, programmed by other means and settled."""

    def make(rule: str) -> Core:
        made = core(load_chip("hermes", [("read_statistics.read_noise", rule)]), 8e-6)
        made.take(torch.full((2, 2, 256, 256), 8e-6), None, 0)
        made.settle()
        return made

    return make


def test_a_split_is_not_drawn_once() -> None:
    with pytest.raises(ChipError, match="use read_noise = added or within"):
        load_chip("hermes", [("read_statistics.drawn", "once")])


def test_at_t0_the_spread_of_a_read_is_the_published_one(chip: ChipSpec) -> None:
    target = torch.full((2, 300, 300), 12e-6)
    draws = torch.Generator().manual_seed(0)
    written = pcm.program(chip.pcm, target, draws, chip.fast_noise.logarithm)
    fast = pcm.read_noise(chip.pcm, target, target, chip.fast_noise.logarithm)
    published = device_noise.polynomial(chip.pcm.programming.microsiemens, target / 20.7e-6) * 1e-6
    read = ((written - target).square() + fast.square()).mean().sqrt()
    assert float(read) == pytest.approx(float(published.mean()), rel=0.01)
