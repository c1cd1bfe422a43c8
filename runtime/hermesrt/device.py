"""What a chip can do, real or simulated: whoever has one writes this protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact, MvmStep
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.reads import Keys
from hermesrt.workload import Workload

Method = Literal["published", "gdp", "verify", "oneshot", "ideal"]
METHODS: tuple[Method, ...] = ("published", "gdp", "verify", "oneshot", "ideal")
DRAWN: tuple[Method, ...] = ("published", "ideal")  # not pulse by pulse
EndState = Literal["published", "ideal"]
PulseKind = Literal["set", "reset", "iterative"]


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How the arrays are read.

    age_s: time since programming, s.
    mode: of all layers; None for each matrix's own.
    ideal: whether every non-ideality is off.
    """

    age_s: float = 0.0
    mode: Mode | None = None
    ideal: bool = False


@dataclass(frozen=True)
class DeviceState:
    """What programming left in the cells, to be saved and loaded.

    chip: its name.
    method: how the weights were written.
    seed: of everything random about the device.
    arrays: by name: `<core>.conductance`, S, and `<core>.nu`, each [devices, polarity, rows,
        columns]; what else a device needs to go on programming has names of its own.
    """

    chip: str
    method: Method
    seed: int
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Pulses:
    """One pulse each for some unit cells of a core.

    kind: of the pulse.
    cells: their places, row * columns + column, [pulses].
    device: which of the cell's four: 0 and 1 are positive, 2 and 3 negative, [pulses].
    ampere: the current, [pulses], A.
    """

    kind: PulseKind
    cells: Int64[Tensor, " pulses"]
    device: Int64[Tensor, " pulses"]
    ampere: Float[Tensor, " pulses"]


@runtime_checkable
class Device(Protocol):
    """A chip of cores with crossbars, converters and LDPUs.

    Running a program needs load, configure, mvm and cost; pulse-by-pulse programming needs pulse,
    read_cells, mvm_core and settle. `index` numbers the calls and `reads` names the read of each
    vector, so that a simulator can draw the same noise again; a chip ignores them.
    """

    @property
    def chip(self) -> ChipSpec:
        """Its description."""
        ...

    @property
    def seed(self) -> int:
        """The seed of everything random about it."""
        ...

    @property
    def identity(self) -> str:
        """What tells it from others of its seed: a serial number, a simulator's defects."""
        ...

    @property
    def loaded(self) -> Artifact | None:
        """The program that it holds."""
        ...

    def load(self, artifact: Artifact) -> None:
        """Take a program's tiles, ranges and LDPU parameters; no weight is written yet."""
        ...

    def draw(self, end_state: EndState) -> None:
        """Take the loaded program's weights as they are after programming; simulators only."""
        ...

    def pulse(self, core: int, pulses: Pulses, index: int) -> None:
        """Send programming pulses into a core's cells."""
        ...

    def read_cells(
        self, core: int, devices: tuple[int, ...], index: int
    ) -> Float[Tensor, "polarity rows columns"]:
        """Verify read, in counts of `programming_pulses`: the sum of the given devices (0, 1)."""
        ...

    def mvm_core(
        self, core: int, x: Float[Tensor, "vectors rows"], index: int
    ) -> Float[Tensor, "vectors columns"]:
        """Raw ADC counts of a whole core for inputs in [-1, 1], before the LDPU."""
        ...

    def settle(self, method: Method) -> None:
        """Programming by that method is over: the age counts from here."""
        ...

    def configure(self, settings: ReadSettings) -> None:
        """Set age and read mode for the MVMs that follow."""
        ...

    def mvm(
        self, step: MvmStep, x: Float[Tensor, "vectors rows"], reads: Keys, copy: int = 0
    ) -> Tensor:
        """One MVM step for some vectors, on one copy of its matrix; a vector's noise depends on
        seed, step, copy and its own number in `reads`, [vectors]."""
        ...

    def state(self) -> DeviceState:
        """The programmed cells."""
        ...

    def restore(self, state: DeviceState) -> None:
        """Take programmed cells of the same program back.

        Raises: ArtifactError when they are of another program or chip.
        """
        ...

    def cost(self, workload: Workload, mode: Mode | None) -> Cost:
        """Time and energy of a program's work, from counts and shapes alone, in a read mode or in
        each matrix's own."""
        ...


@runtime_checkable
class TakesImages(Protocol):
    """A device that makes the windows of images itself."""

    def mvm_windows(
        self, step: MvmStep, images: Float[Tensor, "images *sizes channels"], reads: Keys
    ) -> Float[Tensor, "images *outputs columns"] | None:
        """The step on the first copy at all positions of its window, with a read for each, in
        raster order; None where it has to be given the vectors."""
        ...
