"""Whether a model that needs several chips is cut as a pipeline or by columns.

In: what is to be placed. Out: the placement, and for several chips the cut with the bytes that
either way lets cross for a sample. Method: both are placed, and the one that crosses less is taken,
the pipeline where they are equal; on as few chips as columns need, not fewer than the pipeline
takes if that fits. Where neither fits the chips that there are, tiles go wherever there is room.
Cost: up to three searches for a placement; columns that would cross more are counted, not placed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hermesc.placement.over_chips import ChainName, Distribution, crossing_bytes, shares
from hermesc.placement.pack import chips_of
from hermesc.placement.solve import Solution, Task, fewest_bound, solve
from hermesrt.artifact.schema import ChipCut
from hermesrt.errors import CapacityError

Given = Sequence[tuple[ChainName, int]]  # cascades that are placed already, and their chips
_TRIES = 8  # numbers of chips that columns are distributed over


@dataclass(frozen=True, slots=True)
class _Cut:
    """One way to cut: its placement, if there is one, and what crosses in bytes a sample."""

    found: Solution | None
    crosses: int


def solve_over_chips(task: Task, given: Given) -> tuple[Solution, ChipCut | None]:
    """The best placement found and how it is cut; no cut on a single chip.

    Raises: CapacityError if columns are asked for and do not fit.
    """
    asked, one = task.options.cut, task.chip.cores
    free = None
    if task.options.chips == 1 or not task.chains or fewest_bound(task) <= one:
        free = solve(task)
        if chips_of(free.spots, one) < 2:
            return free, None
        if task.options.chips == 1:
            return free, None
    pipeline = _placed(task, Distribution("pipeline"), given)
    fits = pipeline.found is not None and task.fits(pipeline.found.spots, task.cores)
    most = pipeline.crosses if fits and asked == "auto" else None
    columns = _columns(task, pipeline if fits else None, given, most)
    told = pipeline.crosses if fits else None, None if columns is None else columns.crosses
    if asked == "columns" and (columns is None or columns.found is None):
        raise CapacityError(_no_columns(task))
    if asked != "pipeline" and columns is not None and columns.found is not None:
        return columns.found, ChipCut("columns", asked != "auto", *told)
    if pipeline.found is not None and (fits or asked == "pipeline"):
        return pipeline.found, ChipCut("pipeline", asked != "auto", *told)
    return free or solve(task), ChipCut("anywhere", False, *told)


def _columns(task: Task, pipeline: _Cut | None, given: Given, most: int | None) -> _Cut | None:
    """Columns on as few chips as hold them; without a placement where at least `most` cross, and
    none where no number of chips holds them."""
    for chips in _numbers(task, pipeline):
        numbers = shares(task.chains, task.names, chips)
        crosses = _crossing(task, numbers, given)
        if most is not None and crosses >= most:
            return _Cut(None, crosses)
        cut = _placed(task, Distribution("columns", chips), given)
        if cut.found is not None and task.fits(cut.found.spots, task.cores):
            return cut
    return None


def _numbers(task: Task, pipeline: _Cut | None) -> Iterator[int]:
    """The numbers of chips that columns are tried on, the fewest first."""
    each, most = task.chip.cores, task.options.chips
    few = -(-fewest_bound(task) // each)
    if pipeline is not None and pipeline.found is not None:
        few = max(few, chips_of(pipeline.found.spots, each))
    few = min(max(few, 2), most)
    yield from range(few, most + 1, max(1, (most - few) // _TRIES))


def _placed(task: Task, distribution: Distribution, given: Given) -> _Cut:
    found = solve(replace(task, distribution=distribution))
    numbers = [spots[0].core // task.chip.cores for spots in found.spots]
    return _Cut(found, _crossing(task, numbers, given))


def _crossing(task: Task, numbers: Sequence[int], given: Given) -> int:
    names = (*task.names, *(name for name, _ in given))
    return crossing_bytes(task.model, names, (*numbers, *(chip for _, chip in given)))


def _no_columns(task: Task) -> str:
    return (
        f"a share of every layer's columns on each chip does not fit {task.options.chips} chips "
        f"`{task.chip.name}` of {task.chip.cores} cores; take more with --set place.chips=N, or "
        "leave the cut to the compiler with --set place.cut=auto"
    )
