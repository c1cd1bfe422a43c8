"""Units: durations that a user types, and numbers as a person reads them."""

import math
import re

from hermesrt.errors import OptionError

_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "y": 365.25 * 86400.0}
_SCALES = ((1e-15, "f"), (1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"))
_MOST_SECONDS = 1e10
PS_PER_NS = 1000
_EXACT_DIGITS = 11


def parse_age(text: str) -> float:
    """Seconds of a duration such as `300`, `60s`, `15min`, `1h`, `1d`, `1y`.

    Raises: OptionError for anything else, and for a negative or infinite duration.
    """
    match = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?) *([a-z]*)", text.strip().lower())
    seconds = float(match[1]) * _SECONDS.get(match[2] or "s", math.nan) if match else math.nan
    if not seconds <= _MOST_SECONDS:
        raise OptionError(
            f"--age {text}: not a duration since programming; write a number of 0 or more with one "
            f"of the units {', '.join(_SECONDS)}, such as 0s, 15min, 1h or 1d, and not more than "
            "300y"
        )
    return seconds


def age_of(given: float | str) -> float:
    """Seconds since programming, from a number of seconds or a text such as `1d`.

    Raises: OptionError for what is no duration, negative, or more than 300 years.
    """
    if isinstance(given, str):
        return parse_age(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise OptionError(
            f"age_s is a {type(given).__name__}; give seconds since programming, or a text such as "
            '"1d"'
        )
    if not 0 <= given <= _MOST_SECONDS:
        raise OptionError(
            f"age {given:g}: must be 0 or more seconds since programming, and not more than "
            f"{_MOST_SECONDS:g} (300 years)"
        )
    return float(given)


def si(value: float, unit: str, digits: int = 3) -> str:
    """`value` (in `unit`) with an SI prefix: si(1.3e-6, "s") == "1.30 µs".

    A number reads the same whichever unit it was computed in.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    value = float(f"{value:.{_EXACT_DIGITS}e}")  # a last bit must not decide which way to round
    value = float(f"{value:.{digits - 1}e}")  # rounded first, so that 999.6 becomes 1.00 k
    scale, prefix = next(
        ((s, p) for s, p in reversed(_SCALES) if abs(value) >= s * (1 - 1e-9)), _SCALES[0]
    )
    scaled = value / scale
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(scaled)) + 1e-9))
    return f"{scaled:.{decimals}f} {prefix}{unit}"


def duration(seconds: float) -> str:
    """A device's age as a person says it: `0 s`, `15 min`, `1 h`, `30 d`, `1 y`."""
    years = seconds / _SECONDS["y"]
    if years >= 1 and years.is_integer():
        return f"{years:g} y"
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def to_ps(ns: float) -> int:
    """Integer picoseconds of a time in nanoseconds."""
    return round(ns * PS_PER_NS)


def plural(count: int, noun: str) -> str:
    """A count with its noun: plural(1, "tile") == "1 tile", plural(2, "tile") == "2 tiles"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float) -> str:
    """A share as a percentage: percent(0.1234) == "12.3 %"."""
    return f"{100 * share:.1f} %"
