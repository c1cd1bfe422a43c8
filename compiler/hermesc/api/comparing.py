"""What changed between two programs, or two reports. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hermesrt.artifact.schema import Artifact
from hermesrt.difference import Difference, difference
from hermesrt.errors import OptionError
from hermesrt.report.notebook import text_html
from hermesrt.report.text.diff import difference_text

if TYPE_CHECKING:
    from hermesc.api.costing import CostReport
    from hermesc.api.given import GivenProgram
    from hermesc.api.running import RunResult
    from hermesrt.run_report import RunReport

    Compared: TypeAlias = GivenProgram | RunReport | RunResult | CostReport | Mapping[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class ShownDifference:
    """What changed; `str()` of it is the terminal's text."""

    found: Difference

    def __repr__(self) -> str:
        return f"<Difference of two {self.found.kind}s: {len(self.found.changes)} changes>"

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return self.found.to_json()

    def __str__(self) -> str:
        return difference_text(self.found)


def diff(first: "Compared", second: "Compared") -> ShownDifference:
    """What changed between two programs, or two reports: their files, or what is in hand.

    Raises: InputError, ArtifactError.
    """
    return ShownDifference(difference(_compared(first), _compared(second)))


def _compared(given: "Compared") -> Path | Artifact | Mapping[str, Any]:
    if isinstance(given, str | Path):
        return Path(given)
    if isinstance(given, Mapping):
        return given
    if hasattr(given, "artifact") and hasattr(given, "digest"):
        return given.artifact
    if hasattr(given, "to_json"):
        found: Mapping[str, Any] = given.to_json()
        return found
    raise OptionError(
        f"diff of a {type(given).__name__}: give programs, reports of `run` or `cost`, or files"
    )
