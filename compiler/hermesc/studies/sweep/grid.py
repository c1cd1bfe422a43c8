"""The points of a sweep, from a TOML file: a grid, a list, or random draws.

kind = "grid"                          # every combination; "random": so many `points` by `seed`
[vary]
"chip.adc.counter_bits" = [6, 8, 12]   # the names are those of --set
mode = ["1-phase", "4-phase"]          # and chip, method, mode, age and seed
seed = { low = 0, high = 99 }          # a range, for random draws; `log = true` too
[fixed]
age = "1d"

kind = "list"
[[point]]
mode = "1-phase"
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermesrt.errors import InputError
from hermesrt.files.atomic import read_file
from hermesrt.files.toml import parse_toml
from hermesrt.nearest import did_you_mean

Value = str | int | float | bool
KINDS = ("grid", "list", "random")
MOST_POINTS = 100_000
_KEYS = ("kind", "points", "seed", "vary", "fixed", "point")
_RANGE = ("low", "high", "log")


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of everything that varies.

    number: its place in the sweep.
    values: by name, as the file has them.
    """

    number: int
    values: tuple[tuple[str, Value], ...]


def read_grid(given: str | Path | Mapping[str, Any]) -> tuple[Point, ...]:
    """The points of a file, or of tables in hand.

    Raises: InputError that names the key.
    """
    if isinstance(given, Mapping):
        return _points(given, "grid")
    path = Path(given)
    try:
        tables = parse_toml(read_file(path, "grid").decode("utf-8"))
    except ValueError as error:
        raise InputError(f"--grid {path}: not valid TOML: {error}") from None
    return _points(tables, f"--grid {path}")


def _points(tables: Mapping[str, Any], where: str) -> tuple[Point, ...]:
    for key in tables:
        if key not in _KEYS:
            raise InputError(
                f"{where}: `{key}` is not a known key{did_you_mean(key, _KEYS)}; known are "
                f"{', '.join(_KEYS)}"
            )
    kind = tables.get("kind", "list" if "point" in tables else "grid")
    if kind not in KINDS:
        raise InputError(f"{where}: `kind` is {kind!r}; it must be one of {', '.join(KINDS)}")
    fixed = dict(_values(tables.get("fixed", {}), f"{where}: `fixed`"))
    made = {"grid": _grid, "list": _listed, "random": _random}[kind](tables, where)
    found: list[Point] = []
    for values in itertools.islice(made, MOST_POINTS + 1):
        found.append(Point(len(found), tuple((fixed | dict(values)).items())))
    if not found:
        raise InputError(f"{where}: it holds no point; give [vary], or [[point]] of a list")
    if len(found) > MOST_POINTS:
        raise InputError(f'{where}: more than {MOST_POINTS:,} points; draw some: kind = "random"')
    return tuple(found)


def _grid(tables: Mapping[str, Any], where: str) -> Iterator[list[tuple[str, Value]]]:
    axes = _axes(tables, where)
    for name, choices in axes.items():
        if isinstance(choices, Mapping):
            raise InputError(f"{where}: `vary.{name}` is a range: of a grid, give a list of values")
    names = list(axes)
    for values in itertools.product(*axes.values()) if axes else ():
        yield list(zip(names, values, strict=True))


def _listed(tables: Mapping[str, Any], where: str) -> Iterator[list[tuple[str, Value]]]:
    points = tables.get("point", [])
    if not isinstance(points, list) or not all(isinstance(p, Mapping) for p in points):
        raise InputError(f"{where}: `point` must be tables: [[point]]")
    for index, values in enumerate(points):
        yield list(_values(values, f"{where}: `point[{index}]`"))


def _random(tables: Mapping[str, Any], where: str) -> Iterator[list[tuple[str, Value]]]:
    points, seed = (_whole(tables.get(k, d), where, k) for k, d in (("points", 100), ("seed", 0)))
    axes = _axes(tables, where)
    draw = random.Random(seed)
    for _ in range(points if axes else 0):
        yield [(name, _drawn(choices, draw)) for name, choices in axes.items()]


def _drawn(choices: Any, draw: random.Random) -> Value:
    if not isinstance(choices, Mapping):
        found: Value = draw.choice(choices)
        return found
    low, high = choices["low"], choices["high"]
    if choices.get("log", False):
        value = math.exp(draw.uniform(math.log(low), math.log(high)))
    elif isinstance(low, int) and isinstance(high, int):
        return draw.randint(low, high)
    else:
        value = draw.uniform(low, high)
    return round(value) if isinstance(low, int) and isinstance(high, int) else value


def _axes(tables: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What varies: a list of values or a range, by dotted name."""
    found = dict(_flat(tables.get("vary", {}), f"{where}: `vary`"))
    for name, choices in found.items():
        place = f"{where}: `vary.{name}`"
        if isinstance(choices, Mapping):
            _check_range(choices, place)
        elif not isinstance(choices, list) or not choices:
            raise InputError(f"{place} must be a list of values, not {choices!r:.60}")
        else:
            for value in choices:
                _check_value(value, place)
    return found


def _check_range(given: Mapping[str, Any], place: str) -> None:
    ends = [given.get(key) for key in ("low", "high")]
    numbers = [e for e in ends if isinstance(e, int | float) and not isinstance(e, bool)]
    logarithmic = given.get("log", False)
    sound = len(numbers) == 2 and all(map(math.isfinite, numbers)) and numbers[0] <= numbers[1]
    if not sound or not isinstance(logarithmic, bool) or (logarithmic and numbers[0] <= 0):
        raise InputError(
            f"{place} is {dict(given)!r:.80}; a range is {{ low = 1, high = 8 }}, with log = true "
            "above 0"
        )


def _flat(given: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Values by their dotted names; TOML makes tables of keys with dots that are not quoted."""
    if not isinstance(given, Mapping):
        raise InputError(f"{where} must be a table, not {given!r:.60}")
    for key, value in given.items():
        if isinstance(value, Mapping) and not set(value) <= set(_RANGE):
            yield from ((f"{key}.{name}", one) for name, one in _flat(value, where))
        else:
            yield key, value


def _values(given: Any, where: str) -> Iterator[tuple[str, Value]]:
    for name, value in _flat(given, where):
        _check_value(value, f"{where}, {name}")
        yield name, value


def _check_value(value: Any, place: str) -> None:
    if not isinstance(value, str | int | float):
        raise InputError(f"{place}: {value!r:.60} is no text, number, true or false")


def _whole(value: Any, where: str, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InputError(f"{where}: `{key}` must be a whole number of 0 or more, not {value!r:.60}")
    return value
