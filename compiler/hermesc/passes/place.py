"""Place: give every block of every copy a core and a rectangle of its array.

In: Quantized. Out: Placed. Method: the objective's search (`hermesc.placement.solve`), then the
cores of each cascade next to each other (`hermesc.placement.arrange`); several chips take shares as
`hermesc.placement.cut_chips` says. Any disjoint rectangles are legal: an MVM drives its own rows
and reads its own columns. What a mapping file places stays there,
and other matrices go to cores that the file leaves empty. Cost: linear in blocks for large models.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from hermesc.ir.stages import Block, Placed, Quantized, TiledMatrix
from hermesc.placement.arrange import arrange
from hermesc.placement.cost_model import CostModel, works_of
from hermesc.placement.cut_chips import solve_over_chips
from hermesc.placement.options import PlaceOptions
from hermesc.placement.over_chips import ChainName
from hermesc.placement.pack import CascadePieces, Piece, Spot
from hermesc.placement.solve import Solution, Task, judge
from hermesc.placement.tiling import aimed
from hermesrt.artifact.cut import Cut
from hermesrt.artifact.published_mapping import Layers, layer_names
from hermesrt.artifact.schema import Score, Tile
from hermesrt.chip.fabric import snake
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError, MappingError


def place(
    quantized: Quantized,
    chip: ChipSpec,
    options: PlaceOptions,
    fixed: Layers,
    dead: frozenset[int] = frozenset(),
) -> Placed:
    """Every block on a core; `fixed` are the layers that a mapping file places, and cores of `dead`
    stay empty.

    Raises: CapacityError that names the layers, the cores and chips needed, and what to change.
    """
    matrices = quantized.tiled.matrices
    model = _model(quantized, chip)
    names = layer_names([m.label for m in matrices])
    named = zip(names, matrices, strict=True)
    given = {m.matrix: list(fixed[name].tiles) for name, m in named if name in fixed}
    given |= _above_slices(quantized, chip)
    runs = [run for run in _runs(matrices) if run.matrix.matrix not in given]
    closed = _along_snake({t.core for tiles in given.values() for t in tiles} | dead, chip)
    placed = list(_chips_of(matrices, given, chip))
    found, cut = solve_over_chips(_task(runs, model, options, closed), placed)
    needed = 1 + max((s.core for spots in found.spots for s in spots), default=-1)
    if needed > options.chips * chip.cores:
        raise CapacityError(_too_big(matrices, needed, chip, options))
    tiles = dict(given)
    for run, spots in zip(runs, arrange(found.spots, chip, closed), strict=True):
        tiles.setdefault(run.matrix.matrix, []).extend(_tiles(run, spots))
    if given:
        judged = _judged(tiles, matrices, model, options)
        found = judged if fixed else replace(judged, solver=found.solver)
    _check_cells(tiles, matrices)
    score = Score(options.objective, found.solver, found.unit, found.value, found.bound)
    return Placed(quantized, {m: tuple(t) for m, t in tiles.items()}, options.chips, score, cut)


def _chips_of(
    matrices: Sequence[TiledMatrix], given: Mapping[str, Sequence[Tile]], chip: ChipSpec
) -> Iterator[tuple[ChainName, int]]:
    """The cascades that are placed already, and on which chips."""
    cores = {(name, t.copy, t.columns): t.core for name, tiles in given.items() for t in tiles}
    for run in _runs(matrices):
        if run.matrix.matrix in given:
            core = cores[run.matrix.matrix, run.copy, run.blocks[0].columns]
            yield (run.number, run.copy, run.column), core // chip.cores


def _check_cells(tiles: Mapping[str, Sequence[Tile]], matrices: Sequence[TiledMatrix]) -> None:
    """What is placed by hand may put cells of two kinds on one core.

    Raises: MappingError.
    """
    first: dict[int, TiledMatrix] = {}
    for matrix in matrices:
        for tile in tiles[matrix.matrix]:
            other = first.setdefault(tile.core, matrix)
            if other.cells != matrix.cells:
                raise MappingError(
                    f"core {tile.core} would hold {other.label} and {matrix.label}, whose cells "
                    "have other devices or another method: give both the same, or place them apart"
                )


def _above_slices(quantized: Quantized, chip: ChipSpec) -> dict[str, list[Tile]]:
    """The tiles of layers whose gates the chip makes: each cascade down a column of cores, to the
    row that feeds the gate unit."""
    unit, slices = chip.gate_unit, quantized.tiled.partitioned.slices
    found: dict[str, list[Tile]] = {}
    for run in _runs(quantized.tiled.matrices):
        if unit is None or run.matrix.matrix not in slices:
            continue
        which, column = divmod(slices[run.matrix.matrix][run.column], chip.grid.columns)
        first = unit.row - len(run.blocks)
        cores = (first + stage for stage in range(len(run.blocks)))
        spots = [Spot(which * chip.cores + row * chip.grid.columns + column, 0, 0) for row in cores]
        found.setdefault(run.matrix.matrix, []).extend(_tiles(run, spots))
    return found


def _judged(
    tiles: Mapping[str, Sequence[Tile]],
    matrices: Sequence[TiledMatrix],
    model: CostModel,
    options: PlaceOptions,
) -> Solution:
    """How good a placement is that was not searched for."""
    spots = {
        (name, t.copy, Block(t.rows, t.columns)): Spot(t.core, t.core_rows[0], t.core_columns[0])
        for name, mine in tiles.items()
        for t in mine
    }
    runs = list(_runs(matrices))
    places = tuple(
        tuple(spots[run.matrix.matrix, run.copy, block] for block in run.blocks) for run in runs
    )
    return judge(_task(runs, model, options, frozenset()), places)


@dataclass(frozen=True, slots=True)
class _Run:
    """One cascade of one copy of a matrix."""

    matrix: TiledMatrix
    number: int
    copy: int
    column: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.matrix.cascades[self.column]


def _runs(matrices: Sequence[TiledMatrix]) -> Iterator[_Run]:
    for number, matrix in enumerate(matrices):
        for copy in range(matrix.copies):
            for column in range(len(matrix.cascades)):
                yield _Run(matrix, number, copy, column)


def _model(quantized: Quantized, chip: ChipSpec) -> CostModel:
    tiled = quantized.tiled
    numbers = {m.matrix: i for i, m in enumerate(tiled.matrices)}
    mvms = tiled.graph.mvms
    plain = works_of([numbers[op.matrix] for op in mvms], tiled.workloads)
    whole = {op.name for op in tiled.graph.ops}  # what no time step makes is told by its name
    taken = [op.input if op.name in whole else op.name for op in mvms]
    works = tuple(replace(w, value=value) for w, value in zip(plain, taken, strict=True))
    return CostModel(chip, works, tuple(_cut(m) for m in tiled.matrices))


def _cut(matrix: TiledMatrix) -> Cut:
    columns = tuple(cascade[0].columns for cascade in matrix.cascades)
    return Cut(matrix.row_ranges, columns, matrix.copies, matrix.mode)


def _task(
    runs: Sequence[_Run], model: CostModel, options: PlaceOptions, closed: frozenset[int]
) -> Task:
    names = tuple((run.number, run.copy, run.column) for run in runs)
    return Task(tuple(_chain(model, run, options) for run in runs), names, model, options, closed)


def _chain(model: CostModel, run: _Run, options: PlaceOptions) -> CascadePieces:
    uses = beside = 0
    for use in model.uses[run.number]:
        uses |= 1 << use
        beside |= model.beside[use]
    pieces = []
    for stage, block in enumerate(run.blocks):
        items = model.items(run.number, run.copy, stage, run.column)
        aims = tuple(aimed(item, options) for item in items)
        pieces.append(Piece(*block.shape, aims, uses, beside, run.matrix.cells))
    return tuple(pieces)


def _tiles(run: _Run, spots: Sequence[Spot]) -> Iterator[Tile]:
    for stage, (block, spot) in enumerate(zip(run.blocks, spots, strict=True)):
        height, width = block.shape
        rows, columns = (spot.row, spot.row + height), (spot.column, spot.column + width)
        yield Tile(run.copy, stage, block.rows, block.columns, spot.core, rows, columns)


def _along_snake(cores: set[int], chip: ChipSpec) -> frozenset[int]:
    """Cores by their places along the snake."""
    places = {core: place for place, core in enumerate(snake(chip))}
    each = chip.cores
    return frozenset(core // each * each + places[core % each] for core in cores)


def _too_big(
    matrices: Sequence[TiledMatrix], needed: int, chip: ChipSpec, options: PlaceOptions
) -> str:
    def tiles(matrix: TiledMatrix) -> int:
        return len(matrix.cascades) * len(matrix.cascades[0]) * matrix.copies

    biggest = sorted(matrices, key=lambda m: (-tiles(m), m.label))
    lines = [f"  {m.label}: {m.rows}x{m.columns}, {tiles(m)} tiles" for m in biggest[:8]]
    if len(biggest) > 8:
        rest = sum(tiles(m) for m in biggest[8:])
        lines.append(f"  {len(biggest) - 8} smaller layers: {rest} tiles")
    weights = sum(m.rows * m.columns for m in matrices)
    fewest = ceil(weights / chip.cells_per_core)
    chips = ceil(needed / chip.cores)
    have = f"the chip `{chip.name}` has {chip.cores}"
    if options.chips > 1:
        have = f"{options.chips} chips `{chip.name}` have {options.chips * chip.cores}"
    longest = max(len(m.cascades[0]) for m in matrices)
    more = f"Spread it over {chips} chips with --set place.chips={chips}, keep"
    if longest > chip.cores:
        more = f"A cascade of {longest} cores does not fit one chip, and none crosses chips. Keep"
    return (
        f"the model needs {needed} cores and {have} "
        f"({weights:,} weights would fill at least {fewest}). Its largest layers:\n"
        + "\n".join(lines)
        + f"\n{more} a layer digital with --set partition.digital={biggest[0].label}, make it "
        "smaller, or give a chip with more cores with --chip FILE.toml "
        f'(base = "{chip.name}" and a [grid] of its own)'
    )
