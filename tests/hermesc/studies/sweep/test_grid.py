"""Points of a sweep: every combination, a list, or draws; anything else is one clear sentence."""

import re
from pathlib import Path
from typing import Any

import pytest

from hermesc.studies.sweep.grid import Value, read_grid
from hermesrt.errors import InputError


def values(tables: dict[str, Any]) -> list[dict[str, Value]]:
    points = read_grid(tables)
    assert [p.number for p in points] == list(range(len(points)))
    return [dict(p.values) for p in points]


def test_a_grid_has_every_combination_the_last_name_fastest() -> None:
    found = values({"vary": {"mode": ["1-phase", "4-phase"], "seed": [0, 1, 2]}})
    assert len(found) == 6
    assert found[1] == {"mode": "1-phase", "seed": 1}


def test_names_may_be_tables_as_toml_makes_of_dots(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    path.write_text('[vary]\nchip.adc.counter_bits = [6]\n"place.objective" = ["cores"]\n')
    assert dict(read_grid(path)[0].values) == {
        "chip.adc.counter_bits": 6, "place.objective": "cores",
    }  # fmt: skip


def test_a_list_takes_each_point_with_what_is_fixed() -> None:
    tables = {"point": [{"seed": 1}, {"seed": 2, "age": "1d"}], "fixed": {"age": "1h"}}
    assert values(tables) == [{"age": "1h", "seed": 1}, {"age": "1d", "seed": 2}]


def test_random_draws_repeat_by_their_seed_and_stay_in_their_ranges() -> None:
    tables = {
        "kind": "random", "points": 50, "seed": 3,
        "vary": {
            "seed": {"low": 5, "high": 9},
            "chip.adc.read_voltage": {"low": 0.1, "high": 1.0, "log": True},
            "mode": ["1-phase", "4-phase"],
        },
    }  # fmt: skip
    found = values(tables)
    assert found == values(tables)
    assert found != values(tables | {"seed": 4})
    assert {v["seed"] for v in found} == {5, 6, 7, 8, 9}
    assert all(0.1 <= float(v["chip.adc.read_voltage"]) <= 1.0 for v in found)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"varies": {}}, '`varies` is not a known key (did you mean "vary"?)'),
        ({"kind": "walk"}, "`kind` is 'walk'; it must be one of grid, list, random"),
        ({}, "it holds no point"),
        ({"vary": {"seed": []}}, "`vary.seed` must be a list of values"),
        ({"vary": {"seed": 3}}, "`vary.seed` must be a list of values, not 3"),
        ({"vary": {"seed": [[1]]}}, "[1] is no text, number"),
        ({"vary": {"seed": {"low": 1, "high": 2}}}, "`vary.seed` is a range: of a grid"),
        ({"vary": 3}, "`vary` must be a table"),
        ({"kind": "random", "vary": {"seed": {"low": 2, "high": 1}}}, "a range is { low = 1"),
        ({"kind": "random", "vary": {"x": {"low": 0, "high": 1, "log": True}}}, "above 0"),
        ({"kind": "random", "points": -1, "vary": {"seed": [1]}}, "`points` must be a whole"),
        ({"point": {"seed": 1}}, "`point` must be tables: [[point]]"),
        ({"vary": {f"k{i}": list(range(10)) for i in range(6)}}, "more than 100,000 points"),
    ],
)
def test_what_makes_no_points_is_refused(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_grid(tables)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    path.write_text("[vary")
    with pytest.raises(InputError, match=r"g\.toml: not valid TOML"):
        read_grid(path)
