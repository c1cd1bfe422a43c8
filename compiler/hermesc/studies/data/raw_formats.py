"""The public originals of the published datasets, as they are downloaded, to arrays.

Nothing is downloaded here: a user puts the files into a folder. The arrays are those of an .npz
file: X, y and, where the source has fixed parts, split.
"""

import bz2
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesc.studies.data.datasets import Arrays
from hermesrt.errors import InputError
from hermesrt.files.atomic import read_file

_LETTER_TRAINING = 16_000  # of 20,000, by the description that comes with the data
_IJCNN1_INDICATORS = 10


@dataclass(frozen=True, slots=True)
class Original:
    """Files of a download (any that is there, of alternatives), which of them are needed, how they
    are read together, and where they come from."""

    files: tuple[str, ...]
    needed: tuple[str, ...]
    read: Callable[[Sequence[Path]], Arrays]
    url: str


def find_original(folder: Path, name: str) -> tuple[Path, Arrays] | None:
    """The arrays of a dataset whose original files are in the folder, and the first of the files.

    Raises: InputError for a file that is missing beside others, or a wrong line, by number.
    """
    original = ORIGINALS.get(name)
    if original is None or not any((folder / f).exists() for f in original.files):
        return None
    paths = []
    for wanted in original.needed:
        found = [p for p in (folder / wanted, folder / f"{wanted}.bz2") if p.exists()]
        if not found:
            raise InputError(
                f"{folder}: there is no {wanted} beside the others; see {original.url}"
            )
        paths.append(found[0])
    return paths[0], original.read(paths)


def _lines(path: Path) -> list[str]:
    data = read_file(path, "file of data")
    try:
        text = (bz2.decompress(data) if path.suffix == ".bz2" else data).decode("ascii")
    except (OSError, ValueError):
        raise InputError(f"{path}: not a readable text file; download it again") from None
    return [line for line in text.splitlines() if line.strip()]


def _table(path: Path, separator: str | None, columns: int) -> list[list[str]]:
    found = []
    for number, line in enumerate(_lines(path), start=1):
        words = line.split(separator)
        if len(words) != columns:
            raise InputError(f"{path}, line {number}: {len(words)} values; there must be {columns}")
        found.append(words)
    return found


def _numbers(path: Path, table: list[list[str]]) -> NDArray[Any]:
    try:
        return np.array(table, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path}: not all numbers: {error}") from None


def _letter(paths: Sequence[Path]) -> Arrays:
    """The letter, then 16 whole numbers; A to M are class 1, as published."""
    table = _table(paths[0], ",", 17)
    letters = np.array([row[0] for row in table])
    rows = _numbers(paths[0], [row[1:] for row in table])
    split = (np.arange(len(rows)) >= _LETTER_TRAINING).astype(np.int64)
    return {"X": rows, "y": letters, "y_binary": (letters <= "M").astype(np.int64), "split": split}


def _skin(paths: Sequence[Path]) -> Arrays:
    """B, G, R and 1 (skin) or 2, between tabs."""
    rows = _numbers(paths[0], _table(paths[0], None, 4))
    return {"X": rows[:, :3], "y": (rows[:, 3] == 1).astype(np.int64)}


def _magic(paths: Sequence[Path]) -> Arrays:
    """Ten numbers, then g or h."""
    table = _table(paths[0], ",", 11)
    rows = _numbers(paths[0], [row[:-1] for row in table])
    return {"X": rows, "y": np.array([row[-1].strip() == "g" for row in table]).astype(np.int64)}


def _eeg(paths: Sequence[Path]) -> Arrays:
    """ARFF: lines with @ and %, then 14 numbers and the state of the eyes, 0 or 1."""
    lines = [line for line in _lines(paths[0]) if line.strip()[0] not in "@%"]
    table = [line.split(",") for line in lines]
    for number, words in enumerate(table, start=1):
        if len(words) != 15:
            raise InputError(
                f"{paths[0]}, row {number} of the data: {len(words)} values; there must be 15"
            )
    rows = _numbers(paths[0], table)
    return {"X": rows[:, :14], "y": rows[:, 14].astype(np.int64)}


def _ijcnn1(paths: Sequence[Path]) -> Arrays:
    """Three LIBSVM files. Of the ten indicators, one is on: its number is the first column."""
    parts = [_libsvm(path, 22) for path in paths]
    rows, labels, split = [], [], []
    for number, (x, y) in enumerate(parts):
        active = x[:, :_IJCNN1_INDICATORS].argmax(1) + 1
        rows.append(np.column_stack([active, x[:, _IJCNN1_INDICATORS:]]))
        labels.append(y > 0)
        split.append(np.full(len(y), number))
    y = np.concatenate(labels).astype(np.int64)
    return {"X": np.concatenate(rows), "y": y, "split": np.concatenate(split)}


def _cod_rna(paths: Sequence[Path]) -> Arrays:
    """Two LIBSVM files; the second is for tests."""
    parts = [_libsvm(path, 8) for path in paths]
    split = np.concatenate([np.full(len(y), number) for number, (_, y) in enumerate(parts)])
    y = np.concatenate([y > 0 for _, y in parts]).astype(np.int64)
    return {"X": np.concatenate([x for x, _ in parts]), "y": y, "split": split}


def _libsvm(path: Path, columns: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """`label index:value index:value ...`, indices from 1; what is not given is 0."""
    lines = _lines(path)
    rows, labels = np.zeros((len(lines), columns)), np.zeros(len(lines))
    for number, line in enumerate(lines):
        label, *pairs = line.split()
        try:
            labels[number] = float(label)
            for pair in pairs:
                index, value = pair.split(":")
                if not 1 <= int(index) <= columns:
                    raise ValueError(pair)
                rows[number, int(index) - 1] = float(value)
        except ValueError:
            raise InputError(
                f"{path}, line {number + 1}: {line[:80]!r}; it must be a label and index:value "
                f"pairs with indices from 1 to {columns}"
            ) from None
    return rows, labels


_UCI = "https://archive.ics.uci.edu/dataset"
_LIBSVM = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary.html"


def _original(read: Callable[[Sequence[Path]], Arrays], url: str, *needed: str) -> Original:
    return Original((*needed, *(f"{name}.bz2" for name in needed)), needed, read, url)


ORIGINALS: Mapping[str, Original] = {
    "letter": _original(_letter, f"{_UCI}/59/letter+recognition", "letter-recognition.data"),
    "ijcnn1": _original(_ijcnn1, f"{_LIBSVM}#ijcnn1", "ijcnn1.tr", "ijcnn1.val", "ijcnn1.t"),
    "skin": _original(_skin, f"{_UCI}/229/skin+segmentation", "Skin_NonSkin.txt"),
    "eeg": _original(_eeg, f"{_UCI}/264/eeg+eye+state", "EEG Eye State.arff"),
    "magic": _original(_magic, f"{_UCI}/159/magic+gamma+telescope", "magic04.data"),
    "cod-rna": _original(_cod_rna, f"{_LIBSVM}#cod-rna", "cod-rna", "cod-rna.t"),
}
