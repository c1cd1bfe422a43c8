"""hermesc study chip, end to end."""

import csv
import json
import math
from pathlib import Path

import pytest

from hermesc.studies.chip.ablation import CONVERTERS, EXPLAINED
from hermesc.studies.chip.plot import study_picture
from hermesc.studies.data.measurements import Cell, Scores
from hermesc.studies.statistics import compare

from ....command_line import exit_code

SHORT = ("--seeds", "1", "--jobs", "1")


def study(folder: Path, *words: object) -> int:
    return exit_code("study", "chip", "--data", folder, *words)


def test_the_study_tells_writes_and_draws(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, picture = tmp_path / "runs.csv", tmp_path / "study.svg"
    assert study(folder, *SHORT, "-o", runs, "--plot", picture) == 0
    text = capsys.readouterr().out
    assert "Runs         12 (12 cells, 1 seed)" in text
    assert "1 line of attention: see `hermesc study attention`" in text
    assert "correlation with the measured errors" in text
    assert "missed" in text
    assert "TDP as built" in text
    with runs.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 12
    assert float(lines[0]["error_measured"]) == 0.25
    assert 0 < float(lines[0]["error_predicted"]) < 1
    assert picture.read_text().startswith("<?xml")


def test_json_is_one_object_and_the_number_of_processes_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for jobs in (1, 2):
        assert study(folder, "--seeds", 1, "--jobs", jobs, "--datasets", "toy", "--json") == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["cells"] == found[1]["cells"]
    assert found[0]["seeds"] == [0]
    assert [g["dataset"] for g in found[0]["groups"]] == ["toy", "toy"]
    assert {g["name"].split(":")[0] for g in found[0]["goals"]} >= {"rbf", "arccos0"}
    assert len(found[0]["crossbar"]) == 2


def test_each_combination_of_whole_codes_is_told_by_data_set(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "each column's range, codes truncate, phases floor"
    some = (CONVERTERS[0], *(v for v in CONVERTERS if v.name == told))
    monkeypatch.setitem(EXPLAINED, "converters", some)
    words = (*SHORT, "--datasets", "toy", "--errors-only", "--explain", "converters")
    assert study(folder, *words) == 0
    text = capsys.readouterr().out
    assert text.count(told) == 2
    header = text.partition("Their deviations by data set")[2].splitlines()[1]
    assert header.split() == ["toy", "worst", "cell"]
    assert len({v.settings for v in CONVERTERS}) == len(CONVERTERS) == 20


def test_errors_alone_are_those_of_the_whole_study(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for words in ((), ("--errors-only",)):
        assert study(folder, *SHORT, "--datasets", "toy", "--json", *words) == 0
        found.append(json.loads(capsys.readouterr().out)["cells"])
    for whole, alone in zip(*found, strict=True):
        assert whole["predicted"]["mean"] == alone["predicted"]["mean"]
        assert not math.isnan(whole["drop_predicted"])
        assert alone["drop_predicted"] is None or math.isnan(alone["drop_predicted"])


def test_data_that_is_not_there_is_skipped_with_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ijcnn1.npz").unlink()
    assert study(folder, *SHORT) == 0
    assert (
        f"Skipped      ijcnn1: --data {folder}: there is no ijcnn1.npz" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--datasets", "letter"), "no such dataset; it has ijcnn1, toy"),
        (("--seeds", "3"), "the measurements have 2 seeds"),
        (("--seeds", "0"), "--seeds"),
        (("--explain", "weather"), "--explain"),
        (("--set", "partition.bias=none"), "partition.bias"),
        (("--set", "chip.adc.bits=3"), "the chip has no such key"),
        (("--chip", "mercury"), "there is no chip 'mercury'"),
        (("--plot", "study.gif"), ".svg, .png, .pdf"),
        (("-o", "nowhere/runs.csv"), "there is no folder nowhere"),
    ],
)
def test_a_wrong_option_is_told(
    folder: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(folder, *words) == 2
    assert message in capsys.readouterr().err


def test_the_measurements_are_not_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "chip_measurements.csv").read_bytes()
    assert study(folder, "-o", folder / "chip_measurements.csv") == 2
    assert "it is the measurements itself" in capsys.readouterr().err
    assert (folder / "chip_measurements.csv").read_bytes() == before


def test_no_data_at_all_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ijcnn1", "toy"):
        (folder / f"{name}.npz").unlink()
    assert study(folder) == 2
    assert "none of its measurements' data is there" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_picture_stands_missing_values_and_repeats(kind: str) -> None:
    full, empty = Scores(0.2, 0.3, 0.9, 0.9), Scores(*[math.nan] * 4)
    cells = [Cell("toy", kernel, "rff", ratio) for kernel in ("rbf", "arccos0") for ratio in (1, 2)]
    measured = {c: {0: full if c.kernel == "rbf" else empty, 1: full} for c in cells}
    found = compare({c: {0: full} for c in cells}, measured)
    assert study_picture(found, kind) == study_picture(found, kind)
