"""Files of torch.save with objects that nobody here knows."""

import os
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hermesc.frontend.inert_file import Inert, read_inert

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2), np.array([True, False])]


class Settings:
    """Stands for a class of a package that is absent when the file is read."""

    def __init__(self) -> None:
        self.numbers = [1, 2]


class Kind(Enum):
    ONE = "one"


class Calls:
    """Calls a function when it is read."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._called = function, args

    def __reduce__(self) -> Any:
        return self._called


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("an_absent_package")
    for kind in (Settings, Kind):
        monkeypatch.setattr(kind, "__module__", module.__name__)
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_tensors_and_arrays_are_read_and_unknown_objects_are_inert(
    absent: ModuleType, tmp_path: Path
) -> None:
    weight = torch.randn(3, 2)
    held = {"weight": weight, "settings": Settings(), "kind": Kind.ONE, "arrays": ARRAYS}
    torch.save(held, tmp_path / "m.pt")
    sys.modules.pop(absent.__name__)
    found = read_inert(tmp_path / "m.pt")
    assert torch.equal(found["weight"], weight)
    assert type(found["settings"]) is type(found["kind"]) is Inert
    for array, wanted in zip(found["arrays"], ARRAYS, strict=True):
        assert array.dtype == wanted.dtype
        assert np.array_equal(array, wanted)


@pytest.mark.parametrize("function", [os.system, exec, eval, print, np.load, torch.load])
def test_a_file_calls_nothing(function: Any, tmp_path: Path) -> None:
    word = f"open({str(tmp_path / 'made')!r}, 'w')" if function in (exec, eval) else "touch made"
    torch.save({"weight": torch.ones(2), "more": Calls(function, word)}, tmp_path / "m.pt")
    before = sorted(tmp_path.iterdir())
    try:
        found = read_inert(tmp_path / "m.pt")
    except Exception as error:
        assert "blocked" in str(error)
    else:
        assert type(found["more"]) is Inert
    assert sorted(tmp_path.iterdir()) == before
