"""The simulated chip: published errors, bit-for-bit repeatability, drift, states."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.chip.load import chip_tables, load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ArtifactError, OptionError
from hermesrt.program import Chip, Program
from hermesrt.programming.mvm_error import mvm_errors

YEAR = 360 * 86400.0


def relative(y: Tensor, wanted: Tensor) -> float:
    return 100 * ((y - wanted).norm() / wanted.norm()).item()


# The published equations know no current limit, no spread of the converters and no correction of
# it, and round to nearest.
EQUATIONS = {
    "read_statistics.read_noise": "added",
    "drift_reference.reference": "magnitude",
    "adc.saturation_ampere": "1e-3",
    "effects.saturation": "false",
    "ldpu_code.rounding": "nearest",
    "effects.converter_spread": "false",
    "effects.column_correction": "false",
}
MODELS = {
    "one device": {"unit_cell.devices_per_polarity": "1"},
    "two devices": {},
    "PCM-like": {"statistics.model": "pcm-like"},
    "ADC counts": {"statistics.model": "adc-count"},
}
AGES = (0.0, 60.0, 3600.0, 86400.0, 30 * 86400.0, YEAR)
TARGETS = {
    "one device": (16.1, 16.2, 17.2, 19.9, 24.1, 27.6),
    "two devices": (10.1, 10.1, 11.2, 14.3, 18.8, 22.5),
    "PCM-like": (8.1, 8.3, 9.5, 11.2, 13.3, 15.0),
    "ADC counts": (9.4,),
}


@pytest.mark.parametrize("model", TARGETS)
def test_the_error_follows_the_published_model(
    chip_with: Callable[..., ChipSpec],
    product: type[nn.Module],
    sparse_uniform: tuple[Tensor, Tensor],
    model: str,
) -> None:
    """Regression targets from the published equations (aihwkit), 8-bit input; 0.5 points."""
    matrix, x = sparse_uniform
    spec = chip_with(EQUATIONS | MODELS[model])
    chip = hermesc.compile(product(matrix), x, chip=spec).deploy(hermesc.simulate(spec))
    held = chip.compiled.artifact.manifest.matrices[0]
    assert held.g_max_siemens == (pytest.approx(spec.pcm.g_max_siemens),)
    ages = AGES[: len(TARGETS[model])]
    errors = [relative(chip.configure(age_s=age)(x), x @ matrix) for age in ages]
    assert errors == pytest.approx(list(TARGETS[model]), abs=0.5)


@pytest.fixture(scope="module")
def program() -> Program:
    """Two layers; the first is cut in row and column blocks."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(300, 270), nn.ReLU(), nn.Linear(270, 10))
    return hermesc.compile(model, torch.randn(32, 300))


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(40, 300, generator=torch.Generator().manual_seed(1))


def test_the_same_seed_gives_the_same_bits(program: Program, x: Tensor) -> None:
    first, second = (program.deploy(hermesc.simulate(seed=3))(x) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, program.deploy(hermesc.simulate(seed=4))(x))


def test_a_further_call_reads_with_fresh_noise(program: Program, x: Tensor) -> None:
    chip = program.deploy(hermesc.simulate())
    assert not torch.equal(chip(x), chip(x))


def test_results_do_not_depend_on_torchs_own_generator(program: Program, x: Tensor) -> None:
    torch.manual_seed(1)
    first = program.deploy(hermesc.simulate())(x)
    torch.manual_seed(2)
    assert torch.equal(first, program.deploy(hermesc.simulate())(x))


def test_ideal_equals_torch(program: Program, x: Tensor) -> None:
    chip = program.deploy(hermesc.simulate()).configure(ideal=True)
    report = chip.report(x)
    assert report.outputs["output_0"].relative_error < 1e-6


def test_ideal_weights_still_have_converters_and_read_noise(program: Program, x: Tensor) -> None:
    errors = {
        method: program.deploy(hermesc.simulate(), method).report(x).outputs["output_0"]
        for method in ("ideal", "published")
    }
    assert 0.001 < errors["ideal"].relative_error < errors["published"].relative_error


def test_compensated_drift_keeps_the_scale(program: Program, x: Tensor) -> None:
    chip = program.deploy(hermesc.simulate())
    young = chip(x).abs().mean()
    old = chip.configure(age_s=YEAR)(x).abs().mean()
    assert (old / young).item() == pytest.approx(1.0, abs=0.15)
    assert chip.report(x).outputs["output_0"].relative_error > 0.1


def test_a_lower_saturation_costs_accuracy(program: Program, x: Tensor) -> None:
    low = load_chip("hermes", [("adc.saturation_ampere", "2e-6")])
    manifest = replace(program.artifact.manifest, chip=chip_tables(low))
    small = Program.of(replace(program.artifact, manifest=manifest))
    usual = program.deploy(hermesc.simulate()).report(x).outputs["output_0"].relative_error
    stopped = small.deploy(hermesc.simulate(low)).report(x).outputs["output_0"].relative_error
    assert stopped > 2 * usual


def test_a_saved_state_gives_the_same_bits(program: Program, x: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "chip.state"
    chip = program.deploy(hermesc.simulate(seed=5))
    chip.save(path)
    wanted = chip(x)
    other = hermesc.simulate(seed=99)
    assert torch.equal(Chip(program, other).load(path)(x), wanted)


def test_a_state_of_another_program_is_refused(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "chip.state"
    other = hermesc.compile(nn.Linear(4, 3), torch.randn(2, 4))
    other.deploy(hermesc.simulate()).save(path)
    with pytest.raises(ArtifactError, match="another program"):
        program.deploy(hermesc.simulate()).load(path)


def test_a_program_of_another_chip_is_refused(program: Program, odp_chip: ChipSpec) -> None:
    other = replace(odp_chip, name="other")
    with pytest.raises(OptionError, match="another name"):
        program.deploy(hermesc.simulate(other))


def test_outlier_and_zero_columns_survive(chip: ChipSpec, product: type[nn.Module]) -> None:
    matrix = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    matrix[:, 1] = 0
    matrix[0, 2] = 1e6
    x = torch.randn(16, 20, generator=torch.Generator().manual_seed(1))
    y = hermesc.compile(product(matrix), x, chip=chip).deploy(hermesc.simulate(chip))(x)
    assert bool(y.isfinite().all())
    assert bool((y[:, 1] == 0).all())
    wanted = (x @ matrix)[:, 2]
    assert ((y[:, 2] - wanted).norm() / wanted.norm()).item() < 0.1
    device = hermesc.compile(product(matrix), x).deploy(hermesc.simulate()).device
    errors = mvm_errors(device, hermesc.compile(product(matrix), x).artifact)
    assert all(0 < e < 1 for e in errors.values())


def test_a_reset_array_gives_nothing(program: Program) -> None:
    chip = Chip(program, hermesc.simulate())
    errors = mvm_errors(chip.device, program.artifact).values()
    assert list(errors) == pytest.approx([1.0] * len(errors), abs=0.01)


def test_a_device_that_took_another_program_is_noticed(program: Program, x: Tensor) -> None:
    device = hermesc.simulate()
    first = program.deploy(device)
    hermesc.compile(nn.Linear(4, 3), torch.randn(2, 4)).deploy(device)
    with pytest.raises(OptionError, match="holds another program"):
        first(x)


def test_a_program_for_other_devices_is_refused(program: Program, odp_chip: ChipSpec) -> None:
    with pytest.raises(OptionError, match="another unit_cell"):
        program.deploy(hermesc.simulate(odp_chip))


def test_read_noise_drawn_once_repeats_and_is_as_large(product: type[nn.Module]) -> None:
    """As aihwkit draws it: the same in every call, another at another age; no smaller an error."""
    matrix = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    x = torch.randn(500, 64, generator=torch.Generator().manual_seed(1))
    errors = {}
    for drawn in ("each", "once"):
        chip = load_chip(
            "hermes", [("read_statistics.read_noise", "added"), ("read_statistics.drawn", drawn)]
        )
        made = hermesc.compile(product(matrix), x, chip=chip).deploy(hermesc.simulate(chip))
        first, second = made(x), made(x)
        assert torch.equal(first, second) == (drawn == "once")
        assert not torch.equal(first, made.configure(age_s=1.0)(x))
        errors[drawn] = relative(first, x @ matrix)
    assert errors["once"] == pytest.approx(errors["each"], rel=0.1)


def test_noise_of_the_first_read_within_the_spread_lowers_the_error(
    product: type[nn.Module],
) -> None:
    matrix = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
    x = torch.randn(500, 128, generator=torch.Generator().manual_seed(1))
    found = []
    for how in ("within", "added"):
        chip = load_chip("hermes", [("read_statistics.read_noise", how)])
        made = hermesc.compile(product(matrix), x, chip=chip).deploy(hermesc.simulate(chip))
        found.append(relative(made(x), x @ matrix))
    assert found[0] < 0.95 * found[1]


@pytest.mark.parametrize("model", ["pcm-like", "adc-count"])
def test_pulses_on_statistics_of_no_single_device_are_refused(
    product: type[nn.Module], model: str
) -> None:
    chip = load_chip("hermes", [("statistics.model", model)])
    program = hermesc.compile(product(torch.randn(8, 8)), torch.randn(16, 8), chip=chip)
    with pytest.raises(OptionError, match="says nothing of single pulses"):
        program.deploy(hermesc.simulate(chip), "verify")


def test_without_its_correction_the_converters_spread_shows_in_the_mvm_error(
    product: type[nn.Module],
) -> None:
    matrix = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    program = hermesc.compile(product(matrix), torch.randn(200, 64))
    found = []
    for switch in ("on", "off"):
        device = hermesc.simulate(load_chip("hermes", [("effects.column_correction", switch)]))
        found.append(mvm_errors(program.deploy(device, "ideal").device, program.artifact)[0])
    assert found[1] ** 2 - found[0] ** 2 > 0.05**2
