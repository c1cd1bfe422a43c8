"""The fit of a column and the error that is left."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Program
from hermesrt.programming.compiled import functions
from hermesrt.programming.mvm_error import Units, column_fit, errors_of, fitted, mvm_errors
from hermesrt.programming.targets import CoreTarget

Compiled = Callable[[Tensor, ChipSpec], Program]


@pytest.fixture
def wanted() -> Tensor:
    return torch.randn(2000, 4, generator=torch.Generator().manual_seed(0)) * 100


def test_a_gain_and_a_zero_are_undone(wanted: Tensor) -> None:
    gain, zero = torch.tensor([0.9, 1.0, 1.1, 1.9]), torch.tensor([3.0, 0.0, -2.0, 1.0])
    measured = wanted * gain + zero
    fitted, offset = column_fit(measured, wanted)
    torch.testing.assert_close(fitted, 1 / gain)
    torch.testing.assert_close(measured * fitted + offset, wanted, rtol=1e-4, atol=1e-3)


def test_noise_does_not_shrink_a_column(wanted: Tensor) -> None:
    noise = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)) * 50
    gain, _ = column_fit(wanted + noise, wanted)
    # a fit of `wanted` to the counts would give 1 / (1 + 0.5^2) = 0.8
    assert gain.tolist() == pytest.approx([1.0] * 4, abs=0.04)


@pytest.mark.parametrize("slope", [0.0, -1.0, 0.3, 3.0])
def test_a_column_that_says_nothing_of_its_gain_gets_an_offset_alone(
    wanted: Tensor, slope: float
) -> None:
    measured = wanted * slope + 5.0
    gain, offset = column_fit(measured, wanted)
    assert gain.tolist() == [1.0] * 4
    torch.testing.assert_close((measured + offset).mean(0), wanted.mean(0), rtol=1e-3, atol=1e-2)


def test_a_column_that_should_not_vary_gets_an_offset_alone(wanted: Tensor) -> None:
    gain, offset = column_fit(wanted, torch.full_like(wanted, 7.0))
    assert gain.tolist() == [1.0] * 4
    assert (wanted + offset).mean(0).tolist() == pytest.approx([7.0] * 4, abs=1e-3)


def test_exact_cells_and_converters_have_no_error(
    chip_of: Callable[..., ChipSpec],
    compiled: Compiled,
    clean: dict[str, str],
    matrices: dict[str, Tensor],
) -> None:
    more = {"effects.input_code": "false", "effects.count_code": "false"}
    chip = chip_of(64, 64, clean | more)  # the spread of the converters is corrected
    program = compiled(matrices["Gaussian"], chip)
    (error,) = mvm_errors(program.deploy(hermesc.simulate(chip), "ideal").device,
                          program.artifact).values()  # fmt: skip
    assert error < 1e-5


def test_the_error_is_that_of_the_cells_where_nothing_else_errs(
    chip_of: Callable[..., ChipSpec],
    compiled: Compiled,
    clean: dict[str, str],
    matrices: dict[str, Tensor],
) -> None:
    """For white inputs ||x (G - W)|| / ||x W|| is near ||G - W|| / ||W||."""
    names = ("input_code", "count_code", "converter_spread", "saturation")
    chip = chip_of(64, 64, clean | {f"effects.{name}": "false" for name in names})
    program = compiled(matrices["Gaussian"], chip)
    device = program.deploy(hermesc.simulate(chip)).device
    (error,) = mvm_errors(device, program.artifact).values()
    g = torch.from_numpy(device.state().arrays["0.conductance"])[0]
    (core,) = device._cores.values()
    wrong = g[0] - g[1] - core.target.siemens
    assert error == pytest.approx(float(wrong.norm() / core.target.siemens.norm()), rel=0.05)


def test_errors_are_by_core_and_of_the_rows_in_use(
    chip_of: Callable[..., ChipSpec], compiled: Compiled, matrices: dict[str, Tensor]
) -> None:
    chip = chip_of(32, 32)
    program = compiled(matrices["Gaussian"], chip)  # four cores
    device = program.deploy(hermesc.simulate(chip)).device
    errors = mvm_errors(device, program.artifact)
    assert sorted(errors) == list(program.artifact.cores)
    assert len(set(errors.values())) == 4
    assert errors == mvm_errors(device, program.artifact), "the same reads, the same noise"
    low = compiled(matrices["Gaussian"][:5], chip)
    (one, two) = mvm_errors(low.deploy(hermesc.simulate(chip)).device, low.artifact).values()
    assert 0.02 < min(one, two) < max(one, two) < 0.3


@pytest.mark.parametrize(("vectors", "columns"), [(2, 37), (128, 37), (128, 1), (1, 1)])
@pytest.mark.parametrize("correct", ["true", "false"])
def test_compiled_errors_have_the_bits_of_numpy(vectors: int, columns: int, correct: str) -> None:
    if functions() is None:
        pytest.skip("nothing is compiled here")
    chip = load_chip("hermes", [("effects.column_correction", correct)])
    draw = torch.Generator().manual_seed(vectors)
    wanted = torch.randn(vectors, columns, generator=draw) * 50
    wanted[:, 3:4] = 7.0  # a column that says nothing of its slope
    measured = wanted * 1.05 + 3 + torch.randn(wanted.shape, generator=draw)
    used = torch.rand(9, columns, generator=draw) < 0.3
    used[:, 5:6] = False
    target = CoreTarget(0, used.float(), used)
    plain, exact = measured * 1.3, wanted / 0.7
    squares = errors_of(chip, plain.numpy(), exact.numpy(), target.columns.numpy())
    error, relative = fitted(chip, measured, wanted, target, Units(1.3, 0.7))
    assert torch.equal(error, plain)
    wrong, whole = (float(part.sum(dtype="float64")) for part in squares)
    assert relative == math.sqrt(wrong) / math.sqrt(whole)
