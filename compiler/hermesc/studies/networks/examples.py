"""Images and text that the chip's own networks are trained on, smaller than the published sets.

Without a folder: scikit-learn's digits (8x8, grey) and the text of its descriptions of data sets.
With one: `cifar10-gray-5k.npz` (`X` 1,024 pixels of a 32x32 image a row, labels `y`, `split` 0 for
training) and `imdb.npz` (`text`, bytes of all reviews). The published networks saw CIFAR-10 in
colour and the Penn Treebank.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.errors import InputError
from hermesrt.extras import require
from hermesrt.files.npz import read_arrays

IMAGES, TEXT = "cifar10-gray-5k.npz", "imdb.npz"
CHARACTERS, STEPS = 50, 64
_READ_CHARACTERS = 400_000
_TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs and what is to come out.

    name: where they are from.
    train, test: images [images, 1, height, width], or numbers of characters [windows, time].
    train_targets, test_targets: classes [images], or the next characters [windows, time].
    classes: how many.
    """

    name: str
    train: Tensor
    train_targets: Tensor
    test: Tensor
    test_targets: Tensor
    classes: int

    @property
    def digest(self) -> str:
        """SHA-256 of all tensors."""
        found = hashlib.sha256()
        for tensor in (self.train, self.train_targets, self.test, self.test_targets):
            found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()


def images(folder: Path | None) -> Examples:
    """Grey images with ten classes, mean 0 and deviation 1 over the training images.

    Raises: InputError that names the file; ExtraError without scikit-learn.
    """
    if folder is None:
        return _digits()
    path = folder / IMAGES
    arrays = _read(path, ("X", "y", "split"))
    pixels, labels, parts = (arrays[name] for name in ("X", "y", "split"))
    rows = len(pixels)
    if pixels.shape != (rows, 1024) or labels.shape != (rows,) or parts.shape != (rows,):
        raise InputError(
            f"{path}: X must be rows of 1,024 pixels, y and split one number a row; X has the "
            f"shape {pixels.shape}, y {labels.shape}, split {parts.shape}"
        )
    _check_labels(labels, path)
    trained = parts == 0
    if not 0 < int(trained.sum()) < rows:
        raise InputError(f"{path}: split must have rows of 0, for training, and others")
    x = torch.from_numpy(pixels.astype(np.float32)).reshape(-1, 1, 32, 32)
    y, chosen = torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(trained)
    return _standardised(path.name, x[chosen], y[chosen], x[~chosen], y[~chosen])


def text(folder: Path | None) -> Examples:
    """Windows of text, of its 50 commonest characters, each followed by the next one.

    Raises: InputError that names the file; ExtraError without scikit-learn.
    """
    if folder is None:
        return _windows("scikit-learn's descriptions", _descriptions())
    path = folder / TEXT
    found = _read(path, ("text",))["text"]
    if found.ndim != 1 or found.dtype != np.uint8 or len(found) < 100 * STEPS:
        raise InputError(
            f"{path}: text must be one row of at least {100 * STEPS:,} bytes (uint8), not "
            f"{found.dtype} {found.shape}"
        )
    return _windows(path.name, found[:_READ_CHARACTERS].tobytes().decode("latin-1"))


def _read(path: Path, names: tuple[str, ...]) -> Mapping[str, NDArray[Any]]:
    arrays = read_arrays(path)
    for name in names:
        if name not in arrays:
            raise InputError(f"{path}: there is no array {name}; it needs {', '.join(names)}")
    return arrays


def _check_labels(labels: NDArray[Any], path: Path) -> None:
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        raise InputError(f"{path}: y must hold whole numbers from 0 to 9")


def _digits() -> Examples:
    require("sklearn", "the study of networks without --data")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(pixels.astype(np.float32)).reshape(-1, 1, 8, 8)[order]
    y = torch.from_numpy(labels.astype(np.int64))[order]
    first = round(len(x) * (1 - _TEST_SHARE))
    return _standardised("digits", x[:first], y[:first], x[first:], y[first:])


def _descriptions() -> str:
    require("sklearn", "the study of networks without --data")
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "descr"
    return "".join(p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.rst")))


def _standardised(name: str, x: Tensor, y: Tensor, test: Tensor, test_y: Tensor) -> Examples:
    mean, deviation = x.mean(), x.std()
    scaled: Callable[[Tensor], Tensor] = lambda t: (t - mean) / deviation  # noqa: E731
    return Examples(name, scaled(x), y, scaled(test), test_y, 10)


def _windows(name: str, found: str) -> Examples:
    """Characters in lower case as numbers by how common they are; rare ones share the last."""
    letters = np.frombuffer(found.lower().encode("utf-32-le"), np.uint32)
    known, numbers, counts = np.unique(letters, return_inverse=True, return_counts=True)
    rank = np.empty(len(known), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(known))
    codes = torch.from_numpy(np.minimum(rank, CHARACTERS - 1)[numbers])
    whole = (len(codes) - 1) // STEPS * STEPS
    x, y = codes[:whole].reshape(-1, STEPS), codes[1 : whole + 1].reshape(-1, STEPS)
    first = round(len(x) * (1 - _TEST_SHARE))
    return Examples(name, x[:first], y[:first], x[first:], y[first:], CHARACTERS)
