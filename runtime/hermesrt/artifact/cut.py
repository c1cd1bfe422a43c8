"""How a matrix is cut into blocks and stored."""

from dataclasses import dataclass

from hermesrt.chip.spec import Mode

Range = tuple[int, int]  # half-open


@dataclass(frozen=True, slots=True)
class Cut:
    """How a matrix is stored and read.

    rows: its row blocks, [from, to] each.
    columns: its column blocks, [from, to] each.
    copies: how often.
    mode: how it is read.
    """

    rows: tuple[Range, ...]
    columns: tuple[Range, ...]
    copies: int
    mode: Mode

    @property
    def tiles(self) -> int:
        """Tiles of all copies."""
        return len(self.rows) * len(self.columns) * self.copies
