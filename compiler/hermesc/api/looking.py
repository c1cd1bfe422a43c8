"""Looking at a program. Needs no torch, unless time and energy are asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hermesrt.artifact.io import load
from hermesrt.artifact.schema import Artifact
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.files.digest import Digest
from hermesrt.report.text.inspect import inspect_json, inspect_text

if TYPE_CHECKING:
    from hermesc.api.costing import CostReport
    from hermesc.api.given import GivenShapes

StageName = Literal[
    "graph", "partition", "tiles", "ranges", "places", "routes", "steps", "cost", "all"
]


@dataclass(frozen=True, slots=True, repr=False)
class Inspection:
    """What is in a program; `str()` of it is the terminal's text.

    artifact: the program.
    digest: of its file; empty without weights.
    file: the file's name.
    stage: the stage that is shown; None for a summary.
    cost: time and energy, where the stage asks for them.
    """

    artifact: Artifact
    digest: Digest
    file: str
    stage: StageName | None
    cost: "CostReport | None"

    @property
    def sha256(self) -> str:
        """Of its file; empty without weights."""
        return self.digest.hex

    def __repr__(self) -> str:
        return f"<Inspection of {self.artifact.manifest.name}>"

    def _repr_html_(self) -> str:
        from hermesrt.report.notebook import text_html

        return text_html(str(self))

    def to_json(self) -> dict[str, Any]:
        """The manifest as it is stored, or the part that the stage shows."""
        from hermesrt.facts.cost import cost_json

        if self.cost is None:
            return inspect_json(self.artifact, self.sha256, self.stage)
        found = {"cost": cost_json(self.artifact, self.cost.cost)}
        if self.stage == "cost":
            return found
        return inspect_json(self.artifact, self.sha256, self.stage) | found

    def __str__(self) -> str:
        from hermesrt.facts.cost import cost_facts
        from hermesrt.facts.fact import aligned
        from hermesrt.report.text.terminal import layer_table

        if self.cost is None:
            return inspect_text(self.artifact, self.file, self.stage)
        cost = self.cost.cost
        text = aligned(cost_facts(self.artifact, cost)) + "\n" + layer_table(cost)
        if self.stage == "cost":
            return text
        return f"{inspect_text(self.artifact, self.file, self.stage)}\n\ncost:\n{text}"


def inspect(program: "GivenShapes", stage: StageName | None = None) -> Inspection:
    """Where each node of a program runs and why, where each matrix sits; one stage in full, or all.

    Raises: InputError, ArtifactError.
    """
    artifact, digest, file = _read(program)
    found = None
    if stage in ("cost", "all"):
        from hermesc.api.costing import cost

        found = cost(program)
    return Inspection(artifact, digest, file, stage, found)


def export_mapping(program: "GivenShapes", output: str | Path | None = None) -> str:
    """The placement as a published mapping file, which `compile` reads; written to `output` if
    given.

    Raises: InputError, ArtifactError, OptionError.
    """
    from hermesrt.artifact.published_mapping import to_text

    text = to_text(_read(program)[0])
    if output is not None:
        file = Path(program) if isinstance(program, str | Path) else None
        check_writable(Path(output), program=file)
        write_atomically(Path(output), text.encode())
    return text


def _read(program: "GivenShapes") -> tuple[Artifact, Digest, str]:
    """A program, the digest of its file, and the file's name."""
    if isinstance(program, str | Path):
        return (*load(Path(program)), str(program))
    return program.artifact, program.digest, program.artifact.manifest.name
