"""Data is prepared as published; a wrong array is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hermesc.studies.data.datasets import prepare, read_dataset, standardised
from hermesrt.errors import InputError

X3 = np.arange(30, dtype=np.uint8).reshape(10, 3)
Y = np.array([0, 1] * 5)


def test_each_part_is_standardised_by_itself_and_tests_are_joined(folder: Path) -> None:
    data = prepare(read_dataset(folder, "ijcnn1"), seed=0)
    assert (len(data.train), len(data.test)) == (100, 200)
    for part in (data.train, data.test[:100], data.test[100:]):
        assert torch.allclose(part.mean(0), torch.zeros(13), atol=1e-5)
        assert torch.allclose(part.std(0), torch.ones(13), atol=1e-5)
    assert torch.equal(prepare(read_dataset(folder, "ijcnn1"), seed=1).train, data.train)


def test_an_unknown_dataset_is_permuted_by_seed_and_halved(folder: Path) -> None:
    raw = read_dataset(folder, "toy")
    one, two = prepare(raw, seed=0), prepare(raw, seed=1)
    assert (len(one.train), len(one.test)) == (100, 100)
    assert not torch.equal(one.train, two.train)
    joined = [torch.cat([p.train, p.test]) for p in (one, two)]
    assert torch.allclose(joined[0].sort(0).values, joined[1].sort(0).values)
    assert "permuted" in raw.preparation


def test_the_larger_of_two_labels_is_1(folder: Path) -> None:
    data = read_dataset(folder, "toy")
    assert torch.equal(data.labels, (data.rows[:, 1] > 127).float())


def test_the_published_order_and_binary_labels_are_used(tmp_path: Path) -> None:
    x = np.arange(96.0).reshape(6, 16)
    order, split = np.array([4, 2, 0, 1]), np.array([0, 1, 0, -1, 0, -1])
    split[[1, 0]] = 1
    np.savez(
        tmp_path / "letter.npz", X=x, y=np.arange(6), y_binary=np.array([0, 1, 0, 1, 1, 1]),
        paper_split=split, paper_order=order,
    )  # fmt: skip
    data = read_dataset(tmp_path, "letter")
    assert data.rows[:, 0].tolist() == [64, 32, 0, 16]
    prepared = prepare(data, seed=0)
    assert prepared.train_labels.tolist() == [1, 0]
    assert prepared.test_labels.tolist() == [0, 1]


def test_skin_is_cut_to_the_published_rows(tmp_path: Path) -> None:
    x = np.zeros((175_400, 3), np.uint8)
    x[:, 0] = np.arange(len(x)) % 7
    np.savez(tmp_path / "skin.npz", X=x, y=np.arange(len(x)) % 2)
    assert len(read_dataset(tmp_path, "skin").rows) == 175_394


def test_eeg_is_clipped_at_two_standard_deviations(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 14))
    x[:100:10] *= 100
    np.savez(tmp_path / "eeg.npz", X=x, y=np.arange(200) % 2)
    data = prepare(read_dataset(tmp_path, "eeg"), seed=0)
    assert torch.cat([data.train, data.test]).abs().max() == 2.0


def test_a_constant_column_becomes_zero() -> None:
    rows = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert standardised(rows)[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": Y}, "there is no array 'X'"),
        ({"X": X3}, "there is no array 'y'"),
        ({"X": X3[:, 0], "y": Y}, "rows by features"),
        ({"X": X3[:3], "y": Y[:3]}, "4 rows or more"),
        ({"X": np.zeros((10, 4)), "y": Y}, "the published dataset has 3"),
        ({"X": np.full((10, 3), np.nan), "y": Y}, "NaN"),
        ({"X": X3.astype(str), "y": Y}, "must hold numbers"),
        ({"X": X3, "y": Y[:5]}, "X has 10 rows"),
        ({"X": X3, "y": np.arange(10)}, "10 different labels"),
        ({"X": X3, "y": Y, "split": np.zeros(10, int)}, "must have part 0"),
        ({"X": X3, "y": Y, "split": np.arange(10)}, "2 rows or more each"),
        ({"X": X3, "y": Y, "split": np.zeros(10)}, "whole number"),
        ({"X": X3, "y": Y, "paper_order": np.arange(11)}, "numbers of rows from 0 to 9"),
    ],
)
def test_a_wrong_array_is_an_input_error(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "skin.npz", **arrays)
    with pytest.raises(InputError, match=message) as error:
        read_dataset(tmp_path, "skin")
    assert "skin.npz" in str(error.value)
