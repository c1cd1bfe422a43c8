"""TOML that comes from anywhere ends in tables or in a ValueError."""

from pathlib import Path

import pytest

from hermesrt.chip.load import load_chip
from hermesrt.chip.machine import load_machines
from hermesrt.errors import InputError, OptionError
from hermesrt.files.toml import DEEPEST, LONGEST, parse_toml

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 100_000, "nested too deep; at most 32 levels"),
        ("a = " + "[" * 40 + "]" * 40, "nested too deep; at most 32 levels"),
        ("a" + ".a" * 100_000 + " = 1", "nested too deep; at most 32 levels"),
        ("[" + "'a b' . " * 40 + "a]", "nested too deep; at most 32 levels"),
        ("a = {" * 39 + "a = 1" + "}" * 39, "nested too deep; at most 32 levels"),
        ("a = " + "9" * 5000, "a number has too many digits"),
        ("#" * (LONGEST + 1), f"it has {LONGEST + 1} characters; at most {LONGEST} are read"),
        ("a = ", "Invalid value"),
    ],
)
def test_what_passes_a_limit_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_toml(text)


def test_what_keeps_the_limits_is_read() -> None:
    deep = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse_toml(f"a = {deep}")
    assert parse_toml("b = 'words. With. Many. Dots'\n[a.b.c]\nd = 1.5")["a"]["b"]["c"]["d"] == 1.5
    assert parse_toml("a = '" + "x" * (LONGEST - 10) + "'")
