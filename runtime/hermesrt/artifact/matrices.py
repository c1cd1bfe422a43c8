"""A program's stored matrices: which cells hold them, and where their partial sums go."""

from dataclasses import dataclass
from typing import Literal

from hermesrt.chip.fields import Fill, Mode, limits

LayerMethod = Literal["as run", "published", "gdp", "verify", "oneshot", "ideal"]
AS_RUN: LayerMethod = "as run"


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
