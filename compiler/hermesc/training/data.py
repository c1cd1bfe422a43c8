"""Samples to train on: an `.npz` file of inputs and labels, cut in a part to learn and one to test.

Whole-number labels are classes, and the loss is the cross entropy; others are values, and the loss
is the mean square.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hermesrt.errors import InputError
from hermesrt.files.npz import read_arrays
from hermesrt.seeds import generator

_LABELS = "labels"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Inputs and labels of some samples.

    inputs: by name, in the order of the model's arguments, the samples first.
    labels: classes [samples], or values [samples, ...].
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor

    @property
    def classes(self) -> bool:
        """Whether labels are classes."""
        return not self.labels.is_floating_point()

    @property
    def count(self) -> int:
        """How many samples."""
        return len(self.labels)

    def take(self, rows: Tensor) -> "TrainingData":
        """Some of them."""
        return TrainingData({n: t[rows] for n, t in self.inputs.items()}, self.labels[rows])

    def loss(self, outputs: Tensor) -> Tensor:
        """The loss of a model's outputs."""
        if self.classes:
            return functional.cross_entropy(outputs.flatten(0, -2), self.labels.flatten())
        return functional.mse_loss(outputs, self.labels.to(outputs.dtype).view_as(outputs))

    def score(self, outputs: Tensor) -> float:
        """The accuracy in per cent of classes, or the relative error in per cent of values."""
        if self.classes:
            return 100 * float((outputs.argmax(-1) == self.labels).float().mean())
        labels = self.labels.to(outputs.dtype).view_as(outputs)
        return 100 * float((outputs - labels).norm() / labels.norm())

    @property
    def sha256(self) -> str:
        """A digest of all samples."""
        found = hashlib.sha256()
        for name, tensor in (*self.inputs.items(), (_LABELS, self.labels)):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()


def read_training_data(path: Path, examples: Mapping[str, Tensor]) -> TrainingData:
    """The samples of a file, as the model's examples are shaped.

    Raises: InputError for arrays of another name, shape or kind, NaN, and missing labels.
    """
    arrays = read_arrays(path, "training data")
    if _LABELS not in arrays:
        raise InputError(f"{path}: there is no array {_LABELS!r}; give one label a sample")
    labels = arrays.pop(_LABELS)
    unknown = sorted(set(arrays) ^ set(examples))
    if unknown:
        raise InputError(
            f"{path}: arrays {', '.join(arrays) or 'none'} and {_LABELS}; the model takes "
            f"{', '.join(examples)}"
        )
    inputs = {n: _input(path, n, arrays[n], like) for n, like in examples.items()}
    counts = {len(labels), *(len(t) for t in inputs.values())}
    if len(counts) != 1:
        raise InputError(f"{path}: inputs and labels differ in number: {sorted(counts)}")
    if labels.dtype.kind not in "iuf" or (
        labels.dtype.kind == "f" and not np.isfinite(labels).all()
    ):
        raise InputError(f"{path}: {_LABELS} must be finite numbers, not {labels.dtype}")
    values = torch.from_numpy(labels.astype(np.float32 if labels.dtype.kind == "f" else np.int64))
    return TrainingData(inputs, values)


def _input(path: Path, name: str, array: np.ndarray, like: Tensor) -> Tensor:
    if array.dtype.kind not in "fiub" or array.ndim != like.dim() or not len(array):
        raise InputError(
            f"{path}: {name!r} is {array.dtype}{list(array.shape)}; the model's example is "
            f"{str(like.dtype).removeprefix('torch.')}{list(like.shape)}"
        )
    tensor = torch.from_numpy(np.ascontiguousarray(array)).to(like.dtype)
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise InputError(f"{path}: {name!r} holds {bad} values that are NaN or infinite")
    return tensor


def check_labels(data: TrainingData, outputs: Tensor) -> None:
    """The labels fit what the model returns.

    Raises: InputError that says which values were found and which are allowed.
    """
    if data.classes:
        classes, low, high = outputs.shape[-1], int(data.labels.min()), int(data.labels.max())
        if low < 0 or high >= classes:
            raise InputError(
                f"labels are from {low} to {high}; the model has {classes} outputs, so classes are "
                f"from 0 to {classes - 1}"
            )
        wanted = outputs.shape[1:-1]
    else:
        wanted = outputs.shape[1:]
    if data.labels[0].numel() != wanted.numel():
        raise InputError(
            f"labels have the shape {tuple(data.labels.shape)}; the model's outputs are "
            f"{tuple(outputs.shape)}"
        )


def split(data: TrainingData, holdout: float, seed: int) -> tuple[TrainingData, TrainingData]:
    """Samples to learn and samples to test, drawn at random.

    Raises: InputError where either would be empty.
    """
    order = torch.randperm(data.count, generator=generator(seed, "holdout"))
    tested = round(holdout * data.count)
    if not 0 < tested < data.count:
        raise InputError(
            f"{data.count} samples with a holdout of {holdout} leave none to test or to learn"
        )
    return data.take(order[tested:]), data.take(order[:tested])
