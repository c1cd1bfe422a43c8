"""An observer of the compiler that keeps the stages' times and writes the stages as text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermesc.app.digital_fallback import DigitalFallback
from hermesc.app.dump import dump_text
from hermesrt.errors import OptionError
from hermesrt.files.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """One stage's name, and how long it took in seconds."""

    name: str
    seconds: float


class StageLog:
    """Times of the last compilation's stages, and the search for layers to leave digital."""

    def __init__(self, folder: Path | None = None) -> None:
        self.stages: list[StageSeconds] = []
        self.fallback: DigitalFallback | None = None
        self._folder = folder

    def __call__(self, name: str, stage: object, seconds: float) -> None:
        """Take one stage; with a folder, write it there as text."""
        if isinstance(stage, DigitalFallback):
            self.fallback = stage
            return
        if name == "capture":  # a search compiles more than once: the last program's stages count
            self.stages.clear()
        self.stages.append(StageSeconds(name, seconds))
        if self._folder is not None:
            _write(self._folder, f"{len(self.stages):02}-{name}.txt", stage)


def _write(folder: Path, file: str, stage: Any) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--dump {folder}: {error.strerror}; name another folder") from None
    write_atomically(folder / file, dump_text(stage).encode())
