"""Gradient descent against program-and-verify and one-shot, and against the gradient itself."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Chip, Program
from hermesrt.programming.gdp import GdpOptions, descend, inputs
from hermesrt.programming.loop import ProgrammingOptions
from hermesrt.programming.mvm_error import mvm_errors
from hermesrt.programming.session import (
    ProgrammingSession,
    correct,
    enable,
    places,
    start_core,
)
from hermesrt.programming.targets import targets
from hermesrt.programming.verify import VerifyOptions, verify

COUNT = 0.129375e-6
KINDS = ("Gaussian", "with zeros", "sparse", "features")
ChipOf = Callable[..., ChipSpec]
Compiled = Callable[[Tensor, ChipSpec], Program]


# The methods are compared as they leave the cells, before any slow noise that comes later.
ADDED = {"read_statistics.read_noise": "added"}


@pytest.fixture(scope="module")
def programmed(
    chip_of: ChipOf,
    compiled: Compiled,
    matrices: dict[str, Tensor],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Any], tuple[float, float]]:
    """MVM error of a matrix after a method: as it is read, and without read noise."""
    folder = tmp_path_factory.mktemp("states")

    def make(kind: str, method: Any) -> tuple[float, float]:
        matrix = matrices[kind]
        silent = {"effects.read_noise": "false"}
        chip, quiet = (chip_of(*matrix.shape, settings) for settings in (ADDED, ADDED | silent))
        program = compiled(matrix, chip)
        made = Chip(program, hermesc.simulate(chip))
        made.program(method)
        path = folder / f"{kind}-{method}.state"
        made.save(path)
        again = Chip(program, hermesc.simulate(quiet)).load(path)
        (as_read,), (silently,) = (
            mvm_errors(c.device, program.artifact).values() for c in (made, again)
        )
        return as_read, silently

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_each_method_is_better_than_the_simpler_one(
    programmed: Callable[[str, Any], tuple[float, float]], kind: str
) -> None:
    one, cell, descent = (programmed(kind, m) for m in ("oneshot", "verify", "gdp"))
    assert descent[0] < 0.9 * cell[0]
    assert cell[0] < 0.6 * one[0]
    assert descent[1] <= cell[1] / 1.8, "without read noise"
    assert descent[1] > 0.003, "the pulses' floor is left"


def test_synthetic_inputs_are_uniform_with_zeros() -> None:
    x = inputs(GdpOptions(batch=500), 200, torch.Generator().manual_seed(0))
    zero = x == 0
    assert zero.float().mean().item() == pytest.approx(0.4, abs=0.01)
    assert float(x.abs().max()) <= 1
    assert x[~zero].square().mean().item() == pytest.approx(1 / 3, rel=0.02)
    assert x.mean().item() == pytest.approx(0.0, abs=0.01)


def test_a_descent_gathers_the_gradient_of_the_squared_error(
    chip_of: ChipOf, compiled: Compiled, clean: dict[str, str], matrices: dict[str, Tensor]
) -> None:
    """Against autograd, with each column's gain and offset as the fit leaves them."""
    chip = chip_of(64, 64, clean | {"effects.converter_spread": "false"})
    program = compiled(matrices["Gaussian"], chip)
    device = hermesc.simulate(chip)
    device.load(program.artifact)
    (target,) = targets(program.artifact)
    session = ProgrammingSession(device)
    core = start_core(session, target)
    for _ in range(3):
        verify(session, core, VerifyOptions())
    options = GdpOptions(threshold_counts=1e9)  # gather only
    x = inputs(options, 64, torch.Generator().manual_seed(0))
    g = torch.from_numpy(device.state().arrays["0.conductance"]).sum(0)
    cells = ((g[0] - g[1]) / COUNT).double().requires_grad_()
    exact = x.double() @ (target.siemens / COUNT).double()
    measured = x.double() @ cells
    fits = []
    for m, w in zip(measured.detach().T, exact.T, strict=True):
        design = torch.stack([w, torch.ones_like(w)], 1)
        slope, zero = torch.linalg.lstsq(design, m[:, None]).solution.flatten().tolist()
        fits.append((1 / slope, -zero / slope))
    gain, offset = torch.tensor(fits, dtype=torch.float64).T
    assert 0.5 < float(gain.min()) < float(gain.max()) < 2, "all columns are near enough for a fit"
    wrong = measured * gain + offset - exact
    (wrong.square().sum(0) / gain).sum().div(2).backward()  # of what the cells themselves lack
    error = descend(session, core, x, options)
    assert cells.grad is not None
    wanted = -options.learning_rate * cells.grad / (128 * 0.6 / 3)
    apart = (core.pending - wanted.float()).norm() / wanted.norm()
    assert apart.item() < 0.05  # inputs are codes of 8 bits, counts are whole
    assert error == pytest.approx(float(wrong.detach().norm() / exact.norm()), rel=0.02)


def test_a_cell_is_pulsed_once_enough_has_gathered(
    chip_of: ChipOf,
    compiled: Compiled,
    matrices: dict[str, Tensor],
    watched: Callable[[Any], Any],
) -> None:
    chip = chip_of(64, 64)
    program = compiled(matrices["Gaussian"], chip)
    device = watched(hermesc.simulate(chip))
    device.load(program.artifact)
    (target,) = targets(program.artifact)
    session = ProgrammingSession(device)
    core = start_core(session, target)
    options = GdpOptions(threshold_counts=3.0)
    for seed in range(5):
        device.sent.clear()
        descend(session, core, inputs(options, 64, torch.Generator().manual_seed(seed)), options)
        ((_, pulses),) = device.sent
        pending = core.pending.flatten()
        assert not bool(pending[pulses.cells].any()), "it starts anew"
        rest = torch.ones(64 * 64, dtype=torch.bool)
        rest[pulses.cells] = False
        assert float(pending[rest & core.tuned.flatten()].abs().max()) <= 3.0
        assert bool(core.tuned.flatten()[pulses.cells].all())


@pytest.mark.parametrize("devices", ["1", "2"])
def test_a_zero_weight_is_tuned_on_the_side_that_its_first_correction_asks_for(
    chip_of: ChipOf, compiled: Compiled, clean: dict[str, str], devices: str
) -> None:
    chip = chip_of(32, 32, clean | {"unit_cell.devices_per_polarity": devices})
    weights = torch.eye(32)
    weights[3, 3] = 0.0
    program = compiled(weights, chip)
    device = hermesc.simulate(chip)
    device.load(program.artifact)
    (target,) = targets(program.artifact)
    session = ProgrammingSession(device)
    core = start_core(session, target)
    zero = (target.siemens == 0) & target.used
    assert not bool(core.tuned[zero].any())
    cells = torch.arange(3, 32 * 32, 2)
    core.pending[:16], core.pending[16:] = 6.0, -6.0
    before = core.tuned.clone()
    enable(core, cells)
    awake = torch.zeros(32 * 32, dtype=torch.bool).index_fill(0, cells, True).view(32, 32)
    assert torch.equal(core.tuned, before | (zero & awake))
    correct(session, core, core.pending, places(zero & awake))
    g = torch.from_numpy(device.state().arrays["0.conductance"])[0] / COUNT
    for polarity, half in ((0, slice(0, 16)), (1, slice(16, 32))):
        moved = g[polarity, half][(zero & awake)[half]]
        assert moved.median().item() == pytest.approx(6.0, rel=0.3)  # a guess from other cells
        assert not bool(g[1 - polarity, half][(zero & awake)[half]].any())


def test_a_core_of_zero_weights_has_no_error(chip_of: ChipOf, compiled: Compiled) -> None:
    chip = chip_of(8, 8)
    made = Chip(compiled(torch.zeros(8, 8), chip), hermesc.simulate(chip))
    made.program("gdp", ProgrammingOptions(gdp=GdpOptions(verify_iterations=1, iterations=2)))
    assert all(i.mvm_errors == (0.0,) for i in made.iterations)


def test_gradient_descent_does_not_learn_a_noise_that_stands_still(
    chip_of: ChipOf, compiled: Compiled, matrices: dict[str, Tensor]
) -> None:
    """With reads drawn once for an age, the error is the same at the age of programming."""
    matrix = matrices["Gaussian"]
    found = {}
    for drawn in ("each", "once"):
        chip = chip_of(
            64, 64, {"read_statistics.read_noise": "added", "read_statistics.drawn": drawn}
        )
        made = Chip(compiled(matrix, chip), hermesc.simulate(chip))
        made.program("gdp", ProgrammingOptions(gdp=GdpOptions(iterations=60)))
        for age_s in (0.0, 1.0):
            made.configure(age_s=age_s)
            (found[drawn, age_s],) = mvm_errors(made.device, made.compiled.artifact).values()
    assert found["once", 0.0] == pytest.approx(found["once", 1.0], rel=0.1)
    assert found["once", 0.0] == pytest.approx(found["each", 0.0], rel=0.1)
