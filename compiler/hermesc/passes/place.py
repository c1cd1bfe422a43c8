"""Place: give every block a core and a rectangle of its array.

In: Quantized. Out: Placed. Method: cascades, largest first, go to the first run of neighbouring
cores (in a snake through the grid, so that a partial sum always has a link) where each block still
fits; within a core, blocks are packed on shelves, as the published mappings pack several small
matrices in one array. Blocks of one matrix share no core as long as the chip has room, for a core
serves one MVM at a time. Any disjoint rectangles are legal: an MVM drives its own rows and reads
its own columns. Cost: blocks x cores. Does not search for a best placement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil

from hermesc.errors import CapacityError
from hermesc.ir.stages import Block, Placed, Placement, Quantized, Score, TiledMatrix
from hermesc.placing.options import PlaceOptions
from hermesc.target.fabric import snake
from hermesc.target.spec import ChipSpec


def place(
    quantized: Quantized,
    chip: ChipSpec,
    options: PlaceOptions,
    closed: frozenset[int] = frozenset(),
) -> Placed:
    """Every block on a core; cores of `closed` stay empty.

    Raises: CapacityError that names the layers, the cores needed, and what to change.
    """
    packer = _Packer(chip, closed)
    cascades = [(m, c) for m in quantized.tiled.matrices for c in m.cascades]
    order = sorted(cascades, key=lambda mc: (-len(mc[1]), *(-s for s in mc[1][0].shape)))
    for matrix, cascade in order:
        packer.add(matrix, cascade)
    if packer.cores_needed > chip.cores:
        raise CapacityError(_too_big(quantized, packer.cores_needed, chip))
    cores = float(len({p.core for p in packer.placements}))
    score = Score("cores", "heuristic", "cores", cores, 0.0)
    return Placed(quantized, tuple(packer.placements), options.chips, score)


@dataclass(slots=True)
class _Shelf:
    """A strip of a core's array: its rows are set by the first block on it."""

    top: int
    height: int
    used_columns: int


@dataclass(slots=True)
class _Core:
    """The free space of one core's array."""

    rows: int
    columns: int
    shelves: list[_Shelf] = field(default_factory=list)
    matrices: set[str] = field(default_factory=set)

    def find(self, shape: tuple[int, int]) -> _Shelf | None:
        """The lowest shelf that takes the block, a new one if need be."""
        height, width = shape
        fitting = [
            s for s in self.shelves if s.height >= height and s.used_columns + width <= self.columns
        ]
        if fitting:
            return min(fitting, key=lambda s: (s.height, s.top))
        top = self.shelves[-1].top + self.shelves[-1].height if self.shelves else 0
        fits = top + height <= self.rows and width <= self.columns
        return _Shelf(top, height, 0) if fits else None

    def take(self, shelf: _Shelf, width: int) -> int:
        """Reserve columns of a shelf; the first of them."""
        if not self.shelves or shelf.top > self.shelves[-1].top:
            self.shelves.append(shelf)
        shelf.used_columns += width
        return shelf.used_columns - width


class _Packer:
    """Cores along the snake, with more beyond the chip's end to count how many would be needed."""

    def __init__(self, chip: ChipSpec, closed: frozenset[int]) -> None:
        self._chip = chip
        self._closed = closed
        self._snake = snake(chip)
        self._cores: list[_Core] = []
        self.placements: list[Placement] = []

    @property
    def cores_needed(self) -> int:
        return len(self._cores)

    def add(self, matrix: TiledMatrix, cascade: Sequence[Block]) -> None:
        last = self._chip.cores - len(cascade)
        apart = (s for s in range(last + 1) if self._is_apart(matrix, cascade, s))
        start = next((s for s in apart if self._fits(cascade, s)), None)
        if start is None:
            start = next(s for s in count() if self._fits(cascade, s))
        for stage, block in enumerate(cascade):
            core = self._core(start + stage)
            shelf = core.find(block.shape)
            assert shelf is not None
            height, width = block.shape
            left = core.take(shelf, width)
            core.matrices.add(matrix.matrix)
            index = start + stage
            number = self._snake[index] if index < len(self._snake) else index
            rows, columns = (shelf.top, shelf.top + height), (left, left + width)
            self.placements.append(Placement(matrix.matrix, 0, block, stage, number, rows, columns))

    def _is_apart(self, matrix: TiledMatrix, cascade: Sequence[Block], start: int) -> bool:
        held = self._cores[start : start + len(cascade)]
        return all(matrix.matrix not in core.matrices for core in held)

    def _fits(self, cascade: Sequence[Block], start: int) -> bool:
        end = start + len(cascade)
        across = len(cascade) <= self._chip.cores and start < self._chip.cores < end
        if across:  # a cascade does not run over the chip's end
            return False
        numbers = self._snake[start:end]
        if not self._closed.isdisjoint(numbers):
            return False
        return all(self._core(start + i).find(b.shape) for i, b in enumerate(cascade))

    def _core(self, index: int) -> _Core:
        while len(self._cores) <= index:
            self._cores.append(_Core(self._chip.crossbar.rows, self._chip.crossbar.columns))
        return self._cores[index]


def _too_big(quantized: Quantized, needed: int, chip: ChipSpec) -> str:
    matrices = quantized.tiled.matrices
    biggest = sorted(matrices, key=lambda m: (-len(m.cascades) * len(m.cascades[0]), m.label))
    lines = [
        f"  {m.label}: {m.rows}x{m.columns}, {len(m.cascades) * len(m.cascades[0])} tiles"
        for m in biggest[:8]
    ]
    if len(biggest) > 8:
        rest = sum(len(m.cascades) * len(m.cascades[0]) for m in biggest[8:])
        lines.append(f"  {len(biggest) - 8} smaller layers: {rest} tiles")
    weights = sum(m.rows * m.columns for m in matrices)
    fewest = ceil(weights / chip.cells_per_core)
    return (
        f"the model needs {needed} cores and the chip `{chip.name}` has {chip.cores} "
        f"({weights:,} weights would fill at least {fewest}). Its largest layers:\n"
        + "\n".join(lines)
        + f"\nKeep a layer digital with --set partition.digital={biggest[0].label}, make it "
        "smaller, or give a chip with more cores with --chip FILE.toml "
        f'(base = "{chip.name}" and a [grid] of its own)'
    )
