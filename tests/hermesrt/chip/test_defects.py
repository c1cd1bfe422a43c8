"""Defect maps: files, what they say, and which are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hermesrt.chip.defect_files import read_defects, write_defects
from hermesrt.chip.defects import DefectMap, check_defects, random_defects, usable_arrays
from hermesrt.errors import ChipError, InputError

HEAD = 'chip = "hermes"\ncores = 64\nrows = 256\ncolumns = 256\n'
FILE = (
    HEAD
    + """
dead_cores = [3]

[[core]]
number = 5
dead_rows = [0, 17]
dead_columns = [255]
stuck = [
  { row = 3, column = 7, polarity = "+", state = "set" },
  { row = 3, column = 8, polarity = "-", device = 1, siemens = 1.2e-5 },
  { row = 4, column = 8, polarity = "-", state = "reset" },
]
"""
)


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return path


def _map(**fields) -> DefectMap:
    arrays = {
        name: np.array(values, dtype=np.float32 if name == "siemens" else np.int32)
        for name, values in fields.items()
    }
    return DefectMap("hermes", 64, 256, 256, **arrays)


def _arrays(path: Path, **changes) -> Path:
    fields = {
        "chip": np.array("hermes"),
        "size": np.array([64, 256, 256]),
        "stuck": np.array([[0, 1, 2, 3]]),
        "siemens": np.array([1e-6]),
    }
    np.savez(path, **{k: v for k, v in (fields | changes).items() if v is not None})
    return path


def test_a_toml_map_says_what_each_device_holds(tmp_path, chip):
    defects = read_defects(_written(tmp_path, FILE), chip)
    held = defects.held(5)
    set_siemens = np.float32(chip.set_statistics.set_median_siemens)
    assert held[:, 0, 3, 7].tolist() == [set_siemens, set_siemens]
    assert np.isnan(held[:, 1, 3, 7]).all()
    assert np.isnan(held[0, 1, 3, 8]) and held[1, 1, 3, 8] == np.float32(1.2e-5)
    assert held[:, 1, 4, 8].tolist() == [0.0, 0.0]


def test_dead_lines_and_cores_hold_nothing(tmp_path, chip):
    defects = read_defects(_written(tmp_path, FILE), chip)
    held = defects.held(5)
    assert (held[:, :, [0, 17]] == 0).all() and (held[..., 255] == 0).all()
    assert (defects.held(3) == 0).all()
    assert defects.held(0) is None
    assert defects.excluded == {3}


@pytest.mark.parametrize("suffix", [".toml", ".npz"])
def test_a_map_reads_back_as_it_was_written(tmp_path, chip, suffix):
    some = random_defects(chip, 0.0005, 3)
    some = replace(
        some,
        dead_cores=np.array([1, 9], dtype=np.int32),
        dead_rows=np.array([[2, 5], [4, 0]], dtype=np.int32),
        dead_columns=np.array([[2, 9]], dtype=np.int32),
    )
    checked = check_defects(some, chip, "made")
    path = tmp_path / f"map{suffix}"
    write_defects(checked, path)
    back = read_defects(path, chip)
    for name in ("dead_cores", "dead_rows", "dead_columns", "stuck", "siemens"):
        assert np.array_equal(getattr(back, name), getattr(checked, name)), name


def test_a_map_too_large_for_toml_is_refused_before_it_is_written(tmp_path, chip):
    with pytest.raises(ChipError, match=r"as TOML; at most \d+ are read; write it to a .npz file"):
        write_defects(random_defects(chip, 0.08, 0), tmp_path / "map.toml")
    assert not list(tmp_path.iterdir())


def test_a_random_map_has_about_the_share_asked_for_and_repeats(chip):
    one, two = random_defects(chip, 0.05, 1), random_defects(chip, 0.05, 1)
    cells = 64 * 256 * 256
    assert np.array_equal(one.stuck, two.stuck)
    assert abs(one.stuck_cells / cells - 0.05) < 1e-3
    assert abs((one.siemens > 0).mean() - 0.5) < 1e-2
    assert not np.array_equal(one.stuck, random_defects(chip, 0.05, 2).stuck)


def test_a_random_map_of_share_zero_is_empty_and_of_one_has_every_cell(chip):
    assert random_defects(chip, 0.0, 0).stuck_cells == 0
    low = replace(chip, grid=replace(chip.grid, rows=1, columns=1))
    assert random_defects(low, 1.0, 0).stuck_cells == 256 * 256


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_zero_to_one_is_refused(chip, share):
    with pytest.raises(ChipError, match="from 0 to 1"):
        random_defects(chip, share, 0)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"dead_cores": [64]}, "core 64; it is from 0 to 63"),
        ({"dead_cores": [-1]}, "core -1"),
        ({"dead_rows": [[0, 256]]}, "row 256; it is from 0 to 255"),
        ({"dead_columns": [[0, 300]]}, "column 300"),
        ({"stuck": [[0, 0, 0, 4]], "siemens": [0.0]}, "device 4"),
        ({"stuck": [[0, 0, 0, 0]], "siemens": [-1e-6]}, "siemens"),
        ({"stuck": [[0, 0, 0, 0]], "siemens": [1.0]}, "siemens"),
        ({"stuck": [[0, 0, 0, 0]], "siemens": [np.nan]}, "siemens"),
        ({"stuck": [[0, 1, 2, 0]] * 2, "siemens": [0.0, 1e-6]}, "stuck at two conductances"),
    ],
)
def test_what_lies_outside_or_contradicts_itself_is_refused(chip, fields, text):
    with pytest.raises(ChipError, match=text):
        check_defects(_map(**fields), chip, "map")


@pytest.mark.parametrize(
    "other", [{"chip": "mesh2d"}, {"rows": 128}, {"columns": 512}, {"cores": 63}]
)
def test_a_map_of_another_chip_or_size_is_refused(chip, other):
    with pytest.raises(ChipError, match="this is 'hermes' with 64 cores of 256x256"):
        check_defects(replace(_map(), **other), chip, "map")


def test_a_map_of_several_chips_fits(chip):
    assert check_defects(replace(_map(), cores=128), chip, "map").cores == 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chip = ", "not a TOML file"),
        ('chip = "hermes"', "`cores` is missing"),
        (HEAD + "dead_core = [1]", "not a known key"),
        (HEAD + "[[core]]\nnumber = 1\n[[core]]\nnumber = 1", "two .*core.* tables of number 1"),
        (HEAD + "dead_cores = [99999999999]", "too large"),
        (
            HEAD + '[[core]]\nnumber=1\nstuck=[{row=0, column=0, polarity="+"}]',
            "either `state` .* or `siemens`",
        ),
        (
            HEAD + '[[core]]\nnumber=1\nstuck=[{row=0, column=0, polarity="+", state="set", '
            "siemens=0.0}]",
            "either `state` .* or `siemens`",
        ),
        (
            HEAD + '[[core]]\nnumber=1\nstuck=[{row=0,column=0,polarity="+",device=2,state="set"}]',
            "device 2; it is 0 or 1",
        ),
        (
            HEAD + '[[core]]\nnumber=1\nstuck=[{row=0, column=0, polarity="0", state="set"}]',
            "must be one of",
        ),
    ],
)
def test_a_toml_file_that_is_wrong_says_where(tmp_path, chip, text, message):
    path = _written(tmp_path, text)
    with pytest.raises(ChipError, match=message) as raised:
        read_defects(path, chip)
    assert str(path) in str(raised.value)


def test_a_map_that_is_not_utf8_is_refused(tmp_path, chip):
    path = tmp_path / "map.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ChipError, match="not a TOML file"):
        read_defects(path, chip)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chip": None}, "`chip`"),
        ({"chip": np.array([1])}, "`chip`"),
        ({"size": np.array([64, 256])}, "`size`"),
        ({"size": np.array([64.0, 256.0, 256.0])}, "`size`"),
        ({"stuck": np.zeros((1, 3), int)}, r"`stuck` must be numbers \[n, 4\]"),
        ({"stuck": np.zeros((1, 4))}, "`stuck`"),
        ({"stuck": np.full((1, 4), 2**40)}, "too large"),
        ({"siemens": np.zeros(2)}, "lists 1 devices and `siemens` has 2"),
        ({"siemens": None}, "lists 1 devices and `siemens` has 0"),
        ({"other": np.zeros(2)}, "array 'other'"),
    ],
)
def test_arrays_of_another_shape_or_name_are_refused(tmp_path, chip, changes, message):
    with pytest.raises(ChipError, match=message):
        read_defects(_arrays(tmp_path / "map.npz", **changes), chip)


def test_pickled_objects_are_not_loaded(tmp_path, chip):
    path = tmp_path / "map.npz"
    np.savez(path, chip=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"not a readable \.npz"):
        read_defects(path, chip)


@pytest.mark.parametrize("name", ["map.json", "map"])
def test_another_suffix_is_refused(tmp_path, chip, name):
    (tmp_path / name).write_text("")
    with pytest.raises(ChipError, match=r"a \.toml or \.npz file"):
        read_defects(tmp_path / name, chip)
    with pytest.raises(ChipError, match=r"a \.toml or \.npz file"):
        write_defects(_map(), tmp_path / name)


def test_cores_with_dead_lines_are_tried_without_first_then_with_smaller_arrays(chip):
    defects = _map(dead_cores=[7], dead_rows=[[1, 0], [1, 1], [2, 0]], dead_columns=[[2, 5]])
    ways = [(r.crossbar.rows, r.crossbar.columns, c) for r, c in usable_arrays(chip, defects)]
    assert ways == [
        (256, 256, frozenset({1, 2, 7})),
        (255, 255, frozenset({1, 7})),
        (254, 255, frozenset({7})),
    ]


def test_without_a_map_there_is_one_way(chip):
    assert list(usable_arrays(chip, None)) == [(chip, frozenset())]
