"""A program as users give it: in hand, or the file of one."""

from pathlib import Path

from hermesrt.chip.load import Settings
from hermesrt.errors import OptionError
from hermesrt.program import Program

GivenProgram = Program | str | Path


def program_of(given: GivenProgram, chip_settings: Settings = ()) -> Program:
    """The program; one that is read may have numbers of its chip replaced.

    Raises: InputError, ArtifactError, OptionError.
    """
    if not isinstance(given, Program):
        return Program.load(given, chip_settings)
    if chip_settings:
        raise OptionError("chip_settings belong to a program's file: load it with them")
    return given


def file_of(given: GivenProgram) -> Path | None:
    """The file of a program that is to be read, which must not be written over."""
    return None if isinstance(given, Program) else Path(given)
