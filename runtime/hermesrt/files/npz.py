"""Reading `.npz` files that come from anywhere."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.errors import InputError
from hermesrt.files.atomic import read_file

LARGE = 2**30  # bytes of an unpacked array; a larger one may not be packed much smaller
DENSEST = 100  # times that a large array may be smaller in the file
_WIDEST = {"f": 8, "c": 16}  # bytes of the largest numbers that torch has


def read_arrays(path: Path, what: str = "file of inputs") -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file, in this machine's byte order; pickled objects are refused.

    Raises: InputError that names the array.
    """
    return arrays_of(read_file(path, what), path)


def arrays_of(data: bytes, path: Path) -> dict[str, NDArray[Any]]:
    """The same of a file's bytes; `path` is what messages call it.

    Raises: InputError that names the array.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise InputError(f"{path}: not an .npz file; write one with np.savez(path, name=array)")
    try:
        _check_sizes(data, path)
        with warnings.catch_warnings(), np.load(io.BytesIO(data), allow_pickle=False) as archive:
            warnings.simplefilter("ignore")
            names = archive.files
            _check_names(names, path)
            return {name: _array(archive[name], f"{path}: {name!r}") for name in names}
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:  # a damaged file ends in whatever zipfile, zlib and numpy raise
        text = str(error).split("\n")[0][:200] or type(error).__name__
        raise InputError(f"{path}: not a readable .npz file of plain arrays: {text}") from None


def _check_sizes(data: bytes, path: Path) -> None:
    """No array is a bomb: a few bytes that unpack to more than the machine can hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for part in archive.infolist():
            if part.file_size > max(LARGE, DENSEST * part.compress_size):
                raise InputError(
                    f"{path}: {part.filename!r} unpacks to {part.file_size:,} bytes from "
                    f"{part.compress_size:,}; an array of more than {LARGE:,} bytes may not be "
                    f"packed more than {DENSEST} times smaller: write it with np.savez, unpacked"
                )


def _check_names(names: list[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: holds two arrays named {twice[0]!r}; write it again")


def _array(value: Any, place: str) -> NDArray[Any]:
    """A member as an array of this machine.

    Raises: InputError for what is no array, and for numbers wider than torch's.
    """
    if not isinstance(value, np.ndarray):
        raise InputError(f"{place} is not an array; write the file with np.savez(path, name=array)")
    if value.dtype.itemsize > _WIDEST.get(value.dtype.kind, value.dtype.itemsize):
        raise InputError(
            f"{place} holds {value.dtype} (long double), wider than torch's numbers; write it with "
            ".astype(np.float32)"
        )
    return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
