"""TOML that comes from anywhere ends in tables or in a ValueError."""

from pathlib import Path

import pytest

from hermesrt.chip.load import load_chip
from hermesrt.chip.machine import load_machines
from hermesrt.errors import InputError, OptionError
from hermesrt.files.toml import parse_toml

HOSTILE = {
    "lists in lists": "x = " + "[" * 100_000,
    "tables in tables": "x = " + "{a=" * 100_000,
    "thousands of digits": "x = " + "9" * 5_000,
    "thousands of hexadecimal digits": "x = 0x" + "f" * 5_000,
    "such a number inside": "x = [{a = [0x" + "f" * 5_000 + "]}]",
    "no value": "x =",
}


def test_tables_come_back() -> None:
    assert parse_toml("[a]\nb = [1, 2]") == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"nested too deep|digits|Invalid value"):
        parse_toml(HOSTILE[name])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_chip_machine_and_setting_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.toml"
    path.write_text(HOSTILE[name])
    with pytest.raises(InputError, match="not valid TOML"):
        load_chip(str(path))
    with pytest.raises(InputError, match="not valid TOML"):
        load_machines(str(path))
    with pytest.raises(OptionError, match="write a value such as"):
        load_chip("hermes", [("adc.saturation_ampere", HOSTILE[name].removeprefix("x = "))])
