"""What a program file holds, as frozen data. After this nobody sees the compiler's graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from hermesrt.artifact.account import ChipCut as ChipCut
from hermesrt.artifact.account import LayerDefects as LayerDefects
from hermesrt.artifact.account import NodeAssignment as NodeAssignment
from hermesrt.artifact.account import PredictedError as PredictedError
from hermesrt.artifact.account import Score as Score
from hermesrt.artifact.account import Unit as Unit
from hermesrt.artifact.matrices import AS_RUN as AS_RUN
from hermesrt.artifact.matrices import LayerMethod as LayerMethod
from hermesrt.artifact.matrices import Matrix as Matrix
from hermesrt.artifact.matrices import Route as Route
from hermesrt.artifact.matrices import Slice as Slice
from hermesrt.artifact.matrices import Tile as Tile
from hermesrt.artifact.steps import ConstantStep as ConstantStep
from hermesrt.artifact.steps import HostStep as HostStep
from hermesrt.artifact.steps import InputSpec as InputSpec
from hermesrt.artifact.steps import MvmStep as MvmStep
from hermesrt.artifact.steps import Step as Step
from hermesrt.artifact.steps import host_step as host_step
from hermesrt.chip.fields import limits
from hermesrt.chip.load import chip_from_tables
from hermesrt.chip.spec import ChipSpec
from hermesrt.ops.call import last_uses


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything in a program but its tensors.

    name: of the model.
    generator: what wrote the file, with its version.
    chip: the chip's tables, as in its TOML.
    inputs: in the order of the model's arguments.
    steps: in the order in which they are served.
    outputs: names of the results that the model returns.
    matrices: all that are stored on crossbars.
    routes: of partial sums, where they pass other cores.
    account: one entry for each node of the model.
    rows_independent: whether each output row depends on its own input row alone, so that rows may
        be
        run in parts; files call it `streams`.
    calibration_rows: rows of the calibration data that set the ranges.
    notes: sentences for the report.
    placement: how good it is.
    chips: how many chips it needs.
    defects: an entry for each matrix, where a map of defects was given.
    classes: what the columns of the first output stand for (of two classes, the sign of a single
        column), if the model tells.
    predicted: an entry for each MVM step, in order; none in files of older compilers.
    cut: how it is cut over chips; None on one chip, and where a mapping file places all.
    """

    name: str
    generator: str
    chip: Any
    inputs: tuple[InputSpec, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    routes: tuple[Route, ...]
    account: tuple[NodeAssignment, ...]
    rows_independent: bool = field(metadata={"key": "streams"})
    calibration_rows: int
    notes: tuple[str, ...]
    placement: Score
    chips: int = limits(1, 4096)
    defects: tuple[LayerDefects, ...] = ()
    classes: tuple[int | float | str, ...] = ()
    predicted: tuple[PredictedError, ...] = ()
    cut: ChipCut | None = None


@dataclass(frozen=True, repr=False)
class Artifact:
    """A program.

    manifest: everything but the tensors.
    tensors: by name.
    examples: sample inputs by name, the samples first.
    labels: of the examples, [samples], if any; places in `classes` where the model has them.
    """

    manifest: Manifest
    tensors: Mapping[str, NDArray[Any]]
    examples: Mapping[str, NDArray[Any]]
    labels: NDArray[Any] | None = None

    def __repr__(self) -> str:
        return f"<Artifact {self.manifest.name}, {len(self.manifest.matrices)} matrices>"

    @cached_property
    def chip(self) -> ChipSpec:
        """The chip that it was compiled for."""
        return chip_from_tables(self.manifest.chip, f"in {self.manifest.name}")

    @cached_property
    def matrices(self) -> dict[str, Matrix]:
        """Stored matrices by name."""
        return {m.name: m for m in self.manifest.matrices}

    @cached_property
    def mvms(self) -> tuple[MvmStep, ...]:
        """MVM steps in order, each with its second product."""
        steps = (s for s in self.manifest.steps if isinstance(s, MvmStep))
        return tuple(product for s in steps for product in s.products)

    @cached_property
    def timed(self) -> dict[str, str]:
        """By its name, the step that each product of a time step belongs to."""
        return {p.name: s.name for s in self.mvms if s.recurrence for p in s.products}

    @cached_property
    def last_uses(self) -> list[list[str]]:
        """After each step, the values that nothing later needs."""
        manifest = self.manifest
        return last_uses([(s.name, s.takes) for s in manifest.steps], manifest.outputs)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return sum(len(m.tiles) for m in self.manifest.matrices)

    @cached_property
    def cores(self) -> tuple[int, ...]:
        """The cores in use."""
        return tuple(sorted({t.core for m in self.manifest.matrices for t in m.tiles}))

    @property
    def cores_in_all(self) -> int:
        """Cores of all its chips, in use or not."""
        return self.chip.cores * self.manifest.chips

    @cached_property
    def chips(self) -> tuple[int, ...]:
        """The chips of which a core is in use."""
        return tuple(sorted({core // self.chip.cores for core in self.cores}))

    @property
    def utilisation(self) -> float:
        """Unit cells in use over those of the cores in use."""
        cells = sum(t.cells for m in self.manifest.matrices for t in m.tiles)
        return cells / (len(self.cores) * self.chip.cells_per_core) if self.cores else 0.0

    def count(self, unit: Unit) -> int:
        """Number of the model's nodes that run there."""
        return sum(a.unit == unit for a in self.manifest.account)
