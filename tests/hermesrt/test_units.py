"""Durations and numbers as a person writes and reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.errors import OptionError
from hermesrt.units import age_of, duration, parse_age, percent, si, to_ps


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("0", 0), ("0s", 0), ("60s", 60), ("15min", 900), ("15m", 900), ("1h", 3600),
     ("1d", 86400), ("1y", 31557600), ("1.5 h", 5400), (" 2D ", 172800), (".5s", 0.5),
     ("1e3", 1000), ("1e-3s", 0.001)],
)  # fmt: skip
def test_age_is_parsed(text, seconds):
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "-1h",
        "h",
        "1 week",
        "nan",
        "inf",
        "1e999",
        "1e",
        "1..2",
        "one",
        "1h 2m",
        "1.h.",
        "٣",
    ],
)
def test_what_is_no_age_is_refused_with_the_units(text):
    with pytest.raises(OptionError, match=r"not a duration since programming.*s, m, min, h, d, y"):
        parse_age(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.3e-6, "1.30 µs"), (0, "0 s"), (1.0, "1.00 s"), (999.6, "1.00 ks"), (-2e-9, "-2.00 ns"),
     (12.34e-12, "12.3 ps"), (123.4e-3, "123 ms"), (5e-16, "0.500 fs"), (0.99951, "1.00 s")],
)  # fmt: skip
def test_si_prefix(value, text):
    assert si(value, "s") == text


@given(st.floats(1e-14, 9e5), st.booleans())
def test_si_text_is_within_half_a_percent(value, negative):
    value = -value if negative else value
    number, unit = si(value, "s").split(" ")
    scale = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
    assert float(number) * scale[unit.removesuffix("s")] == pytest.approx(value, rel=5.1e-3)


def test_infinity_has_a_text():
    assert si(math.inf, "s") == "inf s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (900, "15 min"), (3600, "1 h"), (86400 * 30, "30 d")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@given(st.integers(0, 10**9))
def test_whole_picoseconds_are_exact(ps):
    assert to_ps(ps / 1000) == ps


def test_percent():
    assert percent(0.1234) == "12.3 %"


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    "age", [float("inf"), 1e300, float("nan"), -1.0, True, None, "soon", "inf"]
)
def test_an_age_that_is_none_is_refused(age: object) -> None:
    with pytest.raises(OptionError):
        age_of(age)  # type: ignore[arg-type]


def test_an_age_is_a_number_of_seconds_or_a_text() -> None:
    assert age_of("1d") == age_of(86400) == 86400.0
    assert age_of("300y") <= 1e10


def test_a_half_is_rounded_alike_in_every_unit():
    for tenths in range(4005, 9995, 10):
        assert si(tenths / 10 * 1e-12, "J") == si(tenths / 10_000 * 1e-9, "J")
