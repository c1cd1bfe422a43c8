"""How a matrix is cut into blocks and stored."""

from dataclasses import dataclass

from hermesrt.chip.spec import Mode

Range = tuple[int, int]  # half-open


@dataclass(frozen=True, slots=True)
class Cut:
    """How a matrix is stored: its row and column blocks, how often, and how it is read."""

    rows: tuple[Range, ...]
    columns: tuple[Range, ...]
    copies: int
    mode: Mode

    @property
    def tiles(self) -> int:
        """Tiles of all copies."""
        return len(self.rows) * len(self.columns) * self.copies
