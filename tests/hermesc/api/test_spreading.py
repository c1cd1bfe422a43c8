"""Several chips of a program: each is the chip of its seed, and their interval holds others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import OptionError
from hermesrt.program import Program
from hermesrt.spread import spread_of
from hermesrt.spread_report import SpreadReport

AGES = ("0s", "1d")


@pytest.fixture(scope="module")
def program(chip_with: Callable[..., ChipSpec]) -> Program:
    """A classifier of 24 numbers on one small core; labels are what FP32 says of noisy inputs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    x = torch.randn(400, 24)
    labels = model(x + 0.3 * torch.randn_like(x)).argmax(1)
    spec = chip_with(grid_rows=1, grid_columns=1, crossbar_rows=48, crossbar_columns=24)
    return hermesc.compile(model, x, chip=spec, labels=labels, name="small")


@pytest.fixture(scope="module")
def report(program: Program) -> SpreadReport:
    return hermesc.spread(program, draws=3, ages=AGES, seed=5)


def test_each_chip_is_that_of_its_seed_programmed_once_and_read_at_each_age(
    program: Program, report: SpreadReport
) -> None:
    assert report.seeds == (5, 6, 7)
    for chip in report.runs:
        for run in chip:
            alone = hermesc.run(program, seed=run.seed, age_s=run.age_s).report
            assert run.to_json() == alone.to_json()


def test_a_reports_rows_are_a_tidy_table(report: SpreadReport) -> None:
    rows = report.rows()
    assert [(r["seed"], r["age_s"]) for r in rows[:3]] == [(5, 0.0), (5, 86400.0), (6, 0.0)]
    lines = report.to_csv().splitlines()
    assert lines[0] == "seed,age_s,accuracy,output_0_relative_error"
    assert len(lines) == 1 + 3 * 2


def test_the_table_tells_the_chips_spread_apart_from_the_test_sets(report: SpreadReport) -> None:
    young, old = report.ages
    assert young.accuracy is not None
    assert young.test_set is not None
    assert young.test_set[0] < young.accuracy.mean < young.test_set[1]
    assert old.outputs["output_0"].mean > young.outputs["output_0"].mean
    text = str(report)
    assert "3 chips, seeds 5 to 7" in text
    assert "95 % of chips" in text
    assert "test set alone" in text
    found = report.to_json()["ages"][0]["accuracy"]
    assert set(found) >= {"mean", "deviation", "interval", "worst", "test_set_interval"}
    assert repr(report) == "<SpreadReport small, 3 chips at 2 ages>"


def test_layers_have_an_error_each_and_the_last_has_that_of_the_output(
    report: SpreadReport,
) -> None:
    young, old = report.ages
    assert list(young.layers) == ["0", "2"]
    assert young.layers["2"].mean == pytest.approx(young.outputs["output_0"].mean, rel=0.05)
    assert all(old.layers[name].mean > young.layers[name].mean for name in young.layers)
    assert "Relative error of layers" in str(report)
    found = report.to_json()["ages"][0]["layers"]["0"]["relative_error"]
    assert found["mean"] == young.layers["0"].mean


def test_slices_of_a_layer_are_compared_by_their_sum() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 12)
    program = hermesc.compile(nn.Linear(12, 6), x, options={"tile.slices": 3}, name="net")
    (found,) = hermesc.spread(program, draws=2).ages
    (layer,) = found.layers.values()
    assert layer.mean == pytest.approx(found.outputs["output_0"].mean, rel=1e-6)


def test_without_labels_there_are_errors_alone(program: Program) -> None:
    unlabelled = hermesc.compile(nn.Linear(6, 4), torch.randn(8, 6), name="net")
    found = hermesc.spread(unlabelled, draws=2)
    assert found.ages[0].accuracy is None
    assert "Accuracy" not in str(found)


def test_the_interval_of_twenty_chips_holds_95_per_cent_of_fresh_ones(program: Program) -> None:
    """Of the 240 chips each group of 20 tells an interval; the others are fresh."""
    found = hermesc.spread(program, draws=240, ages="1h")
    errors = np.array([chip[0].outputs["output_0"].relative_error for chip in found.runs])
    accuracies = np.array([chip[0].accuracy for chip in found.runs])
    for values in (errors, accuracies):
        held = []
        for start in range(0, 240, 20):
            group = values[start : start + 20]
            low, high = spread_of(list(group), range(20), worst="least").interval
            others = np.delete(values, np.s_[start : start + 20])
            held.append(((others >= low) & (others <= high)).mean())
        assert 0.93 <= np.mean(held) <= 0.97


def test_a_table_and_a_picture_are_written(program: Program, tmp_path: Path) -> None:
    for suffix in (".svg", ".png"):
        plot = tmp_path / f"p{suffix}"
        hermesc.spread(program, draws=2, ages="0,1d", csv=tmp_path / "t.csv", plot=plot)
        assert plot.stat().st_size > 1000
    assert (tmp_path / "t.csv").read_text().count("\n") == 5
    first = (tmp_path / "p.svg").read_bytes()
    hermesc.spread(program, draws=2, ages="0,1d", plot=tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_bytes() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "--draws 0: give from 1"),
        ({"ages": ()}, "--ages: give at least one age"),
        ({"ages": "1h,soon"}, "soon"),
        ({"ages": ["inf"]}, "inf"),
        ({"ages": [float("inf")]}, "age inf: must be"),
        ({"ages": [1e300]}, "age 1e\\+300: must be"),
        ({"plot": "p.gif"}, "the picture is one of .svg, .png, .pdf"),
    ],
)
def test_what_makes_no_spread_is_refused(
    program: Program, options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        hermesc.spread(program, **options)  # type: ignore[arg-type]
