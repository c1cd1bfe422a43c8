"""Pieces onto cores, fast: first fit of whole cascades, largest first.

In: chains of pieces (the row blocks of one cascade), and a rule who may share a core. Out: a core
and a place for each. Method: chains in falling order of size go to the first run of neighbouring
cores where every block finds a place in the skyline of its array and none of the cores breaks the
rule. Only the cores that were opened last are looked at, so the cost is linear in pieces. Cores are
counted along the snake of chip after chip; a chain stays on one chip.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hermesc.placement.cost_model import RESOURCES, Item, busiest_ps
from hermesc.placement.skyline import Skyline
from hermesrt.chip.spec import ChipSpec

_WINDOW = 64  # cores looked at


@dataclass(frozen=True, slots=True)
class Piece:
    """A block that goes to one core.

    height: its rows.
    width: its columns.
    items: what it takes of the core's time.
    uses: the MVMs that use it, a bit each.
    beside: the MVMs that may be under way with those, a bit each.
    cells: what its cells are like; a core has cells of one kind.
    """

    height: int
    width: int
    items: tuple[Item, ...] = ()
    uses: int = 0
    beside: int = 0
    cells: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class SharingRule:
    """Who may share a core.

    limit_ps: the most work of a resource; None for any.
    quiet: whether of two MVMs one must be over before the other begins.
    """

    limit_ps: int | None = None
    quiet: bool = False

    def clash(self, one: Piece, other: Piece) -> bool:
        """Whether two pieces cannot share a core."""
        if one.cells != other.cells or (self.quiet and one.beside & other.uses):
            return True
        limit = self.limit_ps
        return limit is not None and busiest_ps([*one.items, *other.items]) > limit


CascadePieces = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a piece sits.

    core: counted along the snake.
    row: its first.
    column: its first.

    `hermesrt.artifact.schema.Tile` is the final place, with the chip's own numbers of cores.
    """

    core: int
    row: int
    column: int


Spots = tuple[tuple[Spot, ...], ...]  # by chain and stage


@dataclass(slots=True)
class _Core:
    array: Skyline
    items: list[Item] = field(default_factory=list)
    loads: list[int] = field(default_factory=lambda: [0] * len(RESOURCES))
    uses: int = 0
    cells: tuple[int, str] | None = None

    def put(self, piece: Piece) -> tuple[int, int]:
        place = self.array.find(piece.height, piece.width)
        assert place is not None
        self.array.put(place, piece.height, piece.width)
        self.items += piece.items
        self.uses |= piece.uses
        self.cells = piece.cells
        for item in piece.items:
            self.loads[item.resource] += item.load
        return place

    def takes(self, piece: Piece, rule: SharingRule) -> bool:
        if self.array.used and piece.cells != self.cells:
            return False
        if rule.quiet and piece.beside & self.uses:
            return False
        if self.array.find(piece.height, piece.width) is None:
            return False
        limit = rule.limit_ps
        if limit is None or not self.items:
            return True
        if any(self.loads[i.resource] + i.load > limit for i in piece.items):
            return False  # the common case, quickly
        return busiest_ps([*self.items, *piece.items]) <= limit


@dataclass(slots=True)
class Cores:
    """Cores along the snake, with more beyond the last to count how many would be needed.

    chip: its arrays and limits of sharing.
    excluded: numbers of cores that stay empty.
    rule: which pieces may share a core.
    smallest: height and width of the smallest piece, below which nothing more fits a core.
    cores: those that hold something, and those before them.
    open: numbers of cores that may take more.
    """

    chip: ChipSpec
    excluded: frozenset[int]
    rule: SharingRule
    smallest: tuple[int, int]
    cores: list[_Core] = field(default_factory=list)
    open: list[int] = field(default_factory=list)

    def add(self, chain: CascadePieces) -> tuple[Spot, ...]:
        """A place for a whole chain."""
        length = len(chain)
        start = next((s for s in self._starts() if self._fits(chain, s)), None)
        if start is None:
            start = len(self.cores)
            while not self._fits(chain, start):
                start += 1
        spots = []
        for core, piece in zip(range(start, start + length), chain, strict=True):
            spots.append(Spot(core, *self._core(core).put(piece)))
        self._close()
        return tuple(spots)

    def _starts(self) -> list[int]:
        return self.open[-_WINDOW:]

    def _fits(self, chain: CascadePieces, start: int) -> bool:
        end = start + len(chain) - 1
        if len(chain) <= self.chip.cores and start // self.chip.cores != end // self.chip.cores:
            return False  # a cascade does not run over a chip's end
        if any(c in self.excluded for c in range(start, end + 1)):
            return False
        return all(
            start + i >= len(self.cores) or self._core(start + i).takes(piece, self.rule)
            for i, piece in enumerate(chain)
        )

    def _core(self, number: int) -> _Core:
        while len(self.cores) <= number:
            crossbar = self.chip.crossbar
            self.open.append(len(self.cores))
            self.cores.append(_Core(Skyline(crossbar.rows, crossbar.columns)))
        return self.cores[number]

    def _close(self) -> None:
        """Forget cores, from the first on, that not even the smallest piece fits on any more."""
        recent = self.open[-_WINDOW:]
        full = {c for c in recent if self.cores[c].array.find(*self.smallest) is None}
        self.open = [c for c in recent if c not in full]


Order = Callable[[CascadePieces], tuple[int, ...]]
ORDERS: tuple[Order, ...] = (
    lambda chain: (-len(chain), -chain[0].height, -chain[0].width),
    lambda chain: (-len(chain), -chain[0].height * chain[0].width, -chain[0].width),
    lambda chain: (-len(chain), -max(chain[0].height, chain[0].width), -chain[0].height),
    lambda chain: (-len(chain), -chain[0].width, -chain[0].height),
    lambda chain: (-max((i.load for p in chain for i in p.items), default=0), -chain[0].height),
)


def pack(
    chains: Sequence[CascadePieces],
    chip: ChipSpec,
    rule: SharingRule,
    order: Order = ORDERS[0],
    excluded: frozenset[int] = frozenset(),
) -> Spots:
    """Places on as few cores as the method finds, shared as the rule allows; cores of `excluded`
    stay empty. A piece that exceeds the rule's limit alone has a core for itself."""
    pieces = [piece for chain in chains for piece in chain]
    heights, widths = [p.height for p in pieces], [p.width for p in pieces]
    smallest = min(heights, default=1), min(widths, default=1)
    cores = Cores(chip, excluded, rule, smallest)
    spots: list[tuple[Spot, ...]] = [()] * len(chains)
    for index in sorted(range(len(chains)), key=lambda i: order(chains[i])):
        spots[index] = cores.add(chains[index])
    return tuple(spots)


def cores_of(spots: Spots) -> int:
    """Number of cores in use."""
    return len({s.core for chain in spots for s in chain})


def chips_of(spots: Spots, cores: int) -> int:
    """Number of chips, of so many cores each, of which a core is in use."""
    return len({s.core // cores for chain in spots for s in chain})


def busiest_of(chains: Sequence[CascadePieces], spots: Spots) -> int:
    """The time that the busiest core needs at least, in picoseconds."""
    by: dict[int, list[Item]] = {}
    for chain, places in zip(chains, spots, strict=True):
        for piece, spot in zip(chain, places, strict=True):
            by.setdefault(spot.core, []).extend(piece.items)
    return max((busiest_ps(items) for items in by.values()), default=0)
