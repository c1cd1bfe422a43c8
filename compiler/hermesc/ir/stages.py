"""The stages after the graph: each a type of its own around the one before."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hermesc.ir.graph import Graph
from hermesrt.chip.spec import Mode
from hermesrt.errors import Location, Refusal

Unit = Literal["analog", "ldpu", "digital", "free"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where one captured node of the model runs, and why not on a crossbar."""

    node: str
    op: str
    unit: Unit
    reason: str
    location: Location


@dataclass(frozen=True, slots=True)
class Partitioned:
    """The graph with every captured node accounted for."""

    graph: Graph
    assignments: tuple[Assignment, ...]

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Digital nodes and why they are not analog."""
        return tuple(
            Refusal(a.op, a.location, a.reason) for a in self.assignments if a.unit == "digital"
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A tile's part of its matrix: half-open ranges of rows (inputs) and columns (outputs)."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


@dataclass(frozen=True, slots=True)
class Dependence:
    """An earlier MVM, by its number, and whether all of its result is needed or token by token."""

    mvm: int
    barrier: bool


@dataclass(frozen=True, slots=True)
class MvmWorkload:
    """One MVM's vectors a sample, and the MVMs from whose results its input is made."""

    vectors: int
    dependences: tuple[Dependence, ...]


@dataclass(frozen=True, slots=True)
class TiledMatrix:
    """A stored matrix cut in blocks. `cascades[j]` are the row blocks of column range j in order.

    `uses` are the MVMs that share the matrix; the LDPU adds the blocks' outputs along a cascade. It
    is to be stored `copies` times and read in `mode`.
    """

    matrix: str
    label: str
    rows: int
    columns: int
    cascades: tuple[tuple[Block, ...], ...]
    uses: tuple[str, ...]
    copies: int = 1
    mode: Mode = "4-phase"

    @property
    def row_ranges(self) -> tuple[tuple[int, int], ...]:
        """The row ranges, the same in every cascade."""
        return tuple(block.rows for block in self.cascades[0])


@dataclass(frozen=True, slots=True)
class Tiled:
    """Every matrix of the graph in blocks of at most a crossbar.

    `workloads[i]` is what MVM i of the graph has to do for one sample, and what it waits for.
    """

    partitioned: Partitioned
    matrices: tuple[TiledMatrix, ...]
    workloads: tuple[MvmWorkload, ...]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Fixed-point ranges of one MVM: inputs clip at `input_max`; after row block i of the cascade
    the largest output code stands for `output_max[i]`. `clipped_share` is that of the calibration
    inputs beyond `input_max`."""

    mvm: str
    input_max: float
    output_max: tuple[float, ...]
    clipped_share: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """Ranges of every MVM, and for each matrix the conductance that its largest weight gets.

    `g_max_siemens[m][i]` belongs to row block i of matrix m of the tiling; `vectors` are
    some calibration inputs of each MVM, [vectors, rows], in steps of a 127th of their range.
    """

    tiled: Tiled
    ranges: tuple[Ranges, ...]
    g_max_siemens: tuple[tuple[float, ...], ...]
    vectors: tuple[Tensor, ...]
    calibration_rows: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a block of one copy sits: its core and the array rows and columns it takes there.

    Cores are numbered row by row, chip after chip.
    """

    matrix: str
    copy: int
    block: Block
    stage: int
    core: int
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Score:
    """How good a placement is: what was minimised, by whom, the value reached, and a value that no
    placement goes below, both in `unit`."""

    objective: str
    solver: str
    unit: str
    value: float
    bound: float


@dataclass(frozen=True, slots=True)
class Placed:
    """Every block on a core of so many chips."""

    quantized: Quantized
    placements: tuple[Placement, ...]
    chips: int
    score: Score


@dataclass(frozen=True, slots=True, eq=False)
class LineMap:
    """The physical line of each logical row and column of a core, and what is known of its cells:
    `stuck` [n, 3] are logical row, column and device, `siemens` [n] what they are stuck at."""

    core: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    stuck: NDArray[np.int32]
    siemens: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LayerDefects:
    """What a chip's defects cost a layer: unit cells with a stuck device, those of them that the
    cell's other devices do not make up for, and the relative error of its weights with the map and
    without it (norm of the error over that of the conductances)."""

    label: str
    stuck: int
    left: int
    error: float
    blind_error: float


@dataclass(frozen=True, slots=True)
class Remapped:
    """Physical lines of every core in use, and what the defects cost each layer; both empty where
    no defects are known."""

    placed: Placed
    line_maps: tuple[LineMap, ...]
    layers: tuple[LayerDefects, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """The cores that a partial sum passes from one stage of a cascade to the next, both ends in."""

    matrix: str
    copy: int
    columns: tuple[int, int]
    stage: int
    cores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Routed:
    """Every cascade with its links."""

    placed: Placed
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Operations in the order in which host and chip serve them."""

    routed: Routed
    order: tuple[str, ...]
