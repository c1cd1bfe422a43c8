"""Machines to compare with, and files that are wrong."""

from pathlib import Path

import pytest

import hermes_chip
from hermesrt.chip.machine import load_machines
from hermesrt.errors import ChipError, OptionError


def test_names_and_files_can_be_mixed(tmp_path: Path) -> None:
    text = hermes_chip.machines().read_text(encoding="utf-8").replace("[cpu", "[mine")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("[[cpu", "[[mine"), encoding="utf-8")
    assert [m.name for m in load_machines(f"cpu, {file}")] == ["cpu", "a100", "mine"]


def test_an_unknown_machine_is_named_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"no machine 'tpu'; there are a100, cpu"):
        load_machines("a100,tpu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tops = 624", "tops = -1", r"`rates\[0\]\.tops` is -1"),
        ("gbyte_s = 1555", "gbyte_s = 'fast'", r"`memory\.gbyte_s` must be a number"),
        ("launch_ns = 0", "launch_us = 0", r"`launch\.launch_us` is not a known key"),
        ('kind = "quoted"', 'kind = "heard"', r"kind` is 'heard'"),
        ('source = "NVIDIA A100 data sheet, 40 GB"\n', "", r"`memory\.source` is missing"),
        ("[a100]", "a100 = [", "not valid TOML"),
    ],
)
def test_a_wrong_file_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = hermes_chip.machines().read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "m.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ChipError, match=message):
        load_machines(str(file))


def test_a_missing_file_is_the_users_error() -> None:
    with pytest.raises(ChipError, match=r"cannot read the machines nowhere\.toml"):
        load_machines("nowhere.toml")
