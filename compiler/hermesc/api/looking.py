"""Looking at what there is: programs, what changed between two, installed chips. Needs no torch,
unless time and energy are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hermesrt.artifact.io import load
from hermesrt.artifact.published_mapping import to_text
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.load import chip_names, chip_tables, load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.difference import Difference, difference
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.files.digest import Digest
from hermesrt.report.notebook import text_html
from hermesrt.report.text.diff import difference_text
from hermesrt.report.text.inspect import inspect_json, inspect_text
from hermesrt.report.text.terminal import chip_text

if TYPE_CHECKING:
    from hermesc.api.costing import CostReport
    from hermesc.api.given import GivenProgram, GivenShapes
    from hermesc.api.running import RunResult
    from hermesrt.run_report import RunReport

    Compared: TypeAlias = GivenProgram | RunReport | RunResult | CostReport | Mapping[str, Any]

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
    text = to_text(_read(program)[0])
    if output is not None:
        file = Path(program) if isinstance(program, str | Path) else None
        check_writable(Path(output), program=file)
        write_atomically(Path(output), text.encode())
    return text


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


@dataclass(frozen=True, slots=True, repr=False)
class InstalledChips:
    """Chips; `str()` of it is the terminal's text.

    chips: their descriptions.
    alone: whether one is shown, with the source of every number.
    """

    chips: tuple[ChipSpec, ...]
    alone: bool

    def __repr__(self) -> str:
        return f"<InstalledChips {', '.join(chip.name for chip in self.chips)}>"

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def to_json(self) -> dict[str, Any]:
        """One chip's tables, or the names of several."""
        if self.alone:
            return chip_tables(self.chips[0])
        return {"chips": [chip.name for chip in self.chips]}

    def __str__(self) -> str:
        if self.alone:
            (chip,) = self.chips
            tables = {k: v for k, v in chip_tables(chip).items() if isinstance(v, dict)}
            return chip_text(chip, tables)
        return "\n".join(map(_line, self.chips))


def chips(name: str | None = None) -> InstalledChips:
    """The installed chips, or one by its name or TOML file.

    Raises: ChipError.
    """
    names = chip_names() if name is None else (name,)
    return InstalledChips(tuple(map(load_chip, names)), name is not None)


def _line(chip: ChipSpec) -> str:
    hypothetical = "hypothetical: " if chip.hypothetical else ""
    return f"{chip.name:<12}{chip.cores} cores: {hypothetical}{chip.description}"


def _read(program: "GivenShapes") -> tuple[Artifact, Digest, str]:
    """A program, the digest of its file, and the file's name."""
    if isinstance(program, str | Path):
        return (*load(Path(program)), str(program))
    return program.artifact, program.digest, program.artifact.manifest.name
