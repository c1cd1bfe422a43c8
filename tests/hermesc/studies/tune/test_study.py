"""A search: nothing found is worse than the presets, and a stopped one ends as it would have."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn

import hermesc
from hermesc.studies.sweep.grid import Point
from hermesc.studies.sweep.job import Figures
from hermesc.studies.tune.evaluate import Evaluation
from hermesc.studies.tune.report import TuneReport
from hermesc.studies.tune.space import Space
from hermesrt.errors import InputError, OptionError

from ....command_line import hermesc as command

MODEL = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
example_inputs = (torch.randn(60, 12),)
labels = model(example_inputs[0]).argmax(1)
"""
SMALL: dict[str, Any] = {"budget": "10m", "methods": ["published"], "draws": 2}
TRIALS = 28  # more than there are presets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tune")
    (made / "net.py").write_text(MODEL)
    return made


@pytest.fixture(scope="module")
def report(folder: Path) -> TuneReport:
    return hermesc.tune(
        folder / "net.py", trials=TRIALS, storage=folder / "net.db", cells=folder / "cells",
        output=folder / "t.csv", plot=folder / "p.svg", **SMALL,
    )  # fmt: skip


def test_the_presets_come_first_and_the_front_covers_as_much_or_more(report: TuneReport) -> None:
    assert len(report.tried) == TRIALS
    assert report.tried[0].preset == "defaults"
    before = [bool(t.preset) for t in report.tried]
    assert before == sorted(before, reverse=True)
    assert 20 < sum(before) < TRIALS
    presets, found = report.hypervolumes
    assert 0 < presets <= found <= 1
    for preset in report.presets:
        assert any(
            all(a <= b for a, b in zip(t.losses, preset.losses, strict=True)) for t in report.front
        )


def test_each_layer_has_what_it_loses_and_saves(report: TuneReport) -> None:
    found = {s.label: s for s in report.sensitivity}
    assert found.keys() == {"0", "2"}
    usual = report.tried[0].figures
    alone = next(t.figures for t in report.tried if t.preset == "partition.digital=0")
    assert found["0"].saved_nj == (alone.energy_nj or 0) - (usual.energy_nj or 0)
    assert found["0"].lost == pytest.approx(100 * ((alone.accuracy or 0) - (usual.accuracy or 0)))
    assert "What each layer costs and saves" in str(report)


def test_files_are_written_and_a_point_is_what_its_command_says(
    report: TuneReport, folder: Path
) -> None:
    assert len((folder / "t.csv").read_text().splitlines()) == 1 + len(report.tried)
    assert (folder / "p.svg").read_text().startswith("<?xml")
    best = report.front[0]
    compile_words, run_words = (shlex.split(c)[1:] for c in best.command.split(" && "))
    command(*compile_words, cwd=folder)
    ran = json.loads(command(*run_words, "--json", cwd=folder).stdout)
    assert ran["energy_nj"] == pytest.approx(best.figures.energy_nj)
    assert json.loads(json.dumps(report.to_json()))["front"][0]["point"] == best.number


def test_optuna_reads_the_study(report: TuneReport, folder: Path) -> None:
    study = optuna.load_study(study_name="net", storage=f"sqlite:///{folder / 'net.db'}")
    assert len(study.trials) == len(report.tried)
    assert {tuple(t.values) for t in study.best_trials} == {t.losses for t in report.front}


class StopError(Exception):
    """In the middle of a search."""


def test_a_stopped_search_ends_as_one_that_was_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an exception between two points, and one in the middle of a point, which begins again."""
    usual = dict(Space(("0", "2"), ("published",)).presets())
    few = [(name, usual[name]) for name in ("defaults", "partition.digital=0")]
    monkeypatch.setattr(Space, "presets", lambda _: iter(few))

    def search(storage: str, **more: Any) -> TuneReport:
        files = {"storage": folder / storage, "cells": folder / "cells"}
        return hermesc.tune(folder / "net.py", trials=5, **files, **SMALL, **more)

    whole, begun = search("whole.log"), []
    read = Evaluation.read

    def stopping(self: Evaluation, point: Point) -> Figures:
        begun.append(point)
        if len(begun) == 8:  # the second chip of the fourth point
            raise StopError
        return read(self, point)

    monkeypatch.setattr(Evaluation, "read", stopping)
    with pytest.raises(StopError):
        search("stopped.log")
    found = search("stopped.log")
    assert found.taken_up == 1
    assert [(t.settings, t.losses) for t in found.tried] == [
        (t.settings, t.losses) for t in whole.tried
    ]


def test_a_killed_search_goes_on(folder: Path) -> None:
    words = [
        sys.executable, "-m", "hermesc", "tune", "net.py", "--trials", "30", "--methods",
        "published", "--draws", "2", "--cells", "cells", "--storage", "killed.db",
    ]  # fmt: skip
    first = subprocess.Popen(words, cwd=folder, env=os.environ)
    storage = folder / "killed.db"
    for _ in range(600):
        if storage.exists() and _finished(storage) >= 2:
            break
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = _finished(storage)
    found = hermesc.tune(
        folder / "net.py", trials=before + 1, storage=storage, cells=folder / "cells", **SMALL
    )
    assert len(found.tried) == before + 1
    assert found.tried[0].preset == "defaults"


def _finished(storage: Path) -> int:
    try:
        study = optuna.load_study(study_name="net", storage=f"sqlite:///{storage}")
    except Exception:
        return 0
    return sum(t.state.is_finished() for t in study.trials)


def test_a_study_of_something_else_is_refused(folder: Path, report: TuneReport) -> None:
    assert report.storage.endswith("net.db")
    files = {"storage": folder / "net.db", "cells": folder / "cells"}
    with pytest.raises(OptionError, match=r"holds a search of net with another draws.*another"):
        hermesc.tune(folder / "net.py", **files, **(SMALL | {"draws": 3}))
    (folder / "bad.db").write_text("not a database")
    with pytest.raises(InputError, match=r"bad\.db: it is no SQLite database"):
        hermesc.tune(folder / "net.py", **(files | {"storage": folder / "bad.db"}), **SMALL)
    other = folder / "other.db"
    with closing(sqlite3.connect(other)) as file:
        file.execute("CREATE TABLE precious (x)")
    before = other.read_bytes()
    with pytest.raises(InputError, match="a database of something else, with precious"):
        hermesc.tune(folder / "net.py", **(files | {"storage": other}), **SMALL)
    assert other.read_bytes() == before


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"budget": "soon"}, "--budget soon: give the time"),
        ({"budget": 0}, "--budget 0: give the time"),
        ({"trials": 0}, "--trials 0: give 1 or more"),
        ({"draws": 0}, "--draws 0: give from 1"),
        ({"sampler": "tp"}, r"--sampler tp: there is none \(did you mean .tpe"),
        ({"pruning": "median"}, "--pruning median: there is none"),
        ({"methods": ["gpd"]}, r"--methods gpd: there is none \(did you mean .gdp"),
        ({"age": "old"}, "--age old: not a duration"),
        ({"output": "t.xlsx"}, r"the table is one of \.csv"),
    ],
)
def test_what_is_no_search_is_refused(said: dict[str, Any], message: str, tmp_path: Path) -> None:
    said = {"storage": tmp_path / "s.db", "cells": tmp_path / "cells"} | said
    with pytest.raises(OptionError, match=message):
        hermesc.tune(nn.Linear(3, 2), torch.randn(4, 3), **said)


def test_a_program_is_no_model_to_search_with(tmp_path: Path) -> None:
    program = hermesc.compile(nn.Linear(3, 2), torch.randn(4, 3), name="one")
    with pytest.raises(OptionError, match="one is a compiled program"):
        hermesc.tune(program, storage=tmp_path / "s.db", cells=tmp_path / "cells", **SMALL)


def test_without_labels_the_error_counts(tmp_path: Path) -> None:
    found = hermesc.tune(
        nn.Linear(3, 2), torch.randn(4, 3), name="one", trials=1, **SMALL,
        storage=tmp_path / "s.db", cells=tmp_path / "cells",
    )  # fmt: skip
    assert found.aims.names == ("error", "energy")
    assert repr(found) == "<TuneReport one, 1 point>"
