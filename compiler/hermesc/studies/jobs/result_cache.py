"""Finished parts of a study on disk, so that a killed one goes on where it was.

A cell is one job's result in a file of its own, named by the hash of everything that determines it:
the job, its data, the chip, the versions of torch and numpy, and the source text of this software.
So a result is taken up only where computing it again would give the same one.
"""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermesrt.errors import InputError
from hermesrt.files.atomic import check_writable, write_atomically

_PACKAGES = ("hermesc", "hermesrt", "hermes_sim", "hermes_chip")
_SOURCES = (".py", ".toml")


class DamagedResultWarning(UserWarning):
    """A kept result was changed or damaged."""


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of cells. With `fresh` none is taken up."""

    folder: Path
    fresh: bool = False

    def find(self, identity: Mapping[str, Any]) -> Any:
        """The result that was kept for this identity, or None: also for a file that was changed
        or damaged, with a warning, for then it is computed again.
        """
        path = self._path(identity)
        if self.fresh or not path.exists():
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            same = kept["identity"] == json.loads(_text(identity))
            if same and kept["sha256"] == _checksum(kept["identity"], kept["result"]):
                return kept["result"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        warnings.warn(
            f"{path}: this kept result was changed or damaged; it is computed again",
            DamagedResultWarning,
            stacklevel=2,
        )
        return None

    def check(self) -> None:
        """Make the folder and see that it can be written, before long work.

        Raises: InputError.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--cells {self.folder}: {error.strerror}; name another folder"
            ) from None
        check_writable(self.folder / "cell.json")

    def count(self, identities: Iterable[Mapping[str, Any]]) -> int:
        """How many of some results are kept and will be taken up."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedResultWarning)
            return sum(self.find(one) is not None for one in identities)

    def keep(self, identity: Mapping[str, Any], result: Any) -> None:
        """Write a result, whole or not at all.

        Raises: InputError when the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        plain, kept = json.loads(_text(identity)), json.loads(json.dumps(result))
        text = json.dumps({"identity": plain, "result": kept, "sha256": _checksum(plain, kept)})
        write_atomically(self._path(identity), text.encode())

    def _path(self, identity: Mapping[str, Any]) -> Path:
        return self.folder / f"{hashlib.sha256(_text(identity).encode()).hexdigest()[:40]}.json"


def software() -> dict[str, str]:
    """What computes: the hash of our own source text, and the versions of what does the numbers."""
    return {"source": source_hash(), "torch": torch.__version__, "numpy": np.__version__}


@cache
def source_hash() -> str:
    """SHA-256 of the source text and the tables of all packages of ours, as hexadecimal digits."""
    found = hashlib.sha256()
    for name in _PACKAGES:
        folder = Path(str(import_module(name).__file__)).parent
        for path in sorted(p for p in folder.rglob("*") if p.suffix in _SOURCES):
            found.update(f"{name}/{path.relative_to(folder).as_posix()}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def _checksum(identity: Any, result: Any) -> str:
    """Of a file's content, as plain data."""
    return hashlib.sha256(_text({"identity": identity, "result": result}).encode()).hexdigest()


def _text(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
