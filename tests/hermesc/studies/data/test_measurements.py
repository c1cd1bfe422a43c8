"""The file of measurements is read whole or refused with its line."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from hermesc.studies.data.measurements import Cell, Scores, read_measurements
from hermesrt.errors import InputError, OptionError

HEADER = "dataset,kernel,sampler,log2_ratio,seed,metric,fp_or_hw,value\n"
GOOD = "toy,rbf,rff,2,0,err,fp,0.1\n"


def test_values_are_gathered_by_cell_and_seed(folder: Path) -> None:
    found = read_measurements(folder)
    assert found.datasets == ("ijcnn1", "toy")
    assert found.left_out == 1
    assert len(found.scores) == 12
    seeds = found.scores[Cell("toy", "rbf", "orf", 2)]
    assert seeds[1] == Scores(pytest.approx(0.21), 0.26, 0.91, pytest.approx(0.81))


def test_a_value_that_is_not_there_is_nan(tmp_path: Path) -> None:
    (tmp_path / "chip_measurements.csv").write_text(HEADER + GOOD)
    scores = read_measurements(tmp_path).scores[Cell("toy", "rbf", "rff", 2)][0]
    assert scores.error_fp == 0.1
    assert math.isnan(scores.accuracy_chip)


def test_some_datasets_can_be_chosen(folder: Path) -> None:
    found = read_measurements(folder)
    assert found.of(["toy"]).datasets == ("toy",)
    with pytest.raises(OptionError, match="no such dataset; it has ijcnn1, toy"):
        found.of(["toys"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line is nothing"),
        ("dataset,kernel\n", "it must be dataset,kernel,sampler"),
        (HEADER, "no kernel-ridge measurement"),
        (HEADER + GOOD + "toy,rbf,rff,2,0,err\n", "line 3: it must hold 8 values"),
        (HEADER + "toy,rbf,rff,2,0,err,fp,0.1,0.2\n", "line 2: it must hold 8 values"),
        (HEADER + "toy,rbf2,rff,2,0,err,fp,0.1\n", "line 2: kernel is 'rbf2'"),
        (HEADER + "toy,rbf,fast,2,0,err,fp,0.1\n", "one of rff, orf, sorf"),
        (HEADER + "toy,rbf,rff,2,-1,err,fp,0.1\n", "seed is '-1'"),
        (HEADER + "toy,rbf,rff,99,0,err,fp,0.1\n", "log2_ratio is '99'"),
        (HEADER + "toy,rbf,rff,2,0,err,fp,nan\n", "value is 'nan'"),
        (HEADER + "../toy,rbf,rff,2,0,err,fp,0.1\n", "must be the name of an .npz file"),
        (HEADER + GOOD + GOOD, "line 3: this value was given before"),
    ],
)
def test_a_wrong_file_is_an_input_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "chip_measurements.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_measurements(tmp_path)


def test_a_missing_folder_or_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        read_measurements(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot read the file of measurements"):
        read_measurements(tmp_path)


def test_a_file_that_is_no_text_is_an_input_error(
    tmp_path: Path, write_measurements: Callable[..., None]
) -> None:
    (tmp_path / "chip_measurements.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_measurements(tmp_path)
