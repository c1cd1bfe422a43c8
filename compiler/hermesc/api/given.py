"""A program as users give it: in hand, or the file of one."""

from dataclasses import dataclass
from pathlib import Path

import hermesrt.program as runtime
from hermesc.api.notebook import Program, as_shown
from hermesrt.artifact.chip_settings import with_settings
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.load import GivenSettings
from hermesrt.errors import OptionError
from hermesrt.files.digest import Digest


@dataclass(frozen=True, repr=False)
class ShapedProgram:
    """A program without weights: `hermesc.cost` and `hermesc.inspect` take it.

    artifact: what would be in its file; its tensors take no memory and mean nothing.
    """

    artifact: Artifact

    def __repr__(self) -> str:
        manifest = self.artifact.manifest
        return f"<ShapedProgram {manifest.name} for {self.artifact.chip.name}>"

    @property
    def digest(self) -> Digest:
        """Empty, for there is no file."""
        return Digest(lambda: "")


GivenProgram = runtime.Program | str | Path
GivenShapes = ShapedProgram | GivenProgram


def artifact_of(given: GivenShapes, chip_settings: GivenSettings = ()) -> Artifact:
    """The program's content, with or without weights.

    Raises: InputError, ArtifactError, OptionError.
    """
    if isinstance(given, ShapedProgram):
        return with_settings(given.artifact, chip_settings) if chip_settings else given.artifact
    return program_of(given, chip_settings).artifact


def program_of(given: GivenShapes, chip_settings: GivenSettings = ()) -> Program:
    """The program, with some numbers of its chip replaced.

    Raises: InputError, ArtifactError, OptionError.
    """
    if isinstance(given, str | Path):
        return Program.load(given, chip_settings)
    if isinstance(given, ShapedProgram):
        raise OptionError("a program without weights has time and energy alone; compile the model")
    if not chip_settings:
        return as_shown(given)
    return Program(with_settings(given.artifact, chip_settings), given.digest)


def file_of(given: GivenShapes) -> Path | None:
    """The file of a program that is to be read, which must not be written over."""
    return Path(given) if isinstance(given, str | Path) else None
