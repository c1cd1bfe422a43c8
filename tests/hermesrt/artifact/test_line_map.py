"""What a program file says of its chip's defects is believed only where it is sound."""

import numpy as np
import pytest

from hermesrt.artifact.line_map import fault_of, known_of, lines_of

CORES, SHAPE = (2, 7), (4, 3)


def _tensors(**changes):
    made = {
        "rows": np.array([[3, 2, 1, 0], [0, 1, 2, 3]], np.int16),
        "columns": np.array([[0, 2, 1], [2, 1, 0]], np.int16),
        "stuck": np.array([[7, 1, 2, 3], [7, 0, 0, 0]], np.int32),
        "siemens": np.array([2e-6, 0.0], np.float32),
    }
    return {f"wiring:{n}": v for n, v in (made | changes).items() if v is not None}


def test_lines_and_devices_are_those_of_their_core():
    tensors = _tensors()
    assert fault_of(tensors, CORES, SHAPE) is None
    rows, columns = lines_of(tensors, CORES, 7)
    assert (rows.tolist(), columns.tolist()) == ([0, 1, 2, 3], [2, 1, 0])
    held = known_of(tensors, 7, SHAPE)
    assert held[1, 1, 1, 2] == np.float32(2e-6) and held[0, 0, 0, 0] == 0
    assert np.isnan(held).sum() == held.size - 2
    assert known_of(tensors, 2, SHAPE) is None


def test_a_program_without_a_map_has_no_lines():
    assert fault_of({}, CORES, SHAPE) is None
    assert lines_of({}, CORES, 2) is None and known_of({}, 2, SHAPE) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": None},
        {"siemens": None},
        {"rows": np.zeros((2, 4), np.int16)},
        {"rows": np.array([[3, 2, 1, 4], [0, 1, 2, 3]], np.int16)},
        {"rows": np.array([[0, 1, 2, 3]], np.int16)},
        {"rows": np.array([[0, 1, 2, 3]] * 2, np.int64)},
        {"columns": np.array([[0, -1, 2]] * 2, np.int16)},
        {"stuck": np.array([[3, 0, 0, 0]] * 2, np.int32)},
        {"stuck": np.array([[7, 4, 0, 0]] * 2, np.int32)},
        {"stuck": np.array([[7, 0, -1, 0]] * 2, np.int32)},
        {"stuck": np.array([[7, 0, 0, 4]] * 2, np.int32)},
        {"stuck": np.zeros((2, 3), np.int32)},
        {"stuck": np.zeros((1, 4), np.int32)},
        {"stuck": np.array([[7, 0, 0, 0]] * 2, np.float32)},
        {"siemens": np.array([-1e-6, 0.0], np.float32)},
        {"siemens": np.array([np.nan, 0.0], np.float32)},
        {"siemens": np.array([2.0, 0.0], np.float32)},
    ],
    ids=str,
)
def test_an_unsound_one_is_named(changes):
    assert "wiring" in fault_of(_tensors(**changes), CORES, SHAPE)
