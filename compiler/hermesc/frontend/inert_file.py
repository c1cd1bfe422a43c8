"""torch.save's files that hold objects of absent packages: tensors are read, all else stays inert.

A pickle names functions and classes to call. Here it reaches those alone that put tensors, arrays
and dictionaries together; anything else becomes an object that does nothing, so a file can neither
run code nor needs the package that wrote it.
"""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

_KNOWN = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch", "Size"),
        ("torch", "device"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    }
)


class Inert:
    """An object whose class is not known here; it takes what it is given and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        """Nothing of it is kept."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Nothing of it is kept."""

    def append(self, value: Any) -> None:
        """Nothing of it is kept."""

    def extend(self, values: Any) -> None:
        """Nothing of it is kept."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        value = getattr(torch, name, None) if module == "torch" else None
        if isinstance(value, torch.dtype) or (module, name) in _KNOWN:
            return super().find_class(module, name)
        return Inert


def read_inert(path: Path) -> Any:
    """What is in the file, its unknown objects inert.

    Raises: as torch.load does; files of torch before 1.6 are refused.
    """
    names = SimpleNamespace(Unpickler=_Unpickler, load=_refused, __name__="inert")
    return torch.load(path, map_location="cpu", pickle_module=names, weights_only=False)


def _refused(*_: Any, **__: Any) -> Any:
    raise pickle.UnpicklingError("a file of torch before 1.6")
