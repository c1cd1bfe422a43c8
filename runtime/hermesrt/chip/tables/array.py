"""The cores of a chip, their arrays of unit cells, and the links between them."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits


@dataclass(frozen=True, slots=True)
class Grid:
    """Cores on the chip, by row and column.

    rows: how many.
    columns: how many.
    """

    pedigree: Pedigree
    rows: int = limits(1, 1024)
    columns: int = limits(1, 1024)


@dataclass(frozen=True, slots=True)
class Crossbar:
    """Unit cells of one core's array: inputs enter at the rows, sums leave at the columns.

    rows: how many, the inputs of an MVM.
    columns: how many, the outputs of an MVM.
    """

    pedigree: Pedigree
    rows: int = limits(1, 4096)
    columns: int = limits(1, 4096)


@dataclass(frozen=True, slots=True)
class UnitCell:
    """The PCM devices of a unit cell.

    devices_per_polarity: how many hold each polarity of a weight (1: ODP, 2: TDP).
    """

    pedigree: Pedigree
    devices_per_polarity: int = limits(1, 2)


@dataclass(frozen=True, slots=True)
class Wire:
    """Resistance of an array's line from one unit cell to the next.

    segment_ohm: that resistance, in ohm.
    """

    pedigree: Pedigree
    segment_ohm: float = limits(0.0, 1e3)


@dataclass(frozen=True, slots=True)
class Links:
    """Which neighbours a core can send partial sums to, by distance in its row and column.

    row_reach: the largest distance in a row.
    column_reach: the largest distance in a column.
    """

    pedigree: Pedigree
    row_reach: int = limits(0, 1024)
    column_reach: int = limits(0, 1024)
