"""The stages after the graph: each a type of its own around the one before, and its graph.

What a program file holds as well, such as tiles and routes, is the runtime's type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hermesc.ir.graph import Graph
from hermesrt.artifact.schema import (
    AS_RUN,
    ChipCut,
    LayerDefects,
    LayerMethod,
    NodeAssignment,
    Route,
    Score,
    Slice,
    Tile,
)
from hermesrt.chip.spec import Mode
from hermesrt.errors import Refusal


@dataclass(frozen=True, slots=True)
class Partitioned:
    """The graph with every captured node accounted for.

    graph: the operations.
    assignments: where each captured node runs, and why.
    slices: the columns of cores, chip after chip, behind which the chip makes a layer's gates: by
        matrix, one for each of its column blocks.
    """

    graph: Graph
    assignments: tuple[NodeAssignment, ...]
    slices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Digital nodes and why they are not analog."""
        return tuple(
            Refusal(a.op, a.location, a.reason) for a in self.assignments if a.unit == "digital"
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A tile's part of its matrix.

    rows: of the matrix, its inputs, [from, to]; half-open.
    columns: of the matrix, its outputs, [from, to]; half-open.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


@dataclass(frozen=True, slots=True)
class Dependence:
    """An earlier MVM that an MVM waits for.

    mvm: its number.
    barrier: whether all of its result is needed, or token by token.
    """

    mvm: int
    barrier: bool


@dataclass(frozen=True, slots=True)
class MvmWorkload:
    """What one MVM has to do for one sample.

    vectors: how many it serves.
    dependences: the MVMs from whose results its input is made.
    steps: of time, one after the other, that its vectors belong to in a recurrence; 0 without one.
    together: the MVMs of each of its time steps, one after the other, itself among them; where it
        is alone in them it may be empty.
    """

    vectors: int
    dependences: tuple[Dependence, ...]
    steps: int = 0
    together: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TiledMatrix:
    """A stored matrix cut in blocks; the LDPU adds the blocks' outputs along a cascade.

    matrix: the name of the weight, [rows, columns].
    label: what the user calls the layer.
    rows: how many.
    columns: how many.
    cascades: the row blocks of column range j, in order, [columns of blocks][stages].
    uses: names of the MVMs that share it.
    copies: how often it is to be stored.
    mode: how its arrays are read.
    slice: which part of a weight it is, where that is spread over several matrices.
    devices: of a polarity that its cells use; 0 for as many as the chip's do.
    method: how its cells are programmed, whatever a run says.
    """

    matrix: str
    label: str
    rows: int
    columns: int
    cascades: tuple[tuple[Block, ...], ...]
    uses: tuple[str, ...]
    copies: int = 1
    mode: Mode = "4-phase"
    slice: Slice | None = None
    devices: int = 0
    method: LayerMethod = AS_RUN

    @property
    def cells(self) -> tuple[int, str]:
        """What its cores' cells are like; one core has cells of one kind."""
        return self.devices, self.method

    @property
    def row_ranges(self) -> tuple[tuple[int, int], ...]:
        """The row ranges, the same in every cascade."""
        return tuple(block.rows for block in self.cascades[0])


@dataclass(frozen=True, slots=True)
class Tiled:
    """Every matrix of the graph in blocks of at most a crossbar.

    partitioned: the stage before.
    matrices: in the order of their first use.
    workloads: what MVM i of the graph has to do for one sample, and what it waits for.
    """

    partitioned: Partitioned
    matrices: tuple[TiledMatrix, ...]
    workloads: tuple[MvmWorkload, ...]

    @property
    def graph(self) -> Graph:
        """The operations."""
        return self.partitioned.graph


@dataclass(frozen=True, slots=True)
class Ranges:
    """Fixed-point ranges of one MVM.

    mvm: its name.
    input_max: where inputs clip, in units of x.
    output_max: what the largest output code stands for after row block i of the cascade, [stages].
    clipped_share: of the calibration inputs, those beyond `input_max`, 0 to 1.
    """

    mvm: str
    input_max: float
    output_max: tuple[float, ...]
    clipped_share: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """Ranges of every MVM, and for each matrix the conductance that its largest weight gets.

    tiled: the stage before.
    ranges: one for each MVM.
    g_max_siemens: of row block i of matrix m of the tiling, [matrices][stages], S.
    vectors: some calibration inputs of each MVM, [vectors, rows], in steps of a 127th of their
        range.
    calibration_rows: rows of the calibration data that were used.
    notes: sentences for the program's report.
    """

    tiled: Tiled
    ranges: tuple[Ranges, ...]
    g_max_siemens: tuple[tuple[float, ...], ...]
    vectors: tuple[Tensor, ...]
    calibration_rows: int
    notes: tuple[str, ...]

    @property
    def graph(self) -> Graph:
        """The operations."""
        return self.tiled.graph


@dataclass(frozen=True, slots=True)
class Placed:
    """Every block of every copy on a core.

    quantized: the stage before.
    tiles: of each matrix, by its name; they are places on the cores' logical lines.
    chips: how many chips the cores belong to.
    score: how good the placement is.
    cut: how it is cut over chips; None on one.
    """

    quantized: Quantized
    tiles: Mapping[str, tuple[Tile, ...]]
    chips: int
    score: Score
    cut: ChipCut | None = None

    @property
    def graph(self) -> Graph:
        """The operations."""
        return self.quantized.graph

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores in use."""
        return tuple(sorted({t.core for tiles in self.tiles.values() for t in tiles}))


@dataclass(frozen=True, slots=True, eq=False)
class LineMap:
    """The physical lines of a core, and what is known of its cells.

    core: its number.
    rows: the physical row of each logical one, [rows].
    columns: the physical column of each logical one, [columns].
    stuck: logical row, column and device of each stuck device, [n, 3].
    siemens: what each is stuck at, [n], S.
    """

    core: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    stuck: NDArray[np.int32]
    siemens: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Remapped:
    """Physical lines of every core in use, and what the defects cost.

    placed: the stage before.
    line_maps: one for each core in use; empty where no defects are known.
    layers: one for each matrix; empty where no defects are known.
    """

    placed: Placed
    line_maps: tuple[LineMap, ...]
    layers: tuple[LayerDefects, ...]

    @property
    def graph(self) -> Graph:
        """The operations."""
        return self.placed.graph


@dataclass(frozen=True, slots=True)
class Routed:
    """Every cascade with its links.

    remapped: the stage before.
    routes: the cores that partial sums pass on the way to each stage of a cascade.
    """

    remapped: Remapped
    routes: tuple[Route, ...]

    @property
    def graph(self) -> Graph:
        """The operations."""
        return self.remapped.graph


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Operations in the order in which host and chip serve them.

    routed: the stage before.
    order: names of the operations.
    """

    routed: Routed
    order: tuple[str, ...]

    @property
    def graph(self) -> Graph:
        """The operations."""
        return self.routed.graph
