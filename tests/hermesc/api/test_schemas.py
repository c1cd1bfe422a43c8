"""The schemas take what the readers take, and refuse what they refuse."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from torch import nn

import hermes_chip
import hermesc
from hermesc.studies.sweep.grid import read_grid
from hermesrt.chip.load import chip_tables, load_chip
from hermesrt.errors import InputError, OptionError
from hermesrt.program import Program


def problems(name: Any, data: Any) -> list[str]:
    checker = jsonschema.Draft202012Validator(hermesc.schema(name))
    plain = json.loads(json.dumps(data))
    return [error.message for error in checker.iter_errors(plain)]


@pytest.mark.parametrize("name", ["chip", "defects", "report", "sweep"])
def test_a_schema_is_one(name: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(hermesc.schema(name))


def test_the_installed_chips_are_valid() -> None:
    folder = hermes_chip.chip()
    tables: dict[str, Any] = {}
    for file in folder.glob("*.toml"):
        tables |= tomllib.loads(file.read_text())
    assert problems("chip", tables) == []
    assert problems("chip", chip_tables(load_chip("hermes"))) == []
    for file in (hermes_chip.dpu(), hermes_chip.mesh2d()):
        assert problems("chip", tomllib.loads(file.read_text())) == []


@pytest.mark.parametrize(
    "change",
    [
        {"grid": {"kind": "assumed", "source": "x", "rows": 0, "columns": 1}},
        {"grid": {"kind": "guess", "source": "x", "rows": 1, "columns": 1}},
        {"grid": {"kind": "assumed", "source": "x", "rows": 1}},
        {"grid": {"kind": "assumed", "source": "x", "rows": 1, "columns": 1, "depth": 1}},
        {"grids": {}},
        {"laws": [{"scales": "x.y", "kind": "assumed", "source": "x", "scales_with": ["mood"]}]},
        {"nominal": []},
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(change: dict[str, Any]) -> None:
    assert problems("chip", {"base": "hermes", "name": "mine"}) == []
    assert problems("chip", {"base": "hermes", "name": "mine"} | change) != []


def test_a_chip_without_a_base_is_whole() -> None:
    tables = chip_tables(load_chip("hermes"))
    del tables["adc"]
    assert problems("chip", tables) != []


def test_keys_carry_the_docstrings_words() -> None:
    found = hermesc.schema("chip")["properties"]["crossbar"]["properties"]["rows"]
    assert found["description"] == "how many, the inputs of an MVM."
    assert (found["minimum"], found["maximum"]) == (1, 4096)


def test_a_map_of_defects_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "d.toml"
    hermesc.defects(output=file, random=0.0001)
    assert problems("defects", tomllib.loads(file.read_text())) == []
    assert problems("defects", {"chip": "hermes", "cores": 0, "rows": 1, "columns": 1}) != []


def test_reports_are_valid(program: Program) -> None:
    for found in (
        hermesc.run(program, compare="a100", sensitivity=True),
        hermesc.spread(program, draws=2, ages="0,1h"),
        hermesc.cost(program),
    ):
        assert problems("report", found.to_json()) == []
    broken = hermesc.run(program).to_json() | {"mode": "5-phase"}
    assert problems("report", broken) != []


@pytest.fixture(scope="module")
def program() -> Program:
    torch.manual_seed(0)
    return hermesc.compile(nn.Linear(6, 4), torch.randn(8, 6), labels=torch.zeros(8).long())


def test_an_unknown_schema_is_refused_and_one_is_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match='did you mean "report"\\?'):
        hermesc.schema("reports")  # type: ignore[arg-type]
    hermesc.schema("chip", tmp_path / "chip.json")
    assert json.loads((tmp_path / "chip.json").read_text()) == hermesc.schema("chip")


GRIDS = (
    'kind = "grid"\n[vary]\n"chip.adc.counter_bits" = [6, 8]\n[fixed]\nage = "1d"\n',
    "[vary]\nchip.adc.counter_bits = [6]\n",
    'kind = "random"\npoints = 3\nseed = 1\n[vary]\nseed = { low = 0, high = 9 }\n',
    'kind = "list"\n[[point]]\nmode = "1-phase"\n',
)
NO_GRIDS = (
    "[vary]\nmode = []\n",
    'kind = "all"\n[vary]\nmode = ["1-phase"]\n',
    'points = -1\nkind = "random"\n[vary]\nseed = [1]\n',
    "[varied]\nseed = [1]\n",
    'point = "x"\n',
)


@pytest.mark.parametrize("text", GRIDS)
def test_the_schema_of_sweeps_takes_what_sweeps_read(text: str) -> None:
    assert read_grid(tomllib.loads(text))
    assert problems("sweep", tomllib.loads(text)) == []


@pytest.mark.parametrize("text", NO_GRIDS)
def test_the_schema_of_sweeps_refuses_what_sweeps_refuse(text: str) -> None:
    with pytest.raises(InputError):
        read_grid(tomllib.loads(text))
    assert problems("sweep", tomllib.loads(text))
