"""What a program file holds, as frozen data. After this nobody sees the compiler's graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from hermesrt.chip.fields import Fill
from hermesrt.chip.load import chip_from_tables
from hermesrt.chip.spec import ChipSpec, Mode, limits
from hermesrt.errors import Location
from hermesrt.ops.call import Call, from_json, last_uses, to_json
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.window import Window

LayerMethod = Literal["as run", "published", "gdp", "verify", "oneshot", "ideal"]
AS_RUN: LayerMethod = "as run"
Unit = Literal["analog", "ldpu", "digital", "free"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a program.

    name: of the model's argument.
    dims: its sizes, the batch first; a fixed one is a number, a free one a name.
    dtype: such as `float32`.
    """

    name: str
    dims: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class ConstantStep:
    """Brings a stored tensor in.

    name: of the result.
    tensor: the name of the stored tensor.
    """

    tag: ClassVar[str] = "constant"
    name: str
    tensor: str

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the results that it takes: none."""
        return ()


@dataclass(frozen=True, slots=True)
class HostStep:
    """One digital operation on the host: an allowed ATen function.

    name: of the result.
    op: the function and its overload.
    args: its arguments, as JSON.
    kwargs: its named arguments, as JSON.
    location: where it stands in the user's model.
    """

    tag: ClassVar[str] = "host"
    name: str
    op: str
    args: Any
    kwargs: Any
    location: Location

    @property
    def call(self) -> Call:
        """The operation with its arguments decoded."""
        args = tuple(from_json(a) for a in self.args)
        return Call(self.op, args, tuple((k, from_json(v)) for k, v in self.kwargs.items()))

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the results that it takes."""
        return self.call.refs()


def host_step(name: str, call: Call, location: Location) -> HostStep:
    """The step that makes a call."""
    args, kwargs = [to_json(a) for a in call.args], {k: to_json(v) for k, v in call.kwargs}
    return HostStep(name, call.op, args, kwargs, location)


@dataclass(frozen=True, slots=True)
class MvmStep:
    """y = scale * (x @ matrix) + bias, then ReLU, on crossbars and their LDPUs.

    name: of the result.
    input: the name of x, [..., rows], or [..., channels, *sizes] under a window, or
        [batch, time, inputs] of a recurrence.
    matrix: the name of the stored matrix, [rows, columns].
    scale: the name of a tensor, [columns]; None for 1.
    bias: the name of a tensor, [columns]; None for 0.
    relu: whether a ReLU follows.
    location: where it stands in the user's model.
    calibration: the name of some calibration inputs, [vectors, rows], in steps of a 127th of
        input_max.
    input_max: where inputs clip, in units of x.
    output_max: what the largest output code stands for, after row block i of a cascade,
        [stages].
    clipped_share: of the calibration inputs, 0 to 1.
    window: what it moves over x, if it does: at each position the rows are taps, the channels of a
        tap together, and the result is [..., columns, *outputs].
    recurrence: what makes the next vector of each product, if it runs time step by time step: the
        rows are those of x and of h, and the result is [batch, time, h].
    """

    tag: ClassVar[str] = "mvm"
    name: str
    input: str
    matrix: str
    scale: str | None
    bias: str | None
    relu: bool
    location: Location
    calibration: str
    input_max: float = limits(0.0, 3.5e38)
    output_max: tuple[float, ...] = limits(0.0, 3.5e38)
    clipped_share: float = limits(0.0, 1.0)
    window: Window | None = None
    recurrence: Recurrence | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the results that it takes."""
        return (self.input, *(self.recurrence.states if self.recurrence else ()))


Step = ConstantStep | HostStep | MvmStep


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of a matrix and the rectangle of a core's array that holds it; ranges are half-open.

    copy: the number of its copy of the matrix.
    stage: its row block's place in the cascade.
    rows: its rows of the matrix, [from, to].
    columns: its columns of the matrix, [from, to].
    core: its core; cores are numbered row by row, chip after chip.
    core_rows: its rows of the core's array, [from, to].
    core_columns: its columns of the core's array, [from, to].
    """

    copy: int
    stage: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    core: int
    core_rows: tuple[int, int]
    core_columns: tuple[int, int]

    @property
    def part(self) -> tuple[slice, slice]:
        """Its rows and columns in the matrix."""
        return slice(*self.rows), slice(*self.columns)

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns in the core's array."""
        return slice(*self.core_rows), slice(*self.core_columns)

    @property
    def cells(self) -> int:
        """Unit cells that it takes."""
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a weight a sliced matrix is; see `hermesrt.chip.slices`.

    of: the weight that the slices add up to, with their shares.
    fill: how it is spread over them.
    number: 0 is the most significant and is programmed first.
    count: of all slices.
    share: its significance over that of all, 0 to 1.
    """

    of: str
    fill: Fill
    number: int = limits(0, 63)
    count: int = limits(2, 64)
    share: float = limits(0.0, 1.0)

    def __str__(self) -> str:
        return f"{self.number + 1} of {self.count}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """A stored matrix; its exact values are the tensor of its name.

    name: of the tensor, [rows, columns].
    label: what the user calls the layer.
    mode: how its arrays are read unless a run says otherwise.
    row_ranges: the rows of each row block of a cascade, [stages][from, to].
    tiles: of all copies.
    rows: how many.
    columns: how many.
    g_max_siemens: the largest conductance of each row block, [stages], S.
    slice: which part of a weight it is, where that is spread over several matrices.
    devices: of a polarity that its cells use; 0 for as many as the chip's do.
    method: how its cells are programmed, whatever a run says.

    Of several copies, vector i of a sample goes to copy i modulo their number.
    """

    name: str
    label: str
    mode: Mode
    row_ranges: tuple[tuple[int, int], ...]
    tiles: tuple[Tile, ...]
    rows: int = limits(1, 2**31)
    columns: int = limits(1, 2**31)
    g_max_siemens: tuple[float, ...] = limits(1e-15, 1.0)
    slice: Slice | None = None
    devices: int = limits(0, 2, 0)
    method: LayerMethod = AS_RUN

    @property
    def cells(self) -> tuple[int, str]:
        """What its cores' cells are like; one core has cells of one kind."""
        return self.devices, self.method

    @property
    def copies(self) -> int:
        """How often it is stored."""
        return 1 + max(t.copy for t in self.tiles)

    def at_stage(self, stage: int, copy: int = 0) -> list[Tile]:
        """The tiles of one row block of a copy, by column."""
        found = (t for t in self.tiles if (t.stage, t.copy) == (stage, copy))
        return sorted(found, key=lambda t: t.columns)


@dataclass(frozen=True, slots=True)
class Route:
    """The cores that partial sums pass on the way to a stage.

    matrix: its name.
    copy: the number of the copy.
    columns: whose partial sums, [from, to].
    stage: where they are added.
    cores: in the order of the way.
    """

    matrix: str
    copy: int
    columns: tuple[int, int]
    stage: int
    cores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NodeAssignment:
    """Where one node of the user's model runs, and why.

    node: its name.
    op: the operation.
    unit: analog, ldpu, digital or free.
    reason: in words.
    location: where it stands in the user's model.
    """

    node: str
    op: str
    unit: Unit
    reason: str
    location: Location


@dataclass(frozen=True, slots=True)
class Score:
    """How good a placement is.

    objective: what was minimised.
    solver: by whom.
    unit: of value and bound: cores, ns, nJ or partial sums.
    value: what was reached.
    bound: no placement goes below it.
    """

    objective: str
    solver: str
    unit: str
    value: float = limits(0.0, 1e30)
    bound: float = limits(0.0, 1e30)

    @property
    def gap(self) -> float:
        """How far the optimum may lie below the value, as a share of it."""
        return (self.value - self.bound) / self.value if self.value else 0.0


@dataclass(frozen=True, slots=True)
class ChipCut:
    """How a model is cut over several chips, and what crosses between them for a sample.

    chosen: `pipeline`, whole layers one after the other; `columns`, a share of every layer's
        columns on each chip; `anywhere`, where there was room, for neither of the two had enough.
    asked: whether the user asked for it; otherwise it is the one that crosses less.
    pipeline_bytes: of the pipeline; None where it does not fit.
    columns_bytes: of columns; None where they do not fit.
    """

    chosen: Literal["pipeline", "columns", "anywhere"]
    asked: bool
    pipeline_bytes: int | None = limits(0, 2**62)
    columns_bytes: int | None = limits(0, 2**62)


@dataclass(frozen=True, slots=True)
class LayerDefects:
    """What the known defects cost a layer.

    label: the layer.
    stuck: unit cells with a stuck device.
    left: those of them that the cell's other devices do not make up for.
    error: relative error of its weights with the map.
    blind_error: the same without the map.
    """

    label: str
    stuck: int = limits(0, 2**62)
    left: int = limits(0, 2**62)
    error: float = limits(0.0, 3.5e38)
    blind_error: float = limits(0.0, 3.5e38)


@dataclass(frozen=True, slots=True)
class PredictedError:
    """How far an MVM's outputs are expected to be off, relative to how much they vary over the
    calibration data.

    mvm: the name of the step.
    own: through what the layer itself adds, before outputs clip or a ReLU follows.
    total: with what reaches it from the layers before, of what it sends out.
    programming: part of `own`: what programming misses.
    read: part of `own`: noise of reading, fresh after programming.
    input_code: part of `own`: rounding of inputs.
    converters: part of `own`: counts and output codes.
    """

    mvm: str
    own: float = limits(0.0, 3.5e38)
    total: float = limits(0.0, 3.5e38)
    programming: float = limits(0.0, 3.5e38)
    read: float = limits(0.0, 3.5e38)
    input_code: float = limits(0.0, 3.5e38)
    converters: float = limits(0.0, 3.5e38)


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
        """MVM steps in order."""
        return tuple(s for s in self.manifest.steps if isinstance(s, MvmStep))

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
