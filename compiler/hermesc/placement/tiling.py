"""How matrices are cut, copied and read, for an objective.

In: sizes and MVMs. Out: a Cut of each matrix. Method: `balanced` and `accuracy` take the fewest
equal blocks, `cores` blocks of the array's full size and what is left, which packs better; `energy`
reads in one phase. `latency` and `throughput` then spend the cores that are left: as long as it
helps, a matrix that everything waits for (or all that are equally slow) gets more copies, column
blocks or row blocks, whichever gains most for its cores. Finer row blocks mean more
partial sums of 8 bits. Cost: cores x matrices x matrices at worst; nothing is left to spend when a
model fills its chips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from hermesc.placement.cost_model import (
    CostModel,
    Item,
    MatrixWork,
    busiest_ps,
    equal_parts,
    full_parts,
)
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact.cut import Cut
from hermesrt.chip.spec import ChipSpec, Mode

MatrixShape = tuple[int, int]
_LONGEST = 8  # matrices of the slowest path that are tried
_FINER = 3  # row and column blocks beyond the fewest
_STEP = 4  # cores more for one matrix at once


def plan(
    shapes: Sequence[MatrixShape],
    works: tuple[MatrixWork, ...],
    chip: ChipSpec,
    options: PlaceOptions,
) -> tuple[Cut, ...]:
    """A cut of each matrix; `shapes` are their rows and columns."""
    match options.objective:
        case "balanced" | "accuracy":
            return tuple(_fewest(shape, chip, "4-phase") for shape in shapes)
        case "energy":
            return tuple(_fewest(shape, chip, "1-phase") for shape in shapes)
        case "cores":
            return tuple(_full(shape, chip) for shape in shapes)
        case "latency" | "throughput":
            return _Spender(shapes, works, chip, options).spend()


def _fewest(shape: MatrixShape, chip: ChipSpec, mode: Mode) -> Cut:
    rows, columns = shape
    parts = ceil(rows / chip.crossbar.rows), ceil(columns / chip.crossbar.columns)
    return Cut(equal_parts(rows, parts[0]), equal_parts(columns, parts[1]), 1, mode)


def _full(shape: MatrixShape, chip: ChipSpec) -> Cut:
    rows = full_parts(shape[0], chip.crossbar.rows)
    return Cut(rows, full_parts(shape[1], chip.crossbar.columns), 1, "4-phase")


@dataclass(slots=True)
class _Spender:
    """Spends cores where they gain most, each tile taken to have a core for itself."""

    shapes: Sequence[MatrixShape]
    works: tuple[MatrixWork, ...]
    chip: ChipSpec
    options: PlaceOptions

    def spend(self) -> tuple[Cut, ...]:
        cuts = tuple(_fewest(shape, self.chip, "1-phase") for shape in self.shapes)
        budget = self.options.chips * self.chip.cores
        times = self._times(cuts)
        while cuts and sum(cut.tiles for cut in cuts) < budget:
            better = self._better(cuts, times, budget)
            if better is None:
                break
            cuts, times = better
        if self.options.objective == "throughput":
            cuts = self._slow_reads(cuts, max(times, default=0))
        return cuts

    def _better(
        self, cuts: tuple[Cut, ...], times: Sequence[int], budget: int
    ) -> tuple[tuple[Cut, ...], list[int]] | None:
        """The step that gains most time for each core it costs; none if there is none."""
        most, used = max(times), sum(cut.tiles for cut in cuts)
        slowest = [i for i, time in enumerate(times) if time == most]
        best: tuple[float, tuple[Cut, ...], list[int]] | None = None
        own: list[Cut] = list(cuts)
        for i in slowest[:_LONGEST] if len(slowest) > budget - used else slowest:
            cheapest = budget
            for finer in self._finer(i, cuts[i]):
                price = finer.tiles - cuts[i].tiles
                if used + price > budget:
                    continue
                changed = (*cuts[:i], finer, *cuts[i + 1 :])
                found = self._times(changed)
                gain = (most - max(found)) / price
                if gain > 0 and (best is None or gain > best[0]):
                    best = gain, changed, found
                if found[i] < times[i] and price < cheapest:
                    cheapest, own[i] = price, finer
        if best is not None:
            return best[1], best[2]
        together = tuple(own)
        if sum(cut.tiles for cut in together) > budget:
            return None
        found = self._times(together)
        return (together, found) if max(found) < most else None

    def _finer(self, matrix: int, cut: Cut) -> list[Cut]:
        """Finer ways to store a matrix, on up to twice the cores, none worse than another in all
        of cores, time of a vector and time of all vectors."""
        rows, columns = self.shapes[matrix]
        mine = [w for w in self.works if w.matrix == matrix]
        most = max((w.vectors for w in mine), default=1)
        if any(w.steps for w in mine):  # each step waits for the one before
            most = 1
        budget = max(2 * cut.tiles, cut.tiles + _STEP)
        found: list[tuple[tuple[int, int, int], Cut]] = []
        least = _fewest(self.shapes[matrix], self.chip, cut.mode)
        for r in range(len(least.rows), min(rows, len(least.rows) + _FINER) + 1):
            for c in range(len(least.columns), min(columns, len(least.columns) + _FINER) + 1):
                for copies in range(1, min(self.options.copies, most, budget // (r * c)) + 1):
                    if r * c * copies > cut.tiles:
                        finer = Cut(equal_parts(rows, r), equal_parts(columns, c), copies, cut.mode)
                        found.append((self._worth(matrix, finer), finer))
        return [finer for worth, finer in found if not any(_beats(w, worth) for w, _ in found)]

    def _worth(self, matrix: int, cut: Cut) -> tuple[int, int, int]:
        """Cores, time of a vector and of all vectors of one matrix alone."""
        works = tuple(
            replace(w, matrix=0, dependences=(), together=())
            for w in self.works
            if w.matrix == matrix
        )
        model = CostModel(self.chip, works, (cut,))
        return cut.tiles, model.fills[0], sum(model.spans)

    def _times(self, cuts: tuple[Cut, ...]) -> list[int]:
        """The least time of each matrix's tiles, in picoseconds."""
        model = CostModel(self.chip, self.works, cuts)
        return [self._least(model, matrix) for matrix in range(len(cuts))]

    def _least(self, model: CostModel, matrix: int) -> int:
        """The time of a matrix's slowest tile: a widest one, of the first stage or of the last."""
        cut = model.cuts[matrix]
        widths = [b - a for a, b in cut.columns]
        column = widths.index(max(widths))
        tiles = (model.items(matrix, 0, s, column) for s in {0, len(cut.rows) - 1})
        return max(busiest_ps(aimed(item, self.options) for item in items) for items in tiles)

    def _slow_reads(self, cuts: tuple[Cut, ...], most: int) -> tuple[Cut, ...]:
        """Four phases wherever they are no slower."""
        for i, cut in enumerate(cuts):
            slow = (*cuts[:i], replace(cut, mode="4-phase"), *cuts[i + 1 :])
            if self._times(slow)[i] <= most:
                cuts = slow
        return cuts


def aimed(item: Item, options: PlaceOptions) -> Item:
    """An item as the objective sees it: a rate does not ask when."""
    return replace(item, head=0, tail=0) if options.objective == "throughput" else item


def _beats(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
