"""Everything that can go wrong, as a tree of exceptions with an exit code each.

A message says where, what was found, what is allowed and what to do next. `InputError` is the
user's to mend (exit 2), `CapacityError` means that it does not fit (exit 3), `InternalError` is a
bug of ours (exit 70).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hermesrt.shown import shown


@dataclass(frozen=True, slots=True)
class Location:
    """Where in the user's code an operation was written.

    module: path of the module that ran it, as in `named_modules`; "" at the top.
    file: of the user's code; "" where it is not known.
    line: its number, from 1; 0 where it is not known.
    code: the line's text.
    """

    module: str = ""
    file: str = ""
    line: int = 0
    code: str = ""

    def __str__(self) -> str:
        """As it is shown: what has no ink is an escape."""
        if not self.file:
            return shown(self.module) or "?"
        return f"{shown(self.file)}:{self.line}"

    @property
    def place(self) -> str:
        """File and line, and the module that ran it, where both are known."""
        return f"{self} in {shown(self.module)}" if self.file and self.module else str(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one operation does not run on the analog crossbars (or runs nowhere).

    op: the operation.
    location: where it stands in the user's model.
    reason: in words.
    """

    op: str
    location: Location
    reason: str


class HermescError(Exception):
    """Base of all errors that `hermesc` raises on purpose."""

    exit_code = 70


class InputError(HermescError):
    """Something that the user gave is wrong."""

    exit_code = 2


class ModelError(InputError):
    """The model, or the file that defines it, cannot be used."""


class UnsupportedOpError(ModelError):
    """The model holds operations that neither the chip nor the host can run; lists all of them.

    `noun` is what they are in the user's words, `fault` what is wrong with them, `advice` what to
    do about them.
    """

    def __init__(
        self,
        refusals: Sequence[Refusal],
        noun: str = "operation",
        advice: str = "Rewrite these lines with other torch functions, or move them out of the "
        "model's forward into your own code before or after it.",
        fault: str = "run neither on the chip nor on the host",
    ) -> None:
        self.refusals = tuple(refusals)
        lines = [f"  {r.location.place}: {shown(r.op)}: {shown(r.reason)}" for r in self.refusals]
        count = len(self.refusals)
        super().__init__(
            f"{count} {noun}{'s' if count > 1 else ''} of the model can {fault}:\n"
            + "\n".join(lines)
            + f"\n{advice}"
        )


class OptionError(InputError):
    """An option's name or value is not one that exists."""


class MappingError(InputError):
    """A mapping file is wrong, or one of another model or chip."""


class ChipError(InputError):
    """A chip is unknown or its description is wrong."""


class ArtifactError(InputError):
    """A program or state file is damaged, of another version, or not one of ours."""


class CapacityError(HermescError):
    """The model does not fit the chip."""

    exit_code = 3


class InternalError(HermescError):
    """A bug in hermesc."""

    exit_code = 70


class VerifyError(InternalError):
    """A pass produced something that breaks the rules of its stage."""


_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory")
_NO_FILES = ("too many open files",)


def shortage(error: BaseException) -> str | None:
    """What the user's machine is short of, where that is why something failed."""
    found: BaseException | None = error
    while found is not None:
        text = str(found).lower()
        if isinstance(found, MemoryError) or any(words in text for words in _NO_MEMORY):
            return "out of memory; give fewer samples or a smaller model"
        if any(words in text for words in _NO_FILES):
            return "too many open files; raise the limit of this shell (ulimit -n)"
        found = found.__cause__ or found.__context__
    return None
