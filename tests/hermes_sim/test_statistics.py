"""Devices of others: one protocol, the shipped ones against their sources, and bad ones refused."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermes_sim import statistics
from hermes_sim.statistics import (
    SHIPPED,
    Gaussian,
    MeasuredErrors,
    PublishedPcm,
    Reram,
    statistics_named,
)
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.tables.statistics import STATISTICS
from hermesrt.errors import ChipError, InputError, OptionError
from hermesrt.program import Program
from hermesrt.seeds import generator

DAY = 86400.0


@pytest.fixture(scope="module")
def program() -> Program:
    torch.manual_seed(0)
    return hermesc.compile(nn.Linear(32, 16), torch.randn(64, 32), name="net")


def error(program: Program, age_s: float = 0.0, **device: Any) -> float:
    chip = program.deploy(hermesc.simulate(**device)).configure(age_s=age_s)
    return chip.report().outputs["output_0"].relative_error


def drawn(kind: Any, chip: ChipSpec, share: float, age_s: float) -> Tensor:
    """Errors of many devices of one target at an age, in microsiemens."""
    target = torch.full((2, 200, 200), share * chip.pcm.g_max_siemens)
    stream = generator(0, "test", repr(share))
    written = kind.program(chip.pcm, target, stream, 0.0)
    kept = kind.kept(chip.pcm, target, stream)
    return (kind.drift(chip.pcm, written, kept, age_s) - target) * 1e6


def test_a_chip_takes_the_names_that_the_simulator_has() -> None:
    assert set(SHIPPED) == set(STATISTICS)
    for name in STATISTICS:
        assert statistics_named(name).name == name
        assert load_chip("hermes", [("statistics.model", name)]).statistics.model == name


def test_an_object_gives_the_bits_of_its_name(program: Program) -> None:
    assert error(program) == error(program, statistics=PublishedPcm("hermes"))


@pytest.mark.parametrize(
    ("age_s", "sigma"),
    [
        (0.0, 0.348 + 16.030 / 2 - 43.853 / 4 + 45.393 / 8 - 16.815 / 16),
        (DAY, 0.701 + 22.086 / 2 - 50.773 / 4 + 47.095 / 8 - 16.458 / 16),
        (2 * DAY, 0.782 + 20.274 / 2 - 43.507 / 4 + 37.062 / 8 - 11.934 / 16),
    ],
)
def test_reram_spreads_as_published_at_a_second_a_day_and_two(
    chip: ChipSpec, age_s: float, sigma: float
) -> None:
    """aihwkit ReRamWan2022NoiseModel, at half of the largest conductance of 40 uS."""
    scaled = sigma * chip.pcm.g_max_siemens / 40e-6
    found = drawn(Reram(), chip, 0.5, age_s)
    assert found.mean().item() == pytest.approx(0, abs=0.02)
    assert found.std().item() == pytest.approx(scaled, rel=0.03)


def test_gaussian_devices_miss_by_one_share_whatever_they_hold(chip: ChipSpec) -> None:
    for share in (0.3, 0.6):
        found = drawn(Gaussian(programming=0.05), chip, share, DAY)
        assert found.std().item() == pytest.approx(0.05 * chip.pcm.g_max_siemens * 1e6, rel=0.02)


def test_measured_errors_are_those_of_devices_of_about_the_target(
    chip: ChipSpec, tmp_path: Path
) -> None:
    """Errors of plus or minus a tenth of the target: a device at 10 uS misses by 1 uS."""
    lines = [f"{t * 1e-8},{sign * t * 1e-9}" for t in range(2000) for sign in (1, -1)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["target_siemens,error_siemens", *lines]))
    found = MeasuredErrors.read(path)
    assert found.name == "mine"
    errors = drawn(found, chip, 10e-6 / chip.pcm.g_max_siemens, DAY)
    assert errors.abs().mean().item() == pytest.approx(1.0, rel=0.02)
    assert errors.mean().item() == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be target_siemens,error_siemens"),
        ("a,b\n1,2", "the first line must be"),
        ("target_siemens,error_siemens", "it holds no device"),
        ("target_siemens,error_siemens\n1e-6", "line 2: '1e-6' is not two numbers"),
        ("target_siemens,error_siemens\n1e-6,nan", "line 2: '1e-6,nan' is no conductance"),
        ("target_siemens,error_siemens\n-1e-6,0", "is no conductance"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        MeasuredErrors.read(path)


@pytest.mark.parametrize("name", ["reram", "gaussian"])
def test_a_program_runs_on_other_devices(name: str) -> None:
    torch.manual_seed(0)
    made = hermesc.compile(
        nn.Linear(32, 16), torch.randn(64, 32), options={"chip.statistics.model": name}
    )
    spec = made.artifact.chip
    young, old = (error(made, age, chip=spec) for age in (0.0, DAY))
    assert 0.01 < young < 0.5
    assert old >= young if name == "reram" else old == pytest.approx(young, rel=0.2)


def test_white_read_noise_does_not_grow_with_age(program: Program) -> None:
    exact = Gaussian(programming=0.0, read=0.02)
    young, old = (error(program, age, statistics=exact) for age in (0.0, 365 * DAY))
    assert old == pytest.approx(young, rel=0.05)


def test_pulse_by_pulse_programming_needs_the_chips_own_devices(program: Program) -> None:
    with pytest.raises(OptionError, match="'gaussian' says nothing of single pulses"):
        program.deploy(hermesc.simulate(statistics=Gaussian()), "verify")


@dataclass(frozen=True)
class Leaky:
    """A device of a user's own: it loses a tenth of its conductance a decade of seconds."""

    name: str = "leaky"

    def program(self, table: Any, target: Tensor, draw: torch.Generator, within: float) -> Tensor:
        noise = torch.randn(target.shape, generator=draw)
        return (target + 0.02 * table.g_max_siemens * noise).clamp(min=0)

    def kept(self, table: Any, wanted: Tensor, draw: torch.Generator) -> Tensor:
        return torch.zeros_like(wanted)

    def drift(self, table: Any, written: Tensor, kept: Tensor, age_s: float) -> Tensor:
        return written * (1 - 0.1 * math.log10(1 + age_s))

    def read_deviation(self, table: Any, aged: Tensor, written: Tensor, logarithm: float) -> Tensor:
        return torch.zeros_like(aged)


def test_a_device_of_a_users_own_needs_no_name(program: Program) -> None:
    chip = program.deploy(hermesc.simulate(statistics=Leaky()))
    weights = [chip.device.cores[0].now(age)[0].sum().item() for age in (0.0, 9.0)]
    assert weights[1] == pytest.approx(0.9 * weights[0], rel=1e-5)
    assert chip.device.identity == "whole, leaky"


def test_a_package_adds_a_device_by_its_entry_point(
    monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    point = EntryPoint("leaky", "tests:Leaky", "hermesc.statistics")
    monkeypatch.setattr(EntryPoint, "load", lambda _self: Leaky)

    def found(*, group: str) -> list[EntryPoint]:
        return [point] if group == "hermesc.statistics" else []

    monkeypatch.setattr(statistics, "entry_points", found)
    assert statistics_named("leaky").name == "leaky"
    with pytest.raises(ChipError, match=r"it must be one of adc-count, gaussian, hermes, .*leaky"):
        statistics_named("leeky")


class Wrong(Leaky):
    """It answers with something else."""

    def __init__(self, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        object.__setattr__(self, "answer", answer)

    def program(self, table: Any, target: Tensor, draw: torch.Generator, within: float) -> Any:
        return self.answer(target)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda t: t * math.nan, "program gave NaN, a negative number or one above 10"),
        (lambda t: t - 1, "program gave NaN, a negative number"),
        (lambda t: t[0], "it must give a tensor of the shape (2, 256, 256)"),
        (lambda t: 3, "program gave int"),
    ],
)
def test_an_answer_that_is_no_conductance_is_refused(
    unchecked_types: None, program: Program, answer: Callable[[Tensor], Any], message: str
) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        program.deploy(hermesc.simulate(statistics=Wrong(answer)))


def test_what_is_no_device_is_refused(unchecked_types: None) -> None:
    with pytest.raises(OptionError, match="statistics is a str; give an object with name"):
        hermesc.simulate(statistics="gaussian")  # type: ignore[arg-type]
