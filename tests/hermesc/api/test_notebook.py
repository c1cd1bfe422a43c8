"""What a notebook needs: classes by name, short reprs, HTML that escapes, options of any form."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import hermesc
from hermesc.passes.quantize import QuantizeOptions
from hermesc.placement.options import PlaceOptions
from hermesrt.errors import OptionError


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


@pytest.fixture(scope="module")
def program(model: nn.Module) -> "hermesc.Program":
    torch.manual_seed(1)
    return hermesc.compile(model, torch.randn(8, 6), name="net", labels=torch.zeros(8).long())


@pytest.fixture(scope="module")
def chip(program: "hermesc.Program") -> "hermesc.Chip":
    return program.deploy(hermesc.simulate(seed=3))


def test_what_users_name_is_exported(program: "hermesc.Program", chip: "hermesc.Chip") -> None:
    assert isinstance(program, hermesc.Program)
    assert isinstance(chip, hermesc.Chip)
    assert isinstance(chip.report(), hermesc.RunReport)
    assert isinstance(program.artifact.chip, hermesc.ChipSpec)
    assert hermesc.Options().place.objective == "balanced"
    assert {"Program", "Chip", "Options", "ChipSpec", "RunReport"} <= set(dir(hermesc))


def test_a_program_does_what_the_commands_do(program: "hermesc.Program", tmp_path: Path) -> None:
    assert program.cost().to_json() == hermesc.cost(program).to_json()
    assert str(program.inspect("tiles")) == str(hermesc.inspect(program, "tiles"))
    assert program.plan()._repr_svg_().startswith("<svg")
    page = program.view()
    assert "<html" in page.html
    assert page.save(tmp_path / "p.html").stat().st_size == len(page.html.encode())
    assert program.plan().save(tmp_path / "p.png").read_bytes()[1:4] == b"PNG"
    assert program.run(seed=2).report.seed == 2
    assert len(program.spread(draws=2).runs) == 2


def test_a_repr_is_one_short_line(program: "hermesc.Program", chip: "hermesc.Chip") -> None:
    report = chip.report()
    shown: list[Any] = [
        program, chip, report, program.cost(), program.cost().cost, program.inspect(),
        program.plan(), program.view(), program.artifact, program.artifact.chip,
        program.run(), program.spread(draws=1), hermesc.chips(), hermesc.diff(program, program),
    ]  # fmt: skip
    for one in shown:
        assert "\n" not in repr(one)
        assert len(repr(one)) < 160, repr(one)
    assert repr(chip) == "<Chip net on hermes, seed 3, published weights, 0 s old>"


def test_a_notebook_shows_summary_and_floor_plan(
    program: "hermesc.Program", chip: "hermesc.Chip"
) -> None:
    for one in (program, chip, chip.report()):
        found = one._repr_html_()
        assert found.startswith("<table>")
        assert "<svg" in found
    assert "seed 3" in chip._repr_html_()
    assert program.view()._repr_html_().startswith("<iframe srcdoc=")
    for text in (program.cost(), program.inspect(), hermesc.chips(), program.spread(draws=1)):
        assert text._repr_html_().startswith("<pre>")


def test_names_of_others_are_escaped(program: "hermesc.Program") -> None:
    manifest = replace(program.artifact.manifest, name="<script>alert(1)</script>")
    hostile = replace(program, artifact=replace(program.artifact, manifest=manifest))
    for one in (hostile, hostile.run(), hostile.cost(), hostile.spread(draws=1)):
        assert "<script>alert" not in one._repr_html_()


def test_reports_are_frames(program: "hermesc.Program", chip: "hermesc.Chip") -> None:
    line = chip.report().to_frame()
    assert len(line) == 1
    assert line["seed"][0] == 3
    assert {"accuracy", "output_0_relative_error", "latency_ns", "energy_nj"} <= set(line.columns)
    layers = program.cost().to_frame()
    assert layers["analog"].sum() == 2
    several = program.spread(draws=2, ages="0,1h").to_frame()
    assert len(several) == 4


def test_programs_and_reports_in_hand_are_compared(
    model: nn.Module, program: "hermesc.Program"
) -> None:
    other = hermesc.compile(model, torch.randn(8, 6), name="net", place_copies=2)
    assert hermesc.diff(program, program).to_json()["same"]
    assert not hermesc.diff(program, other).to_json()["same"]
    young, old = program.run(), program.run(age_s="1d")
    what = {c["what"] for c in hermesc.diff(young.report, old).to_json()["changes"]}
    assert "age_s" in what
    with pytest.raises(OptionError, match="is a program and the other a report"):
        hermesc.diff(program, young)
    with pytest.raises(OptionError, match="diff of a int"):
        hermesc.diff(3, program)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ({"place.copies": 2, "quantize.percentile": 99.0}, {}),
        ({"place": {"copies": 2}, "quantize": {"percentile": 99.0}}, {}),
        ({"place": PlaceOptions(copies=2)}, {"quantize_percentile": 99.0}),
        (None, {"place_copies": 2, "quantize_percentile": 99.0}),
        (
            hermesc.Options(place=PlaceOptions(copies=2), quantize=QuantizeOptions(percentile=99)),
            {},
        ),
        (hermesc.Options(place=PlaceOptions(copies=2)), {"quantize_percentile": 99.0}),
    ],
)
def test_options_mean_the_same_in_any_form(
    model: nn.Module, options: Any, keywords: dict[str, Any]
) -> None:
    torch.manual_seed(1)
    x = torch.randn(8, 6)
    found = hermesc.compile(model, x, options=options, **keywords)
    pairs = {"place.copies": "2", "quantize.percentile": "99"}
    assert found.sha256 == hermesc.compile(model, x, options=pairs).sha256


def test_the_chips_numbers_are_options_as_for_set(model: nn.Module) -> None:
    found = hermesc.compile(model, torch.randn(8, 6), options={"chip.adc.counter_bits": 6})
    assert found.artifact.chip.adc.counter_bits == 6
    assert found.with_chip({"adc.counter_bits": 12}).artifact.chip.adc.counter_bits == 12
    report = hermesc.run(found, chip_settings={"chip.effects.read_noise": False}).report
    assert not report.artifact.chip.effects.read_noise


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: hermesc.compile(m, x, options={"place.objectiv": "x"}), '"place.objective"'),
        (lambda m, x: hermesc.compile(m, x, place_objectiv="latency"), '"place.objective"'),
        (lambda m, x: hermesc.compile(m, x, calibrations=x), '"calibration"'),
        (lambda m, x: hermesc.compile(m, x, nothing=1), "there is no such argument"),
        (
            lambda m, x: hermesc.compile(m, x, options={"chip.adc.counter_bit": 6}),
            '"adc.counter_bits"',
        ),
        (lambda m, x: hermesc.compile(m, x, options={3: 4}), "3 is no name"),
        (lambda m, x: hermesc.compile(m, x, options="place"), "options is a str"),
        (lambda m, x: hermesc.compile(m, x).with_chip([("adc", 1, 2)]), "chip_settings is"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(
    unchecked_types: None, model: nn.Module, call: Callable[..., Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        call(model, torch.randn(8, 6))


@pytest.mark.parametrize("age", [float("inf"), 1e300, float("nan"), -1.0, "inf", "1e300s", True])
def test_no_age_is_beyond_all_time(chip: "hermesc.Chip", age: Any) -> None:
    with pytest.raises(OptionError):
        chip.configure(age_s=age)


def test_an_age_is_a_text_everywhere(program: "hermesc.Program", chip: "hermesc.Chip") -> None:
    assert chip.configure(age_s="1d").settings.age_s == 86400
    chip.configure(age_s=0)
    assert program.run(age_s="1d").report.age_s == 86400
    assert program.spread(draws=1, ages=["1d"]).ages[0].age_s == 86400
