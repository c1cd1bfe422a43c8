"""Data of the studies as the published experiment prepares it.

A dataset is NAME.npz with `X` (rows by features) and labels `y`, two-valued where a study compares
with published results. Further arrays:
`split`, the part of each row (0 is for training, every other part for tests, -1 is unused);
`y_binary`, labels to use instead of `y`; `paper_split` and `paper_order`, the published parts and
order of rows. With `split`, each part is standardised by itself. Without, all rows are standardised
together, then permuted, and the first half trains; the published permutations are unknown, so each
seed has its own.
Source: the loader of IBM/kernel-approximation-using-analog-in-memory-computing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.errors import InputError
from hermesrt.files.npz import read_arrays

_LEAST_ROWS = 4
_MOST_CLASSES = 100
_FEWEST_BY_PART = 2  # a standard deviation needs two
SCALINGS = ("standard", "range")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class PublishedRule:
    """What is special about a published dataset: its features, how many rows the published file
    holds, at how many standard deviations inputs (and the exact kernel's, alike) are clipped."""

    inputs: int | None = None
    rows: int | None = None
    clip: float | None = None


RULES = {
    "letter": PublishedRule(16),
    "ijcnn1": PublishedRule(13),
    "skin": PublishedRule(3, rows=175_394),
    "eeg": PublishedRule(14, clip=2.0),
    "magic": PublishedRule(10),
    "cod-rna": PublishedRule(8),
}


@dataclass(frozen=True)
class Dataset:
    """Raw rows with the numbers of their classes; `parts` is None where rows are to be permuted."""

    name: str
    rows: Float[Tensor, "rows inputs"]
    labels: Float[Tensor, " rows"]
    parts: Int[Tensor, " rows"] | None
    classes: int = 2

    @property
    def inputs(self) -> int:
        """Features of a row."""
        return self.rows.shape[1]

    @cached_property
    def digest(self) -> str:
        """The hash of all that is in it."""
        found = hashlib.sha256(f"{self.name} {tuple(self.rows.shape)} {self.classes}".encode())
        for tensor in (self.rows, self.labels, self.parts):
            found.update(b"" if tensor is None else tensor.contiguous().numpy().tobytes())
        return found.hexdigest()

    @property
    def training_rows(self) -> int:
        """How many rows train."""
        return len(self.rows) // 2 if self.parts is None else int((self.parts == 0).sum())

    @property
    def preparation(self) -> str:
        """How it is split, in words."""
        clip = RULES.get(self.name, PublishedRule()).clip
        split = "half for training, permuted by seed" if self.parts is None else "fixed parts"
        return f"{len(self.rows):,} rows, {split}" + (f", clipped at {clip:g} std" if clip else "")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Standardised rows for training and tests, with the numbers of their classes."""

    train: Float[Tensor, "rows inputs"]
    train_labels: Float[Tensor, " rows"]
    test: Float[Tensor, "rows inputs"]
    test_labels: Float[Tensor, " rows"]
    classes: int


def dataset_path(folder: Path, name: str) -> Path:
    """Where a folder keeps a dataset."""
    return folder / f"{name}.npz"


def read_dataset(folder: Path, name: str) -> Dataset:
    """A dataset of the folder with two classes, by its rule.

    Raises: InputError that names the file and the array.
    """
    path = dataset_path(folder, name)
    return dataset_of(name, read_arrays(path), path, most_classes=2)


def dataset_of(
    name: str,
    arrays: Arrays,
    path: Path,
    *,
    most_classes: int | None = None,
    all_rows: bool = False,
) -> Dataset:
    """A dataset from its arrays, which were read from `path`, by the rule of its name.

    `all_rows` takes also those that the published file does not hold.
    Raises: InputError that names the file and the array.
    """
    rule = RULES.get(name, PublishedRule())
    rows = _rows(arrays, rule, path)
    labels, classes = _labels(arrays, len(rows), path, most_classes)
    parts = _parts(arrays, len(rows), path)
    order = _order(arrays, len(rows), path)[: None if all_rows else rule.rows]
    if parts is not None:
        parts = parts[order]
        _check_parts(parts, path)
    return Dataset(name, rows[order], labels[order], parts, classes)


def prepare(data: Dataset, seed: int, scaling: str = SCALINGS[0]) -> Prepared:
    """Scale and split; `seed` matters only for data without parts."""
    scaled = standardised if scaling == SCALINGS[0] else to_range
    if data.parts is None:
        rows = scaled(data.rows)
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(rows), generator=draw)
        split = [order[: len(rows) // 2], order[len(rows) // 2 :]]
        blocks, labels = [rows[i] for i in split], [data.labels[i] for i in split]
    else:
        numbers = [n for n in torch.unique(data.parts).tolist() if n >= 0]
        chosen = [data.parts == n for n in numbers]
        blocks = [scaled(data.rows[c]) for c in chosen]
        labels = [data.labels[c] for c in chosen]
    clip = RULES.get(data.name, PublishedRule()).clip
    if clip is not None:
        blocks = [block.clamp(-clip, clip) for block in blocks]
    return Prepared(
        blocks[0], labels[0], torch.cat(blocks[1:]), torch.cat(labels[1:]), data.classes
    )


def standardised(rows: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows inputs"]:
    """Mean 0 and (unbiased) standard deviation 1 by column; a constant column becomes 0."""
    deviation = rows.std(0)
    return (rows - rows.mean(0)) / torch.where(deviation > 0, deviation, 1.0)


def to_range(rows: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows inputs"]:
    """Each column from -1 to 1; a constant column becomes 0."""
    low, high = rows.amin(0), rows.amax(0)
    half = (high - low) / 2
    return (rows - low - half) / torch.where(half > 0, half, 1.0)


def _rows(arrays: Arrays, rule: PublishedRule, path: Path) -> Tensor:
    found = _array(arrays, "X", path)
    if found.ndim != 2 or found.dtype.kind not in "fiub" or len(found) < _LEAST_ROWS:
        raise InputError(
            f"{path}: X is {found.dtype} of the shape {found.shape}; it must hold numbers, rows by "
            f"features, {_LEAST_ROWS} rows or more"
        )
    if rule.inputs is not None and found.shape[1] != rule.inputs:
        raise InputError(
            f"{path}: X has {found.shape[1]} features; the published dataset has {rule.inputs}"
        )
    rows = torch.from_numpy(np.ascontiguousarray(found, dtype=np.float32))
    if not bool(rows.isfinite().all()) or found.shape[1] == 0:
        raise InputError(f"{path}: X holds NaN, infinite or no values; clean the data first")
    return rows


def _labels(arrays: Arrays, count: int, path: Path, most_classes: int | None) -> tuple[Tensor, int]:
    """The number of each row's class, and how many there are."""
    name = "y_binary" if "y_binary" in arrays else "y"
    found = _array(arrays, name, path)
    if found.shape != (count,):
        raise InputError(f"{path}: {name} has the shape {found.shape}; X has {count} rows")
    values, numbers = np.unique(found, return_inverse=True)
    most = most_classes or _MOST_CLASSES
    if not 2 <= len(values) <= most:
        allowed = "2" if most == 2 else f"2 to {most}"
        raise InputError(
            f"{path}: {name} holds {len(values)} different labels; the study needs {allowed}, in y "
            "or y_binary"
        )
    return torch.from_numpy(numbers.astype(np.float32)), len(values)


def _parts(arrays: Arrays, count: int, path: Path) -> Tensor | None:
    name = "paper_split" if "paper_split" in arrays else "split"
    if name not in arrays:
        return None
    found = arrays[name]
    if found.shape != (count,) or found.dtype.kind not in "iu":
        raise InputError(
            f"{path}: {name} is {found.dtype} of the shape {found.shape}; it must be a whole "
            f"number for each of the {count} rows"
        )
    return torch.from_numpy(found.astype(np.int64))


def _check_parts(parts: Tensor, path: Path) -> None:
    numbers, counts = torch.unique(parts[parts >= 0], return_counts=True)
    if len(numbers) < 2 or numbers[0] != 0 or counts.min() < _FEWEST_BY_PART:
        raise InputError(
            f"{path}: the split has the parts {numbers.tolist()} with {counts.tolist()} rows; it "
            f"must have part 0 (training) and another, of {_FEWEST_BY_PART} rows or more each"
        )


def _order(arrays: Arrays, count: int, path: Path) -> Tensor:
    if "paper_order" not in arrays:
        return torch.arange(count)
    found = arrays["paper_order"]
    sound = found.ndim == 1 and found.dtype.kind in "iu" and len(found) >= _LEAST_ROWS
    if not sound or found.min() < 0 or found.max() >= count:
        raise InputError(
            f"{path}: paper_order is {found.dtype} of the shape {found.shape}; it must hold "
            f"numbers of rows from 0 to {count - 1}"
        )
    return torch.from_numpy(found.astype(np.int64))


def _array(arrays: Arrays, name: str, path: Path) -> NDArray[Any]:
    if name not in arrays:
        raise InputError(f"{path}: there is no array {name!r}; it has {', '.join(arrays)}")
    return arrays[name]
