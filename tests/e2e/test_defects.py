"""Defect maps on the command line, with real files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hermesc.cli import main

MODEL = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(12, 60), nn.ReLU(), nn.Linear(60, 4))
example_inputs = (torch.randn(64, 12),)
"""
HEAD = 'chip = "hermes"\ncores = 64\nrows = 256\ncolumns = 256\n'
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in a folder with net.py: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(words)
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


def _json(run: Run, *words: str) -> Any:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_a_random_map_is_compiled_for_and_run_on(run: Run) -> None:
    made = _json(run, "defects", "--random", "0.05", "--seed", "1", "-o", "d.npz")
    assert abs(made["stuck_cells"] / (64 * 65536) - 0.05) < 1e-3
    told = _json(run, "compile", "net.py", "--defects", "d.npz", "-o", "known.hermes")
    assert {d["label"] for d in told["defects"]} == {"0", "2"}
    assert all(d["error"] < d["blind_error"] for d in told["defects"])
    run("compile", "net.py", "-o", "plain.hermes")
    clean, unknown, known = (
        _json(run, "run", *words)["outputs"]["output_0"]["relative_error"]
        for words in (
            ("plain.hermes",),
            ("plain.hermes", "--defects", "d.npz"),
            ("known.hermes", "--defects", "d.npz"),
        )
    )
    assert clean < known < 0.7 * unknown


def test_the_summary_says_what_the_defects_cost(run: Run) -> None:
    run("defects", "--random", "0.02", "-o", "d.npz")
    code, out, _ = run("compile", "net.py", "--defects", "d.npz")
    assert code == 0
    assert "\nDefects      " in out and "without the map" in out


def test_a_programmed_chip_keeps_its_defects(run: Run) -> None:
    run("defects", "--random", "0.05", "-o", "d.npz")
    run("compile", "net.py")
    assert run("program", "net.hermes", "--defects", "d.npz")[0] == 0
    with_state = _json(run, "run", "net.hermes", "--state", "net.state")
    afresh = _json(run, "run", "net.hermes", "--defects", "d.npz")
    assert with_state["outputs"] == afresh["outputs"]
    code, _, err = run("run", "net.hermes", "--state", "net.state", "--defects", "d.npz")
    assert code == 2 and "leave out" in err


def test_a_map_for_people_is_changed_into_a_large_one_and_back(run: Run) -> None:
    entry = '[[core]]\nnumber = 0\nstuck = [{row = 1, column = 2, polarity = "-", state = "set"}]\n'
    Path("d.toml").write_text(HEAD + "dead_cores = [1]\n" + entry)
    assert _json(run, "defects", "d.toml", "-o", "d.npz")["stuck_devices"] == 2
    assert run("defects", "d.npz", "-o", "again.toml")[0] == 0
    assert _json(run, "defects", "again.toml")["dead_cores"] == 1


def test_a_chip_whose_cores_are_all_dead_has_no_room(run: Run) -> None:
    Path("d.toml").write_text(HEAD + f"dead_cores = {list(range(64))}\n")
    code, _, err = run("compile", "net.py", "--defects", "d.toml")
    assert code == 3
    assert "closes 64 of 64 cores" in err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("defects",), "give either"),
        (("defects", "--random", "0.05"), "-o"),
        (("defects", "--random", "1.5", "-o", "d.toml"), "from 0 to 1"),
        (("defects", "no.toml"), "cannot read"),
        (("defects", "bad.toml"), "core 64; it is from 0 to 63"),
        (("defects", "bad.toml", "--seed", "1"), "belong to --random"),
        (("compile", "net.py", "--defects", "bad.toml"), "bad.toml"),
        (("compile", "net.py", "--defects", "hostile.npz"), "not a readable .npz"),
        (("compile", "net.py", "--chip", "mesh2d", "--defects", "small.toml"), "this is 'mesh2d'"),
    ],
)
def test_what_is_wrong_with_a_map_ends_with_exit_code_2(
    run: Run, words: tuple[str, ...], text: str
) -> None:
    Path("bad.toml").write_text(HEAD + "dead_cores = [64]\n")
    Path("small.toml").write_text(HEAD)
    np.savez("hostile.npz", chip=np.array([{}], dtype=object))
    code, _, err = run(*words)
    assert code == 2
    assert text in err
