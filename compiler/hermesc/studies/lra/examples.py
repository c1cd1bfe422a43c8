"""Examples of a task and a size: generated, from a folder, or scikit-learn's digits.

ListOps and Pathfinder are generated unless the size is the public one and a folder is given. Text,
retrieval and images come from the folder; without one they are small sets that are drawn here
(reviews of a few words, pairs of papers on few topics), and scikit-learn's digits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hermesc.kernels.options import import_optional
from hermesc.studies.lra.files import Bytes, Rows, read_rows
from hermesc.studies.lra.listops import listops
from hermesc.studies.lra.pathfinder import pathfinder
from hermesc.studies.lra.tasks import (
    ARENA,
    LEVELS,
    LISTOPS,
    PATHFINDER,
    Size,
    SizeName,
    Task,
)
from hermesc.training.data import TrainingData
from hermesrt.errors import InputError
from hermesrt.units import plural

INPUTS = (("tokens",), ("first", "second"))  # names of a model's arguments, of one and two inputs
_GOOD = ["good", "great", "fine", "lovely", "moving", "clever", "superb", "funny"]
_BAD = ["bad", "awful", "dull", "weak", "stupid", "boring", "poor", "silly"]
_OTHER = [
    "the",
    "film",
    "has",
    "a",
    "plot",
    "and",
    "some",
    "scenes",
    "with",
    "actors",
    "that",
    "play",
    "people",
    "of",
    "a",
    "town",
    "in",
    "it",
]
_TOPICS = (
    "parser tree grammar syntax head", "speech audio vowel accent noise",
    "translate source target align phrase", "chat dialogue turn user reply",
    "word sense lexicon noun verb", "summary short abstract extract rank",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Examples to learn from and to test with.

    name: where they are from.
    learned, tested: tokens by the names of the model's arguments, and classes.
    """

    name: str
    learned: TrainingData
    tested: TrainingData

    @property
    def length(self) -> int:
        """Tokens of a sequence."""
        return int(next(iter(self.learned.inputs.values())).shape[1])

    @property
    def patch(self) -> int:
        """Pixels of a side of a token."""
        shape = next(iter(self.learned.inputs.values())).shape
        return math.isqrt(shape[2]) if len(shape) == 3 else 1

    @property
    def digest(self) -> str:
        """SHA-256 of all of them."""
        return self.learned.sha256 + self.tested.sha256


def examples(task: Task, size: SizeName, folder: Path | None, seed: int = 0) -> Examples:
    """A task's examples in a size, the same for the same seed.

    Raises: InputError for files that are missing or wrong; ExtraError without scikit-learn.
    """
    wanted = ARENA[task].sizes[size]
    public = size == "public" and folder is not None
    if task == "listops" and not public:
        lists = listops(wanted.train + wanted.test, LISTOPS[size], seed)
        return _generated(f"generated, up to {LISTOPS[size].longest - 1} tokens", *lists, wanted)
    if task == "pathfinder" and not public:
        limits = PATHFINDER[size]
        name = (
            f"generated, {limits.side}x{limits.side}, {limits.dashes} dashes, "
            f"{plural(limits.distractors, 'distractor')}"
        )
        pixels, labels = pathfinder(wanted.train + wanted.test, limits, seed)
        images = _shrunk(torch.from_numpy(pixels), wanted)
        inputs, classes = (_patches(images, wanted),), torch.from_numpy(labels)
        return _parts(name, inputs, classes, wanted.train)
    if folder is not None:
        return _chosen(task, read_rows(task, folder, wanted.length), wanted, seed)
    if size == "public":
        raise InputError(f"--size public: give the folder of the public files of {task} by --data")
    rows = {"text": _reviews, "retrieval": _pairs, "images": _digits}[task](wanted, seed)
    return _chosen(task, rows, wanted, seed)


def _generated(
    name: str, tokens: NDArray[np.uint8], labels: NDArray[np.int64], size: Size
) -> Examples:
    rows = torch.from_numpy(tokens.astype(np.int64))
    return _parts(name, (rows,), torch.from_numpy(labels), size.train)


def _chosen(task: Task, rows: Rows, size: Size, seed: int) -> Examples:
    """Some rows of those for training and of those for the test, as tensors."""
    draw, first = np.random.default_rng(seed), len(rows.labels) - rows.tested
    learned = draw.permutation(first)[: size.train]
    order = [*learned, *(first + draw.permutation(rows.tested)[: size.test])]
    labels, count = torch.from_numpy(rows.labels[order]), len(learned)
    if ARENA[task].padded:
        inputs = tuple(_padded([part[i] for i in order], size.length) for part in rows.inputs)
        return _parts(rows.name, inputs, labels, count)
    pixels = _shrunk(torch.from_numpy(np.stack([rows.inputs[0][i] for i in order])), size)
    if task == "images" and rows.name != _DIGITS:
        pixels = torch.cat([pixels[:count], pixels[:count].flip(-1), pixels[count:]])
        labels = torch.cat([labels[:count], labels])
        return _parts(f"{rows.name}, mirrored too", (_patches(pixels, size),), labels, 2 * count)
    return _parts(rows.name, (_patches(pixels, size),), labels, count)


def _parts(name: str, inputs: tuple[Tensor, ...], labels: Tensor, learned: int) -> Examples:
    named = dict(zip(INPUTS[len(inputs) - 1], inputs, strict=True))
    whole = TrainingData(named, labels)
    order = torch.arange(len(labels))
    return Examples(name, whole.take(order[:learned]), whole.take(order[learned:]))


def _padded(rows: Sequence[Bytes], length: int) -> Tensor:
    found = torch.zeros((len(rows), length), dtype=torch.int64)
    for i, row in enumerate(rows):
        found[i, : min(len(row), length)] = torch.from_numpy(row[:length].astype(np.int64))
    return found


def _shrunk(rows: Tensor, size: Size) -> Tensor:
    """Square images [images, side, side], larger ones than wanted as means of squares of pixels.

    Raises: InputError for images that are not square, or do not shrink to that size.
    """
    side, wanted = math.isqrt(rows.shape[1]), math.isqrt(size.length) * size.patch
    if side * side != rows.shape[1]:
        raise InputError(f"images have {rows.shape[1]} pixels; they must be square")
    images = torch.unflatten(rows, 1, (side, side)).long()
    if side <= wanted:
        return images
    if side % wanted:
        raise InputError(f"images of {side} pixels a side do not shrink to {wanted}")
    return nn.functional.avg_pool2d(images[:, None].float(), side // wanted)[:, 0].round().long()


def _patches(images: Tensor, size: Size) -> Tensor:
    """Grey levels as tokens; of squares of pixels, in a table for each of their places."""
    side = images.shape[1]
    patch = max(1, side // math.isqrt(size.length))
    if patch == 1:
        return images.flatten(1)
    count = side // patch
    squares = torch.unflatten(torch.unflatten(images, 2, (count, patch)), 1, (count, patch))
    found = squares.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)
    return found + LEVELS * torch.arange(patch**2)


def _reviews(size: Size, seed: int) -> Rows:
    """Words with some praise or some blame among them."""
    draw, rows, labels = Random(seed), [], []
    for _ in range(size.train + size.test):
        label = draw.randrange(2)
        words = [draw.choice(_GOOD if label else _BAD) if draw.random() < 0.3 else
                 draw.choice(_OTHER) for _ in range(size.length // 4)]  # fmt: skip
        rows.append(_bytes(words, size))
        labels.append(label)
    return Rows("drawn reviews", (rows,), np.array(labels, np.int64), size.test)


def _pairs(size: Size, seed: int) -> Rows:
    """Pairs of papers on one topic, or on two."""
    draw, labels = Random(seed), []
    first: list[Bytes] = []
    second: list[Bytes] = []
    for _ in range(size.train + size.test):
        label = draw.randrange(2)
        one, other = draw.sample(_TOPICS, 2)
        for part, topic in ((first, one), (second, one if label else other)):
            words = [draw.choice(topic.split() if draw.random() < 0.5 else _OTHER)
                     for _ in range(size.length // 4)]  # fmt: skip
            part.append(_bytes(words, size))
        labels.append(label)
    return Rows("drawn papers", (first, second), np.array(labels, np.int64), size.test)


def _bytes(words: Sequence[str], size: Size) -> Bytes:
    return np.frombuffer(" ".join(words).encode()[: size.length], np.uint8)


_DIGITS = "scikit-learn's digits"


def _digits(_size: Size, _seed: int) -> Rows:
    load = import_optional("sklearn.datasets", "the arena's images without --data").load_digits
    pixels, labels = load(return_X_y=True)
    rows = list(np.rint(pixels * (255 / 16)).astype(np.uint8))
    return Rows(_DIGITS, (rows,), labels.astype(np.int64), len(labels) // 5)
