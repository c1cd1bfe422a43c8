"""What a chip can do, real or simulated: whoever has one writes this protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from hermesc.artifact.schema import Artifact, MvmStep, Tile
from hermesc.target.spec import ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.workload import Workload

Method = Literal["published", "ideal"]
METHODS: tuple[Method, ...] = ("published", "ideal")


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How the arrays are read: age since programming, read mode, or without any non-ideality."""

    age_s: float = 0.0
    mode: Mode = "4-phase"
    ideal: bool = False


@dataclass(frozen=True)
class DeviceState:
    """What programming left in the cells, to be saved and loaded: arrays by name, [rows, columns]
    of each core."""

    chip: str
    method: Method
    seed: int
    arrays: Mapping[str, NDArray[Any]]


class Device(Protocol):
    """A chip of cores with crossbars, converters and LDPUs."""

    @property
    def chip(self) -> ChipSpec:
        """Its description."""
        ...

    @property
    def seed(self) -> int:
        """The seed of everything random about it."""
        ...

    @property
    def loaded(self) -> Artifact | None:
        """The program that it holds."""
        ...

    def load(self, artifact: Artifact) -> None:
        """Take a program's tiles, ranges and LDPU parameters; no weight is written yet."""
        ...

    def program(self, method: Method) -> None:
        """Write the loaded program's weights into the cells."""
        ...

    def configure(self, settings: ReadSettings) -> None:
        """Set age and read mode for the MVMs that follow."""
        ...

    def mvm(self, step: MvmStep, x: Float[Tensor, "vectors rows"], block: int) -> Tensor:
        """One MVM step for a block of vectors; read noise depends on seed, step and `block`."""
        ...

    def mvm_tile(
        self, matrix: str, tile: Tile, x: Float[Tensor, "vectors rows"]
    ) -> Float[Tensor, "vectors columns"]:
        """The product of one tile alone, as its converters give it, for inputs in [-1, 1]."""
        ...

    def state(self) -> DeviceState:
        """The programmed cells."""
        ...

    def restore(self, state: DeviceState) -> None:
        """Take programmed cells of the same program back.

        Raises: ArtifactError when they are of another program or chip.
        """
        ...

    def cost(self, workload: Workload, mode: Mode) -> Cost:
        """Time and energy of a program's work, from counts and shapes alone."""
        ...
