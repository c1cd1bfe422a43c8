"""A sweep's points are the commands' results, shared where they can be, and kept when it stops."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesc.studies.jobs.execution import Execution
from hermesc.studies.sweep.job import Reading, read
from hermesrt.errors import InputError, OptionError

from ....command_line import hermesc as command

MODEL = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
example_inputs = (torch.randn(40, 12),)
labels = model(example_inputs[0]).argmax(1)
"""
GRID = """
[vary]
"chip.adc.counter_bits" = [6, 12]
"chip.crossbar.rows" = [32, 64]
seed = [0, 1]
age = ["0s", "1d"]
[fixed]
"chip.crossbar.columns" = 32
"chip.grid.rows" = 1
mode = "1-phase"
"""
HERE = Execution(jobs=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "g.toml").write_text(GRID)
    x = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    np.savez(tmp_path / "x.npz", input=x, labels=np.zeros(30, np.int64))
    return tmp_path


def test_every_point_is_what_its_commands_say(folder: Path) -> None:
    found = hermesc.sweep("net.py", grid="g.toml", inputs="x.npz", execution=HERE)
    assert len(found.rows()) == 16
    assert found.programs == 2
    for row in (found.rows()[0], found.rows()[-3]):
        for words in row["command"].split(" && "):
            done = command(*shlex.split(words)[1:], "--json", cwd=folder)
            assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["accuracy"] == row["accuracy"]
        assert told["energy_nj"] == row["energy_nj"]
        assert told["latency_ns"] == row["latency_ns"]
        error = told["outputs"]["output_0"]["relative_error"]
        assert error == row["output_0_relative_error"]


def test_a_table_is_tidy_in_every_format(folder: Path) -> None:
    found = hermesc.sweep("net.py", grid="g.toml", output="t.csv", plot="p.svg", execution=HERE)
    lines = list(csv.DictReader((folder / "t.csv").read_text().splitlines()))
    assert [int(line["point"]) for line in lines] == list(range(16))
    assert lines[0]["chip.adc.counter_bits"] == "6"
    assert found.to_frame().shape == (16, len(lines[0]))
    assert (folder / "p.svg").read_text().startswith("<?xml")
    hermesc.sweep("net.py", grid="g.toml", output="t.json", execution=HERE)
    assert json.loads((folder / "t.json").read_text())["kept"] == 16
    assert repr(found) == "<SweepReport net, 16 points>"


def test_no_point_of_the_front_is_beaten(folder: Path) -> None:
    found = hermesc.sweep("net.py", grid="g.toml", execution=HERE)
    assert 0 < len(found.front) < len(found.results)
    for one in found.front:
        mine = (one.loss, *one.price)
        for other in found.results:
            theirs = (other.loss, *other.price)
            assert theirs == mine or any(a > b for a, b in zip(theirs, mine, strict=True))
    assert "No other point is better" in str(found)


def test_where_points_run_changes_no_bit(folder: Path) -> None:
    here = hermesc.sweep("net.py", grid="g.toml", execution=HERE)
    there = hermesc.sweep(
        "net.py", grid="g.toml", execution=Execution(jobs=2, cells=folder / "other")
    )
    assert there.kept == 0
    assert there.rows() == here.rows()


def test_a_sweep_that_was_killed_goes_on_with_the_same_bits(folder: Path) -> None:
    whole = hermesc.sweep(
        "net.py", grid="g.toml", execution=Execution(jobs=1, cells=folder / "whole")
    )
    cells = folder / "hermesc-cells"
    words = [sys.executable, "-m", "hermesc", "sweep", "net.py", "--grid", "g.toml", "--jobs", "1"]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=os.environ)
    while running.poll() is None and len(list(cells.glob("*.json"))) < 3:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = len(list(cells.glob("*.json")))
    again = hermesc.sweep("net.py", grid="g.toml", execution=HERE)
    assert again.kept >= min(done, 3)
    assert again.rows() == whole.rows()


def test_a_point_that_does_not_fit_is_told_and_the_others_go_on(folder: Path) -> None:
    grid = {"vary": {"chip.crossbar.rows": [1, 64]}, "fixed": {"chip.grid.rows": 1,
            "chip.grid.columns": 1}}  # fmt: skip
    found = hermesc.sweep("net.py", grid=grid, execution=HERE)
    failed, sound = found.rows()
    assert "cores" in failed["failed"]
    assert failed["accuracy"] is None
    assert sound["failed"] == ""
    assert "point 0 failed" in str(found)
    with pytest.raises(OptionError, match="all 1 points failed; the first: "):
        hermesc.sweep("net.py", grid=grid | {"vary": {"chip.crossbar.rows": [1]}}, execution=HERE)


def test_a_program_is_swept_without_compiling(folder: Path) -> None:
    program = hermesc.compile("net.py")
    program.save("net.hermes")
    grid: dict[str, Any] = {"vary": {"seed": [0, 1], "chip.effects.read_noise": [True, False]}}
    of_file = hermesc.sweep("net.hermes", grid=grid, execution=HERE)
    in_hand = hermesc.sweep(program, grid=grid, execution=HERE)
    assert in_hand.kept == 4
    assert [r.figures for r in of_file.results] == [r.figures for r in in_hand.results]
    assert of_file.rows()[1]["command"].endswith("--set chip.effects.read_noise=false")
    assert in_hand.rows()[0]["command"] == ""
    with pytest.raises(OptionError, match=r"place\.objective is for compiling, and net is"):
        hermesc.sweep(program, grid={"vary": {"place.objective": ["cores"]}}, execution=HERE)


def test_a_model_in_hand_is_swept(folder: Path) -> None:
    torch.manual_seed(0)
    grid = {"vary": {"place.objective": ["cores", "latency"]}}
    found = hermesc.sweep(nn.Linear(6, 3), torch.randn(8, 6), grid=grid, execution=HERE)
    assert [r.figures.accuracy for r in found.results] == [None, None]
    assert found.programs >= 1
    assert "error" in str(found)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"ages": ["1d"]}, 'ages is no setting \\(did you mean "age"\\?\\)'),
        ({"age": ["inf"]}, "inf"),
        ({"mode": ["5-phase"]}, "mode is '5-phase'; it must be one of 1-phase, 4-phase"),
        ({"method": ["magic"]}, "method is 'magic'"),
        ({"seed": [-1]}, "seed is -1"),
        ({"seed": ["a"]}, "seed is 'a'"),
        ({"chip.adc.counter_bit": [6]}, 'did you mean "adc.counter_bits"'),
        ({"place.objectiv": ["cores"]}, 'did you mean "place.objective"'),
        ({"chip": ["ares"]}, "there is no chip 'ares'"),
    ],
)
def test_a_name_or_value_that_there_is_not_is_refused_before_work(
    folder: Path, vary: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        hermesc.sweep("net.py", grid={"vary": vary}, execution=HERE)


def test_inputs_that_do_not_fit_are_refused(folder: Path) -> None:
    np.savez(folder / "y.npz", other=np.zeros((3, 12), np.float32))
    with pytest.raises(InputError, match="'other' is not an input"):
        hermesc.sweep("net.py", grid="g.toml", inputs="y.npz", execution=HERE)
    with pytest.raises(OptionError, match=r"the table is one of \.csv, \.json, \.parquet"):
        hermesc.sweep("net.py", grid="g.toml", output="t.txt", execution=HERE)


def test_the_table_is_a_parquet_file_with_a_row_a_point(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    grid = {"vary": {"seed": [0, 1]}}
    found = hermesc.sweep("net.py", grid=grid, output="t.parquet", execution=HERE)
    table = pandas.read_parquet(folder / "t.parquet")
    assert list(table["seed"]) == [0, 1]
    assert list(table["accuracy"]) == [row["accuracy"] for row in found.rows()]


def test_a_program_that_a_job_needs_is_held_by_its_hash() -> None:
    with pytest.raises(KeyError):
        read(Reading("unknown", "", (), "published", 0, 0.0, None))
