"""The largest arrays on which a model still fits."""

import numpy as np
import pytest

from hermesc.placement.around_defects import around_defects
from hermesrt.chip.defects import DefectMap
from hermesrt.errors import CapacityError

# core 0 is dead, core 1 lacks two rows, core 2 a column
DEFECTS = DefectMap(
    "hermes",
    64,
    256,
    256,
    dead_cores=np.array([0], dtype=np.int32),
    dead_rows=np.array([[1, 5], [1, 9]], dtype=np.int32),
    dead_columns=np.array([[2, 7]], dtype=np.int32),
)


class Attempts:
    """A layout that needs so many cores."""

    def __init__(self, cores):
        self.cores = cores
        self.seen = []

    def __call__(self, arrays, excluded):
        self.seen.append((arrays.crossbar.rows, arrays.crossbar.columns, sorted(excluded)))
        if 64 - len(excluded) < self.cores:
            raise CapacityError(f"needs {self.cores}")
        return len(self.seen)


def test_without_defects_whole_arrays_are_laid_out_once(chip):
    attempts = Attempts(64)
    assert around_defects(chip, None, attempts) == 1
    assert attempts.seen == [(256, 256, [])]


def test_cores_with_dead_lines_are_left_out_while_the_others_are_enough(chip):
    attempts = Attempts(61)
    assert around_defects(chip, DEFECTS, attempts) == 1
    assert attempts.seen == [(256, 256, [0, 1, 2])]


def test_arrays_get_smaller_only_as_far_as_cores_are_needed(chip):
    attempts = Attempts(63)
    around_defects(chip, DEFECTS, attempts)
    assert attempts.seen == [(256, 256, [0, 1, 2]), (256, 255, [0, 1]), (254, 255, [0])]


def test_the_last_refusal_says_what_the_map_closes(chip):
    with pytest.raises(CapacityError, match="needs 64\nThe defect map closes 1 of 64 cores"):
        around_defects(chip, DEFECTS, Attempts(64))


def test_without_defects_the_refusal_is_the_layout_s_own(chip):
    with pytest.raises(CapacityError) as caught:
        around_defects(chip, None, Attempts(65))
    assert str(caught.value) == "needs 65"


def test_other_errors_are_not_tried_again(chip):
    def broken(arrays, excluded):
        raise ValueError(arrays.name)

    with pytest.raises(ValueError, match="hermes"):
        around_defects(chip, DEFECTS, broken)
