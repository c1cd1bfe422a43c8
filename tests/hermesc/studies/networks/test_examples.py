"""Images and text for the chip's own networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hermesc.studies.networks.examples import CHARACTERS, IMAGES, STEPS, TEXT, images, text
from hermesrt.errors import InputError


def saved(folder: Path, name: str, **arrays: Any) -> Path:
    np.savez(folder / name, **arrays)
    return folder


def pixels(rows: int = 20) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {
        "X": draw.integers(0, 256, (rows, 1024), dtype=np.uint8),
        "y": draw.integers(0, 10, rows),
        "split": np.arange(rows) % 2,
    }


def test_digits_are_standardised_and_always_the_same() -> None:
    first, second = images(None), images(None)
    assert first.digest == second.digest
    assert abs(float(first.train.mean())) < 1e-5
    assert float(first.train.std()) == pytest.approx(1, abs=1e-5)
    assert first.train.shape[1:] == (1, 8, 8)


def test_a_window_is_followed_by_the_same_text_one_character_on() -> None:
    found = text(None)
    assert found.train.shape[1] == STEPS
    assert torch.equal(found.train[:, 1:], found.train_targets[:, :-1])
    assert int(found.train.max()) < CHARACTERS
    assert int(found.train.min()) == 0


def test_images_of_a_folder_are_split_as_it_says(tmp_path: Path) -> None:
    found = images(saved(tmp_path, IMAGES, **pixels()))
    assert found.train.shape == found.test.shape == (10, 1, 32, 32)
    assert found.train_targets.tolist() == pixels()["y"][::2].tolist()


def test_text_of_a_folder_is_read_by_its_bytes(tmp_path: Path) -> None:
    letters = np.frombuffer(b"ab" * 50 * STEPS, np.uint8)
    found = text(saved(tmp_path, TEXT, text=letters))
    assert found.train.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((20, 5))}, "rows of 1,024 pixels"),
        ({"y": np.full(20, 11)}, "whole numbers from 0 to 9"),
        ({"split": np.zeros(20)}, "split must have rows of 0"),
    ],
)
def test_images_of_another_shape_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        images(saved(tmp_path, IMAGES, **(pixels() | change)))


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no array text"):
        text(saved(tmp_path, TEXT, X=np.zeros(3)))
    with pytest.raises(InputError, match="no array split"):
        images(saved(tmp_path, IMAGES, X=np.zeros(3), y=np.zeros(3)))
    with pytest.raises(InputError, match="at least 6,400 bytes"):
        text(saved(tmp_path, TEXT, text=np.zeros(3, np.uint8)))
