"""A program as users give it: in hand, or the file of one."""

from pathlib import Path

import hermesrt.program as runtime
from hermesc.api.notebook import Program, as_shown
from hermesrt.chip.load import GivenSettings
from hermesrt.program import with_settings

GivenProgram = runtime.Program | str | Path


def program_of(given: GivenProgram, chip_settings: GivenSettings = ()) -> Program:
    """The program, with some numbers of its chip replaced.

    Raises: InputError, ArtifactError, OptionError.
    """
    if not isinstance(given, runtime.Program):
        return Program.load(given, chip_settings)
    if not chip_settings:
        return as_shown(given)
    return Program(with_settings(given.artifact, chip_settings), given.sha256)


def file_of(given: GivenProgram) -> Path | None:
    """The file of a program that is to be read, which must not be written over."""
    return None if isinstance(given, runtime.Program) else Path(given)
