"""A programmed chip in a file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import hermesc
from hermesrt.device import METHODS, DeviceState, Method
from hermesrt.errors import ArtifactError, InputError
from hermesrt.files.container import from_json, pack, to_json, unpack
from hermesrt.program import Chip, Program
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.loop import ProgrammingOptions, ProgrammingProgress
from hermesrt.state import load_state, save_state

OPTIONS = ProgrammingOptions(gdp=GdpOptions(verify_iterations=1, iterations=2, batch=8))
PARTS = ("state.json", "cells.safetensors")


@pytest.fixture(scope="module")
def descended(program: Program) -> Chip:
    chip = Chip(program, hermesc.simulate(seed=3))
    chip.program("gdp", OPTIONS)
    return chip


def loaded(program: Program, path: Path) -> Chip:
    return Chip(program, hermesc.simulate()).load(path)


@pytest.mark.parametrize("method", METHODS)
def test_cells_curve_method_and_seed_come_back(
    program: Program, inputs: Tensor, tmp_path: Path, method: Method
) -> None:
    chip = Chip(program, hermesc.simulate(seed=3))
    chip.program(method, OPTIONS)
    chip.save(tmp_path / "chip.state")
    again = loaded(program, tmp_path / "chip.state")
    assert again.method == method
    assert again.device.seed == 3
    assert again.iterations == chip.iterations
    assert bool(again.iterations) == (method in ("gdp", "verify", "oneshot"))
    for age in (0.0, 86400.0):
        first, second = (c.configure(age_s=age)(inputs) for c in (chip, again))
        assert torch.equal(first, second)


def test_the_same_chip_writes_the_same_file(descended: Chip, tmp_path: Path) -> None:
    for name in ("one", "two"):
        descended.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded(descended.compiled, tmp_path / "one").save(tmp_path / "three")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "three").read_bytes()


def test_a_state_of_another_program_is_refused_by_name(descended: Chip, tmp_path: Path) -> None:
    path = tmp_path / "chip.state"
    hermesc.compile(nn.Linear(4, 3), torch.randn(2, 4)).deploy(hermesc.simulate()).save(path)
    with pytest.raises(ArtifactError, match="belongs to another program") as caught:
        loaded(descended.compiled, path)
    assert str(path) in str(caught.value)


def test_a_missing_state_is_named(program: Program, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the state .*none\.state"):
        loaded(program, tmp_path / "none.state")


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_cut_state_is_refused(descended: Chip, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "chip.state"
    descended.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match=r"chip\.state"):
        loaded(descended.compiled, path)


Arrays = dict[str, NDArray[np.float32]]


def one_cell(value: float) -> Callable[[Arrays], None]:
    def edit(arrays: Arrays) -> None:
        arrays["0.conductance"][0, 1, 2, 3] = value

    return edit


def no_nu_of_nan(arrays: Arrays) -> None:
    arrays["0.nu"][0, 0, 0, 0] = np.nan


def smaller(arrays: Arrays) -> None:
    for name in arrays:
        arrays[name] = np.ascontiguousarray(arrays[name][:, :, :16])


def of_one_device(arrays: Arrays) -> None:
    arrays["0.nu"] = np.ascontiguousarray(arrays["0.nu"][:1])


def double(arrays: Arrays) -> None:
    arrays["0.conductance"] = arrays["0.conductance"].astype(np.float64)  # type: ignore[assignment]


EDITS: dict[str, Callable[[Arrays], object]] = {
    "a negative cell": one_cell(-1e-6),
    "a cell of NaN": one_cell(float("nan")),
    "an infinite cell": one_cell(float("inf")),
    "an exponent of NaN": no_nu_of_nan,
    "a smaller array": smaller,
    "one device of two": of_one_device,
    "another dtype": double,
    "cells lost": lambda arrays: arrays.pop("0.conductance"),
    "cells of another core": lambda arrays: arrays.update({"7.nu": arrays["0.nu"]}),
    "nothing": lambda arrays: arrays.clear(),
}


@pytest.mark.parametrize("name", EDITS)
def test_cells_that_no_chip_could_hold_are_refused(
    descended: Chip, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "chip.state"
    state = descended.device.state()
    arrays = {key: array.copy() for key, array in state.arrays.items()}
    EDITS[name](arrays)
    save_state(replace(state, arrays=arrays), (), descended.compiled.sha256, path)
    chip = descended.compiled.deploy(hermesc.simulate())
    before = {key: array.copy() for key, array in chip.device.state().arrays.items()}
    with pytest.raises(ArtifactError, match="cells of another program or chip") as caught:
        chip.load(path)
    for key, array in chip.device.state().arrays.items():
        assert np.array_equal(array, before[key]), "the chip keeps what it has"
    assert str(path) in str(caught.value)


def test_a_state_of_another_chip_is_refused(descended: Chip, tmp_path: Path) -> None:
    path = tmp_path / "chip.state"
    state = replace(descended.device.state(), chip="ares")
    save_state(state, (), descended.compiled.sha256, path)
    with pytest.raises(ArtifactError, match="cells of another program or chip"):
        loaded(descended.compiled, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("method", "magic"), ("seed", "three"), ("iterations", [{"phase": "jump"}]), ("chip", None)],
)
def test_a_wrong_header_is_refused_by_its_key(
    descended: Chip, tmp_path: Path, key: str, value: object
) -> None:
    path = tmp_path / "chip.state"
    descended.save(path)
    parts = unpack(path.read_bytes(), "state", PARTS, "test")
    header = from_json(parts[PARTS[0]], "test")
    parts[PARTS[0]] = to_json(header | {key: value})
    path.write_bytes(pack("state", parts))
    with pytest.raises(ArtifactError, match=f"`{key}"):
        loaded(descended.compiled, path)


def interrupted(chip: Chip) -> DeviceState:
    """Its cells after two of five phases."""

    def stop(progress: ProgrammingProgress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chip.program("gdp", OPTIONS, stop)
    return chip.device.state()


@pytest.mark.parametrize("before", [None, "published", "gdp"])
def test_cells_under_way_have_no_drift_exponents(program: Program, before: Method | None) -> None:
    """Not even those of what was programmed before."""
    chip = Chip(program, hermesc.simulate())
    if before is not None:
        chip.program(before, OPTIONS)
    assert not any(name.endswith(".nu") for name in interrupted(chip).arrays)


def test_cells_under_way_do_not_pass_for_a_programmed_chip(
    program: Program, tmp_path: Path
) -> None:
    """They would never drift."""
    path = tmp_path / "chip.state"
    state = interrupted(Chip(program, hermesc.simulate()))
    save_state(state, (), program.sha256, path)
    with pytest.raises(ArtifactError):
        loaded(program, path)


def test_load_gives_back_what_was_saved(tmp_path: Path) -> None:
    arrays = {"0.conductance": np.ones((1, 2, 3, 4), np.float32)}
    save_state(DeviceState("any", "verify", 8, arrays), (), "f" * 64, tmp_path / "s")
    state, iterations = load_state(tmp_path / "s", "f" * 64)
    assert (state.chip, state.method, state.seed, iterations) == ("any", "verify", 8, ())
    assert np.array_equal(state.arrays["0.conductance"], arrays["0.conductance"])
