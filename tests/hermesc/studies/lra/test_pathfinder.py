"""Pathfinder: paths, discs and labels."""

import numpy as np
import pytest

from hermesc.studies.lra.pathfinder import PathfinderLimits, pathfinder
from hermesrt.errors import InputError

EASY = PathfinderLimits(20, 3, 1)


def discs(image: np.ndarray) -> np.ndarray:
    """Middles of the two discs, which alone are white; found as the means of two groups."""
    side = int(len(image) ** 0.5)
    white = np.argwhere(image.reshape(side, side) == 255).astype(float)
    first = white[0]
    for _ in range(5):
        far = white[np.argmax(((white - first) ** 2).sum(1))]
        near = ((white - first) ** 2).sum(1) < ((white - far) ** 2).sum(1)
        first = white[near].mean(0)
    return np.stack([first, white[~near].mean(0)])


def test_discs_of_a_positive_image_are_a_path_apart_and_of_negative_ones_at_any_distance() -> None:
    images, labels = pathfinder(200, EASY, 0)
    gaps = np.array([np.linalg.norm(np.subtract(*discs(image))) for image in images])
    longest = 3 * 3 - 1
    assert (gaps[labels == 1] <= longest + 1).all()
    assert (gaps[labels == 0] > longest + 1).mean() > 0.2
    assert 0.35 < labels.mean() < 0.65


def test_images_are_grey_levels_and_follow_from_the_seed() -> None:
    (one, labels), (again, _), (other, _) = (pathfinder(10, EASY, seed) for seed in (0, 0, 1))
    assert one.shape == (10, 400)
    assert one.dtype == np.uint8
    assert labels.shape == (10,)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert ((one > 0).mean(1) < 0.4).all()


def test_the_benchmarks_paths_of_14_dashes_fit() -> None:
    images, _ = pathfinder(2, PathfinderLimits(), 0)
    assert images.shape == (2, 1024)


def test_an_image_that_is_too_small_for_its_paths_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermesc.studies.lra.pathfinder._ROUNDS", 4)
    with pytest.raises(InputError, match="do not fit in 8x8 pixels; 0 of 4"):
        pathfinder(4, PathfinderLimits(8, 14, 0), 0)
