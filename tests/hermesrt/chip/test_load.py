"""A chip is data with sources; anything odd in it is refused with file and key."""

import re
import shutil
import tomllib

import pytest

import hermes_chip
from hermesrt.chip.load import (
    chip_from_tables,
    chip_names,
    chip_tables,
    load_chip,
)
from hermesrt.errors import ChipError, OptionError


@pytest.fixture
def tables(chip):
    return chip_tables(chip)


def test_hermes_is_installed_and_has_its_published_numbers(chip):
    assert "hermes" in chip_names()
    assert (chip.cores, chip.crossbar.rows, chip.crossbar.columns) == (64, 256, 256)
    assert chip.input_levels == 127
    assert chip.output_levels == 127
    assert chip.line_siemens == pytest.approx(500e-6)
    assert chip.pcm is chip.pcm_tdp


def test_one_device_per_polarity_takes_its_statistics():
    chip = load_chip("hermes", [("unit_cell.devices_per_polarity", "1")])
    assert chip.pcm is chip.pcm_odp


def test_a_line_is_limited_by_the_current_at_the_read_voltage():
    assert load_chip("hermes").line_siemens == pytest.approx(100e-6 / 0.2)
    low = load_chip("hermes", [("adc.saturation_ampere", "50e-6")])
    assert low.line_siemens == pytest.approx(50e-6 / 0.2)


def test_every_table_of_the_chip_says_where_it_comes_from():
    for file in hermes_chip.chip().glob("*.toml"):
        for name, table in tomllib.loads(file.read_text()).items():
            if isinstance(table, dict):
                assert table["kind"] in ("quoted", "derived", "assumed"), name
                assert len(table["source"]) > 10, name


def test_tables_are_the_inverse_of_the_chip(chip, tables):
    assert chip_from_tables(tables, "again") == chip


def test_unknown_chip_lists_the_known_ones():
    with pytest.raises(
        ChipError, match=r"there is no chip 'ares': use one of hermes.*`hermesc chips`"
    ):
        load_chip("ares")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ChipError, match=r"cannot read the chip .*none.toml"):
        load_chip(str(tmp_path / "none.toml"))


def test_a_folder_without_toml_is_refused(tmp_path):
    with pytest.raises(ChipError, match=r"the folder holds no \.toml file"):
        load_chip(str(tmp_path))


def test_a_folder_of_toml_files_is_a_chip(tmp_path, chip):
    folder = shutil.copytree(hermes_chip.chip(), tmp_path / "mine")
    assert load_chip(str(folder)) == chip


def test_a_table_in_two_files_is_refused(tmp_path):
    folder = shutil.copytree(hermes_chip.chip(), tmp_path / "mine")
    (folder / "zz.toml").write_text("[grid]\nrows = 2\n")
    with pytest.raises(ChipError, match=r"zz.toml: `grid` is given twice"):
        load_chip(str(folder))


@pytest.mark.parametrize("text", ["grid = [", "a = 1\na = 2", "\x00"])
def test_bad_toml_is_refused(text, tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text(text)
    with pytest.raises(ChipError, match=r"chip.toml: not valid TOML"):
        load_chip(str(path))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "chip.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ChipError, match="not valid TOML"):
        load_chip(str(path))


def _edit(tables, key, value):
    name, _, field = key.partition(".")
    tables[name] = tables[name] | {field: value} if field else value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("grid.depth", 2, "`grid.depth` is not a known key; known are columns, pedigree, rows"),
        ("ports", {"kind": "assumed", "source": "x"}, "`ports` is not a known key"),
        ("grid.rows", 0, "`grid.rows` is 0; it must lie between 1 and 1024"),
        ("grid.rows", -8, "`grid.rows` is -8"),
        ("grid.rows", 8.0, "`grid.rows` must be a whole number, not 8.0"),
        ("grid.rows", "8", "`grid.rows` must be a number, not '8'"),
        ("grid.rows", True, "`grid.rows` must be a number, not True"),
        (
            "grid.kind",
            "guessed",
            "`grid.pedigree.kind`.* it must be one of quoted, derived, assumed",
        ),
        ("grid.kind", "", "`grid.kind` is missing"),
        ("grid.source", "", "`grid.source` is missing: say where the numbers come from"),
        ("grid.source", 3, "`grid.source` is missing"),
        ("adc.saturation_ampere", 100.0, "`adc.saturation_ampere` is 100.0; it must lie between"),
        ("adc.saturation_ampere", -1e-6, "`adc.saturation_ampere` is -1e-06"),
        ("adc.saturation_ampere", float("nan"), "`adc.saturation_ampere` is nan"),
        ("mvm_time.one_phase_ns", float("inf"), "`mvm_time.one_phase_ns` is inf"),
        ("ldpu_code.rounding", "up", "`ldpu_code.rounding` is 'up'; it must be one of truncate"),
        (
            "unit_cell.devices_per_polarity",
            3,
            "`unit_cell.devices_per_polarity` is 3; it must lie between 1 and 2",
        ),
        ("pcm_tdp.drift_mean", 3, "`pcm_tdp.drift_mean` must be a table, not 3"),
        (
            "pcm_tdp.programming",
            3,
            "`pcm_tdp.programming.type` must be one of polynomial, counts",
        ),
        (
            "pcm_tdp.programming",
            {"type": "polynomial", "microsiemens": 3},
            "`pcm_tdp.programming.microsiemens` must be a list, not 3",
        ),
        (
            "pcm_like.read_noise",
            {"type": "spline"},
            "`pcm_like.read_noise.type` must be one of curve, power",
        ),
        (
            "statistics.model",
            "guess",
            "`statistics.model` is 'guess'; it must be one of hermes, hermes-msf, pcm-like",
        ),
        ("effects.drift", "yes", "`effects.drift` must be a bool, not 'yes'"),
        (
            "verify_count.count_siemens",
            0.0,
            "`verify_count.count_siemens` is 0.0; it must lie between",
        ),
        ("name", 3, "`name` must be a str"),
        ("grid", 3, "`grid` must be a table"),
    ],
)
def test_wrong_entry_is_refused_with_its_key(key, value, message, tables):
    _edit(tables, key, value)
    with pytest.raises(ChipError, match=f"chip mine: {message}"):
        chip_from_tables(tables, "mine")


@pytest.mark.parametrize("key", ["grid", "grid.rows", "name", "pcm_odp.t0_seconds", "grid.source"])
def test_missing_entry_is_refused_with_its_key(key, tables):
    name, _, field = key.partition(".")
    if field:
        tables[name] = {k: v for k, v in tables[name].items() if k != field}
    else:
        del tables[name]
    with pytest.raises(ChipError, match=f"chip mine: `{key}` is missing"):
        chip_from_tables(tables, "mine")


@pytest.mark.parametrize("name", ["pcm_odp", "pcm_tdp", "pcm_like", "pcm_count"])
def test_a_curve_whose_low_is_above_its_high_is_refused(tables, name):
    tables[name] = tables[name] | {
        "drift_mean": tables[name]["drift_mean"] | {"low": 0.5, "high": 0.1}
    }
    with pytest.raises(ChipError, match=rf"`{name}.drift_mean.low` is above `high`"):
        chip_from_tables(tables, "mine")


def test_a_file_may_start_from_another_chip(tmp_path, chip):
    path = tmp_path / "big.toml"
    path.write_text(
        'base = "hermes"\nname = "big"\n[grid]\nkind = "assumed"\nsource = "a larger one"\n'
        "rows = 16\ncolumns = 4\n"
    )
    big = load_chip(str(path))
    assert (big.name, big.grid.rows, big.grid.columns, big.cores) == ("big", 16, 4, 64)
    assert big.grid.pedigree.kind == "assumed"
    assert big.adc == chip.adc


def test_a_table_of_a_file_with_a_base_must_be_whole(tmp_path):
    path = tmp_path / "big.toml"
    path.write_text('base = "hermes"\n[grid]\nkind = "assumed"\nsource = "x"\nrows = 16\n')
    with pytest.raises(ChipError, match=r"`grid.columns` is missing"):
        load_chip(str(path))


@pytest.mark.parametrize("base", ['"ares"', "3", '["hermes"]'])
def test_unknown_base_is_refused(base, tmp_path):
    path = tmp_path / "big.toml"
    path.write_text(f"base = {base}\n")
    with pytest.raises(ChipError, match=r"`base` is .*; it must be one of hermes"):
        load_chip(str(path))


def test_an_override_changes_the_number_and_marks_its_table_as_assumed(chip):
    made = load_chip("hermes", [("adc.saturation_ampere", "5e-5")])
    assert made.adc.saturation_ampere == 5e-5
    assert made.adc.pedigree.kind == "assumed"
    assert made.adc.pedigree.note == "chip.adc.saturation_ampere was 0.0001"
    assert made.grid == chip.grid


def test_two_overrides_of_one_table_are_both_noted():
    made = load_chip("hermes", [("grid.rows", "2"), ("grid.columns", "4")])
    assert (made.grid.rows, made.grid.columns) == (2, 4)
    assert "chip.grid.rows was 8" in made.grid.pedigree.note
    assert "chip.grid.columns was 8" in made.grid.pedigree.note


def test_a_word_is_overridden_without_quotes():
    assert load_chip("hermes", [("ldpu_code.rounding", "nearest")]).ldpu_code.rounding == "nearest"


@pytest.mark.parametrize("key", ["grid.depth", "grid", "nothing.rows", "grid.source", "name", ""])
def test_override_of_an_unknown_key_lists_the_known_ones(key):
    with pytest.raises(OptionError, match=r"has no such key.*; it has .*adc.counter_bits"):
        load_chip("hermes", [(key, "1")])


@pytest.mark.parametrize(
    ("key", "text", "error", "message"),
    [
        ("grid.rows", "many", OptionError, "write a value such as 8"),
        ("grid.rows", "", OptionError, "write a value such as 8"),
        ("grid.rows", "2\nx = 3", OptionError, "write a value such as 8"),
        ("grid.rows", "1.5", ChipError, "`grid.rows` must be a whole number"),
        ("grid.rows", "-1", ChipError, "`grid.rows` is -1; it must lie between 1 and 1024"),
        ("adc.read_voltage", "nan", ChipError, "`adc.read_voltage` is nan"),
        ("pcm_tdp.drift_mean", "3", OptionError, "a whole table"),
        ("ldpu_code.rounding", "up", ChipError, "must be one of truncate, nearest"),
    ],
)
def test_bad_value_of_an_override_is_refused(key, text, error, message):
    with pytest.raises(error, match=message):
        load_chip("hermes", [(key, text)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            [("programming_pulses.pulse_high_ampere", "125e-6")],
            "`programming_pulses.pulse_low_ampere` must be below `pulse_high_ampere`",
        ),
        (
            [("pcm_tdp.read_seconds", "1.0"), ("pcm_tdp.t0_seconds", "0.5")],
            "`pcm_tdp.read_seconds` must be below `t0_seconds`",
        ),
    ],
)
def test_numbers_that_only_fit_together_are_checked_together(
    settings: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ChipError, match=re.escape(message)):
        load_chip("hermes", settings)
