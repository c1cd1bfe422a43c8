"""A program as users give it: in hand, or the file of one."""

from dataclasses import dataclass
from pathlib import Path

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.load import Settings
from hermesrt.errors import OptionError
from hermesrt.program import Program


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
    def sha256(self) -> str:
        """There is no file."""
        return ""


GivenProgram = Program | str | Path
GivenShapes = ShapedProgram | GivenProgram


def artifact_of(given: GivenShapes, chip_settings: Settings = ()) -> Artifact:
    """The program's content, with or without weights.

    Raises: InputError, ArtifactError, OptionError.
    """
    if isinstance(given, ShapedProgram) and not chip_settings:
        return given.artifact
    return program_of(given, chip_settings).artifact


def program_of(given: GivenShapes, chip_settings: Settings = ()) -> Program:
    """The program; one that is read may have numbers of its chip replaced.

    Raises: InputError, ArtifactError, OptionError.
    """
    if isinstance(given, str | Path):
        return Program.load(given, chip_settings)
    if chip_settings:
        raise OptionError("chip_settings belong to a program's file: load it with them")
    if isinstance(given, ShapedProgram):
        raise OptionError("a program without weights has time and energy alone; compile the model")
    return given


def file_of(given: GivenShapes) -> Path | None:
    """The file of a program that is to be read, which must not be written over."""
    return Path(given) if isinstance(given, str | Path) else None
