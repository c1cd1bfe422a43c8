"""Where a study's data comes from: packages, a folder of .npz files, or the public originals."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesc.kernels.options import import_optional
from hermesc.studies.data.datasets import Dataset, dataset_of, dataset_path
from hermesc.studies.data.raw_formats import ORIGINALS, find_original
from hermesrt.errors import InputError, OptionError
from hermesrt.files.npz import read_arrays

PACKAGED = ("digits", "breast_cancer", "wine")


@dataclass(frozen=True, slots=True)
class DataSource:
    """A dataset by name, in scikit-learn (no folder) or in a folder.

    `all_rows` takes also rows that the published file does not hold. `digest` is that of the data,
    once it was read: another process must find the same.
    """

    name: str
    folder: Path | None = None
    all_rows: bool = False
    digest: str = ""

    def read(self) -> Dataset:
        """The data.

        Raises: InputError when it is not there, damaged, or not what it was.
        """
        found = self._read()
        if self.digest and found.digest != self.digest:
            raise InputError(
                f"{self.name} in {self.folder}: other data than where the study was started; give "
                "all machines the same files"
            )
        return found

    def of(self, found: Dataset) -> "DataSource":
        """This source with the digest of what it gave."""
        return replace(self, digest=found.digest)

    def _read(self) -> Dataset:
        if self.folder is None:
            return _packaged(self.name)
        path = dataset_path(self.folder, self.name)
        if path.exists():
            return dataset_of(self.name, read_arrays(path), path, all_rows=self.all_rows)
        found = find_original(self.folder, self.name)
        if found is None:
            raise InputError(missing(self.folder, self.name))
        path, arrays = found
        return dataset_of(self.name, arrays, path, all_rows=self.all_rows)


def is_there(folder: Path, name: str) -> bool:
    """Whether a folder holds a dataset in one of its formats."""
    original = ORIGINALS.get(name)
    files = () if original is None else original.files
    return dataset_path(folder, name).exists() or any((folder / f).exists() for f in files)


def missing(folder: Path, name: str) -> str:
    """What to say where there is none."""
    original = ORIGINALS.get(name)
    text = f"--data {folder}: there is no {name}.npz"
    if original is None:
        return f"{text}; write one with X (rows by features) and y"
    return f"{text}, nor {' with '.join(original.needed)}; download from {original.url}"


def _packaged(name: str) -> Dataset:
    if name not in PACKAGED:
        raise OptionError(
            f"--datasets {name}: without --data there are {', '.join(PACKAGED)} (scikit-learn's); "
            f"{missing(Path('DIR'), name)}"
        )
    datasets = import_optional("sklearn.datasets", f"the data set {name}")
    load: Callable[..., Any] = getattr(datasets, f"load_{name}")
    x, y = load(return_X_y=True)
    arrays: dict[str, NDArray[Any]] = {"X": np.asarray(x), "y": np.asarray(y)}
    return dataset_of(name, arrays, Path(f"scikit-learn's {name}"))
