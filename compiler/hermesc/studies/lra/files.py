"""The arena's examples in files: the public ones as they are downloaded, or .npz files.

listops: `listops-1000/basic_{train,val,test}.tsv`; text: `aclImdb/{train,test}/{pos,neg}/*.txt`;
retrieval: `tsv_data/new_aan_pairs.{train,eval,test}.tsv`; images: CIFAR-10's binary version,
`cifar-10-batches-bin/*.bin`; pathfinder: `pathfinder32/curv_contour_length_14/{metadata,imgs}`. An
.npz file has labels `y`, `split` (0 for training, the last number for the test), and rows `X` of
square images, or bytes and tokens in one array with `offsets`.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesc.kernels.options import import_optional
from hermesc.studies.lra.listops import NUMBERS
from hermesc.studies.lra.tasks import ARENA, Task
from hermesrt.errors import InputError
from hermesrt.files.npz import read_arrays

NPZ: Mapping[Task, tuple[str, ...]] = {
    "listops": ("listops-lra-6k.npz",),
    "text": ("imdb.npz",),
    "retrieval": (),
    "images": ("cifar10-gray-5k.npz",),
    "pathfinder": ("pathfinder32-hard.npz", "pathfinder32-easy.npz"),
}
PUBLIC: Mapping[Task, str] = {
    "listops": "listops-1000/basic_train.tsv",
    "text": "aclImdb",
    "retrieval": "tsv_data/new_aan_pairs.train.tsv",
    "images": "cifar-10-batches-bin",
    "pathfinder": "pathfinder32/curv_contour_length_14",
}
_FLAT = ("text", "tokens")  # arrays of all rows, one after another
_CIFAR_ROW, _CIFAR_SIDE = 3073, 32
_GREY = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples as they were read.

    name: where from.
    inputs: for each sequence of an example, rows of bytes, tokens or pixels.
    labels: classes.
    tested: how many of them, at the end, are for the test.
    """

    name: str
    inputs: tuple[Sequence[Bytes], ...]
    labels: NDArray[np.int64]
    tested: int


def read_rows(task: Task, folder: Path, length: int) -> Rows:
    """A task's examples in a folder, each cut to a number of tokens; training ones first.

    Raises: InputError that names the file that is missing or wrong.
    """
    for name in NPZ[task]:
        if (folder / name).exists():
            return _checked(task, _from_npz(folder / name, length))
    if not (folder / PUBLIC[task]).exists():
        wanted = " nor ".join([*NPZ[task], PUBLIC[task]])
        raise InputError(f"--data {folder}: there is no {wanted} for {task}")
    readers = {"listops": _listops, "text": _reviews, "retrieval": _papers, "images": _cifar,
               "pathfinder": _paths}  # fmt: skip
    return _checked(task, readers[task](folder / PUBLIC[task], length))


def _checked(task: Task, rows: Rows) -> Rows:
    arena, count = ARENA[task], len(rows.labels)
    if not 0 < rows.tested < count or any(len(part) != count for part in rows.inputs):
        raise InputError(
            f"{rows.name}: {count} labels for {len(rows.inputs[0])} rows, of which {rows.tested} "
            "are of the test; each row needs a label, and both training and test need rows"
        )
    if rows.labels.min() < 0 or rows.labels.max() >= arena.classes:
        raise InputError(f"{rows.name}: labels must lie from 0 to {arena.classes - 1}")
    for part in rows.inputs:
        highest = max((int(row.max()) for row in part if len(row)), default=0)
        if highest >= arena.vocabulary:
            raise InputError(
                f"{rows.name}: the token {highest}; there are {arena.vocabulary} of them"
            )
    return rows


def _from_npz(path: Path, length: int) -> Rows:
    arrays = read_arrays(path)
    for name in ("y", "split"):
        if name not in arrays or arrays[name].ndim != 1 or arrays[name].dtype.kind not in "iu":
            raise InputError(f"{path}: it needs whole numbers {name}, one a row")
    labels, split = arrays["y"].astype(np.int64), arrays["split"]
    if len(labels) != len(split):
        raise InputError(f"{path}: {len(labels)} labels in y and {len(split)} numbers in split")
    rows = _npz_rows(path, arrays, length)
    order = np.argsort(split, kind="stable")
    return Rows(
        path.name,
        ([rows[i] for i in order],),
        labels[order],
        int((split == split.max()).sum()),
    )


def _npz_rows(path: Path, arrays: Mapping[str, NDArray[Any]], length: int) -> Sequence[Bytes]:
    if "X" in arrays:
        if arrays["X"].ndim != 2 or arrays["X"].dtype != np.uint8:
            raise InputError(f"{path}: X must be rows of pixels from 0 to 255 (uint8)")
        return list(arrays["X"])
    flat = next((arrays[name] for name in _FLAT if name in arrays), None)
    offsets = arrays.get("offsets")
    if flat is None or offsets is None or flat.ndim != 1 or flat.dtype != np.uint8:
        raise InputError(f"{path}: it needs X, or text or tokens (uint8) with offsets")
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        raise InputError(f"{path}: offsets must be whole numbers, one more than rows")
    starts, ends = offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)
    if starts[0] < 0 or (ends < starts).any() or ends[-1] > len(flat):
        raise InputError(f"{path}: offsets must rise and end within the {len(flat):,} values")
    return [flat[a : min(b, a + length)] for a, b in zip(starts, ends, strict=True)]


def _lines(path: Path, fields: int) -> Iterator[list[str]]:
    """Fields of a tab-separated file.

    Raises: InputError that names the line.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    for number, line in enumerate(text.split("\n"), 1):
        found = line.rstrip("\r").split("\t")
        if line and len(found) != fields:
            raise InputError(f"{path}, line {number}: {len(found)} fields instead of {fields}")
        if line:
            yield found


def _listops(path: Path, length: int) -> Rows:
    parts = [_lists(path.with_name(f"basic_{part}.tsv"), length) for part in ("train", "test")]
    rows = [row for part in parts for row, _ in part]
    labels = np.array([label for part in parts for _, label in part], np.int64)
    return Rows(path.parent.name, (rows,), labels, len(parts[1]))


def _lists(path: Path, length: int) -> list[tuple[Bytes, int]]:
    """Lists and their values; round brackets are dropped."""
    found = []
    for source, target in _lines(path, 2):
        if (source, target) == ("Source", "Target"):
            continue
        words = [word for word in source.split() if word not in "()"]
        unknown = next((word for word in words if word not in NUMBERS), None)
        if unknown is not None or not target.isdigit():
            raise InputError(f"{path}: {unknown or target!r} is no word of ListOps")
        found.append((np.array([NUMBERS[w] for w in words[:length]], np.uint8), int(target)))
    return found


def _reviews(path: Path, length: int) -> Rows:
    """Reviews in an order of their own, for their names tell the class."""
    rows: list[Bytes] = []
    labels: list[int] = []
    counts = []
    for part in ("train", "test"):
        files = [
            (file, label)
            for label, kind in enumerate(("neg", "pos"))
            for file in sorted((path / part / kind).glob("*.txt"))
        ]
        random.Random(0).shuffle(files)
        counts.append(len(files))
        rows += [np.frombuffer(file.read_bytes()[:length], np.uint8) for file, _ in files]
        labels += [label for _, label in files]
    return Rows(path.name, (rows,), np.array(labels, np.int64), counts[1])


def _papers(path: Path, length: int) -> Rows:
    """Pairs of papers: label, two names, two texts."""
    parts = [
        list(_lines(path.with_name(f"new_aan_pairs.{part}.tsv"), 5)) for part in ("train", "test")
    ]
    found = [fields for part in parts for fields in part]
    wrong = next((f[0] for f in found if f[0] not in ("0", "1", "0.0", "1.0")), None)
    if wrong is not None:
        raise InputError(f"{path}: the label {wrong!r}; it is 0 or 1")
    inputs = tuple(
        [np.frombuffer(f[column].encode()[:length], np.uint8) for f in found] for column in (3, 4)
    )
    labels = np.array([int(float(f[0])) for f in found], np.int64)
    return Rows(path.name, inputs, labels, len(parts[1]))


def _cifar(path: Path, _length: int) -> Rows:
    """CIFAR-10 in grey."""
    files = [*sorted(path.glob("data_batch_*.bin")), path / "test_batch.bin"]
    parts = []
    for file in files:
        data = file.read_bytes() if file.exists() else b""
        if not data or len(data) % _CIFAR_ROW:
            raise InputError(f"{file}: it must be rows of {_CIFAR_ROW} bytes, label and pixels")
        parts.append(np.frombuffer(data, np.uint8).reshape(-1, _CIFAR_ROW))
    whole = np.concatenate(parts)
    colours = whole[:, 1:].reshape(-1, 3, _CIFAR_SIDE**2)
    grey = np.rint(np.tensordot(_GREY, colours, (0, 1))).astype(np.uint8)
    return Rows(path.name, (list(grey),), whole[:, 0].astype(np.int64), len(parts[-1]))


def _paths(path: Path, _length: int) -> Rows:
    """Images as the metadata lists them; the last tenth is the test."""
    imread: Any = import_optional("PIL.Image", "Pathfinder's images").open
    rows, labels = [], []
    for file in sorted((path / "metadata").glob("*.npy"), key=lambda f: (len(f.stem), f.stem)):
        for line in file.read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if len(fields) < 4 or fields[3] not in ("0", "1"):
                raise InputError(f"{file}: a line must be folder, file, number and label")
            image = path / fields[0] / fields[1]
            if path.resolve() not in image.resolve().parents or not image.exists():
                raise InputError(f"{file}: there is no image {fields[0]}/{fields[1]}")
            rows.append(np.asarray(imread(image).convert("L"), np.uint8).reshape(-1))
            labels.append(int(fields[3]))
    return Rows(path.name, (rows,), np.array(labels, np.int64), len(labels) // 10)
