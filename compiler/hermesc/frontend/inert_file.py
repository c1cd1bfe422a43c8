"""torch.save's files that hold objects of absent packages: tensors are read, all else stays inert.

torch's own reader of weights alone makes objects of known classes and refuses any other name. Here
it finds a class that does nothing under each name that it does not know, so a file can neither run
code nor needs the package that wrote it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

_MADE_BY = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")


class Inert:
    """An object whose class is not known here; it takes what it is given and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "Inert":
        """Of any arguments."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        """Nothing of it is kept."""


def read_inert(path: Path) -> Any:
    """What is in the file, its unknown objects inert.

    Raises: as torch.load does, also for files of torch before 1.6.
    """
    known = _numpy()
    unknown = set(get_unsafe_globals_in_checkpoint(path)) - {name for _, name in known}
    inert: list[tuple[Callable[..., Any], str]] = [(Inert, name) for name in sorted(unknown)]
    with safe_globals([*known, *inert]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _numpy() -> list[tuple[Callable[..., Any], str]]:
    """What puts arrays of numbers together, by its names in old and new files."""
    found = [(_array, name) for name in _MADE_BY]
    kinds = {type(np.dtype(code)) for code in np.typecodes["All"]}
    return [
        *found, (np.ndarray, "numpy.ndarray"), (np.dtype, "numpy.dtype"),
        *((kind, f"{kind.__module__}.{kind.__qualname__}") for kind in kinds),
        (_bytes, "_codecs.encode"),
    ]  # fmt: skip


def _array(kind: type, _shape: tuple[int, ...], _code: bytes) -> np.ndarray[Any, Any]:
    """An empty array, which takes its numbers next."""
    if kind is not np.ndarray:
        raise TypeError(f"{kind} is not an array of numbers")
    return np.ndarray(0, np.int8)


def _bytes(text: str, encoding: str) -> bytes:
    """Bytes as pickles of protocol 2 have them."""
    if encoding != "latin1":
        raise ValueError(f"bytes are written as latin1, not as {encoding}")
    return text.encode("latin1")
