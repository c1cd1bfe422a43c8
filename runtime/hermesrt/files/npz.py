"""Reading `.npz` files that come from anywhere."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.errors import InputError
from hermesrt.files.atomic import read_file


def read_arrays(path: Path, what: str = "file of inputs") -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file; pickled objects are refused.

    Raises: InputError.
    """
    data = read_file(path, what)
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise InputError(f"{path}: not an .npz file; write one with np.savez(path, name=array)")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError, MemoryError) as error:
        text = str(error).split("\n")[0]
        raise InputError(f"{path}: not a readable .npz file of plain arrays: {text}") from None
