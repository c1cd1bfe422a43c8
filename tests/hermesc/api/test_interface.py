"""The Python interface does what the commands do."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt.errors import InputError, OptionError
from hermesrt.program import Program


@pytest.fixture(scope="module")
def program() -> Program:
    torch.manual_seed(0)
    return hermesc.compile(nn.Linear(6, 4), torch.randn(8, 6), name="net")


@pytest.fixture
def file(program: Program, tmp_path: Path) -> Path:
    program.save(tmp_path / "net.hermes")
    return tmp_path / "net.hermes"


def test_a_placement_is_exported_and_compiled_again(program: Program, tmp_path: Path) -> None:
    hermesc.export_mapping(program, tmp_path / "m.json")
    torch.manual_seed(0)
    again = hermesc.compile(
        nn.Linear(6, 4), torch.randn(8, 6), name="net", mapping=tmp_path / "m.json"
    )
    assert again.artifact.manifest.matrices == program.artifact.manifest.matrices


def test_a_mapping_and_a_budget_of_accuracy_exclude_each_other(
    program: Program, tmp_path: Path
) -> None:
    hermesc.export_mapping(program, tmp_path / "m.json")
    budget = {"partition.max_accuracy_drop": 1.0}
    for more in ({"options": budget}, {"max_accuracy_drop": 1.0}):
        with pytest.raises(OptionError, match="give one of the two"):
            hermesc.compile(nn.Linear(6, 4), torch.randn(8, 6), mapping=tmp_path / "m.json", **more)


def test_calibration_may_be_a_file_with_labels(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    np.savez(tmp_path / "c.npz", input=x, labels=np.zeros(20, np.int64))
    of_file = hermesc.compile(nn.Linear(6, 4), torch.ones(8, 6), calibration=tmp_path / "c.npz")
    assert of_file.artifact.mvms[0].input_max == pytest.approx(np.abs(x).max(), rel=1e-5)


def test_a_state_that_was_programmed_runs_as_its_seed_does(file: Path) -> None:
    state = file.with_suffix(".state")
    told = hermesc.program(file, state, seed=3)
    assert told.chip.device.seed == 3
    rows: list[int] = []
    kept = hermesc.run(file, state=state, age_s=60.0, progress=lambda done, _all: rows.append(done))
    fresh = hermesc.run(file, seed=3, age_s=60.0)
    assert kept.to_json() == fresh.to_json()
    assert rows == [8]
    assert "Latency" in str(kept)


def test_a_run_writes_what_it_is_asked_for(program: Program, tmp_path: Path) -> None:
    y, trace, page = tmp_path / "y.npz", tmp_path / "t.json", tmp_path / "r.html"
    found = hermesc.run(
        program, outputs=y, trace=trace, report=page, compare="a100", sensitivity=True
    )
    with np.load(y) as arrays:
        assert arrays["output_0"].shape == (8, 4)
    assert json.loads(trace.read_text())["traceEvents"]
    assert "<html" in page.read_text()
    assert {"compare", "sensitivity"} <= set(found.to_json())


def test_costs_are_those_of_the_sizes_given(program: Program) -> None:
    one = hermesc.cost(program)
    assert one.to_json() == hermesc.cost(program, {"input": (1, 6)}).to_json()
    with pytest.raises(OptionError, match="a batch of 1"):
        hermesc.cost(program, {"input": (2, 6)})
    with pytest.raises(OptionError, match="the program's inputs are input"):
        hermesc.cost(program, {"y": (1, 6)})


def test_what_is_in_a_program_and_what_changed_is_told(file: Path) -> None:
    assert "net" in str(hermesc.inspect(file))
    assert "cost" in hermesc.inspect(file, "cost").to_json()
    assert not hermesc.diff(file, file).to_json()["changes"]
    assert hermesc.view(file, file.with_suffix(".svg")).read_text().startswith("<svg")


def test_chips_and_defects_are_told(tmp_path: Path) -> None:
    assert "hermes" in hermesc.chips().to_json()["chips"]
    assert "adc" in hermesc.chips("hermes").to_json()
    drawn = hermesc.defects(None, tmp_path / "d.toml", random=0.01, seed=1)
    assert hermesc.defects(tmp_path / "d.toml").to_json() == drawn.to_json() | {"output": None}


def test_settings_of_the_chip_are_for_a_program_in_hand_too(program: Program) -> None:
    report = hermesc.run(program, chip_settings=[("effects.read_noise", "off")]).report
    assert not report.artifact.chip.effects.read_noise
    with pytest.raises(OptionError, match="the program was compiled for it"):
        hermesc.run(program, chip_settings=[("crossbar.rows", "8")])


def test_options_may_be_a_mapping() -> None:
    told = {"quantize.range": "percentile", "place.copies": 1}
    program = hermesc.compile(nn.Linear(6, 4), torch.randn(8, 6), options=told)
    assert program.artifact.manifest.matrices


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"place": {"objective": "fast"}}, "place.objective=fast: must be one of"),
        ({"place.nothing": 1}, "nothing"),
        ([("place.seed", 1)], "options is a list"),
        ({1: 2}, "1 is no name"),
    ],
)
def test_other_options_are_one_clear_error(options: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        hermesc.compile(nn.Linear(6, 4), torch.randn(8, 6), options=options)  # type: ignore[arg-type]


def test_an_age_may_be_a_text(program: Program) -> None:
    chip = program.deploy(hermesc.simulate("hermes"))
    assert chip.configure(age_s="1d").settings.age_s == 86400.0
    for age in (float("inf"), 1e300, "soon"):
        with pytest.raises(OptionError, match="since programming"):
            chip.configure(age_s=age)


def test_labels_of_an_odd_shape_are_one_clear_error(file: Path) -> None:
    x = np.zeros((8, 6), np.float32)
    for labels in (np.zeros((8, 4)), np.zeros((2, 4)), np.float32(0)):
        np.savez(file.with_suffix(".npz"), input=x, labels=labels)
        with pytest.raises(InputError, match="give one label a sample"):
            hermesc.run(file, file.with_suffix(".npz"))
    np.savez(file.with_suffix(".npz"), input=x, labels=np.zeros((8, 1), np.int64))
    assert hermesc.run(file, file.with_suffix(".npz")).report.accuracy is not None
