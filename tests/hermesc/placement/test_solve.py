"""The search against all placements of small cases."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermesc.ir.stages import Dependence
from hermesc.placement.cost_model import CostModel, MatrixWork, equal_parts
from hermesc.placement.options import PlaceOptions
from hermesc.placement.pack import CascadePieces, Piece, Spot, Spots, cores_of
from hermesc.placement.solve import Solution, Task, solve
from hermesc.placement.tiling import aimed
from hermesrt.artifact.cut import Cut
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec

SIDE = 6


def small_chip(cores: int) -> ChipSpec:
    """Arrays of six by six."""
    size = str(SIDE)
    return load_chip("hermes", [
        ("grid.rows", "1"), ("grid.columns", str(cores)), ("crossbar.rows", size),
        ("crossbar.columns", size),
    ])  # fmt: skip


def fits(pieces: list[tuple[int, int]], taken: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Whether rectangles fit in one array, by trying every place of every one."""
    if not pieces:
        return True
    (height, width), *rest = pieces
    for top, left in product(range(SIDE - height + 1), range(SIDE - width + 1)):
        cells = frozenset(product(range(top, top + height), range(left, left + width)))
        if not cells & taken and fits(rest, taken | cells):
            return True
    return False


def task_of(
    shapes: list[tuple[int, int]], works: tuple[MatrixWork, ...], cores: int, **options: object
) -> Task:
    """Matrices of one block each."""
    aim = PlaceOptions(**options)  # type: ignore[arg-type]
    cuts = tuple(Cut(equal_parts(h, 1), equal_parts(w, 1), 1, "4-phase") for h, w in shapes)
    model = CostModel(small_chip(cores), works, cuts)
    chains: list[CascadePieces] = []
    for i, (height, width) in enumerate(shapes):
        items = tuple(aimed(item, aim) for item in model.items(i, 0, 0, 0))
        uses = sum(1 << u for u in model.uses[i])
        beside = 0
        for u in model.uses[i]:
            beside |= model.beside[u]
        chains.append((Piece(height, width, items, uses, beside),))
    return Task(
        tuple(chains), tuple((i, 0, 0) for i in range(len(shapes))), model, aim, frozenset()
    )


def every_placement(task: Task, cores: int) -> Iterator[Spots]:
    """Every way to put the pieces on cores, as far as they fit; where in an array is no matter."""
    pieces = [(p.height, p.width) for p in task.pieces]
    for choice in product(range(cores), repeat=len(pieces)):
        held = [
            [p for p, c in zip(pieces, choice, strict=True) if c == core] for core in range(cores)
        ]
        if all(fits(h) for h in held):
            yield tuple((Spot(core, 0, 0),) for core in choice)


def check_sound(task: Task, found: Solution) -> None:
    """No two pieces overlap, and all lie inside their arrays."""
    cells: set[tuple[int, int, int]] = set()
    for piece, (spot,) in zip(task.pieces, found.spots, strict=True):
        mine = set(product(
            [spot.core], range(spot.row, spot.row + piece.height),
            range(spot.column, spot.column + piece.width),
        ))  # fmt: skip
        assert not mine & cells
        assert all(0 <= r < SIDE and 0 <= c < SIDE for _, r, c in mine)
        cells |= mine


SHAPES = st.lists(st.tuples(st.integers(1, SIDE), st.integers(1, SIDE)), min_size=3, max_size=5)


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[tuple[int, int]], tuple[MatrixWork, ...]]:
    """A few matrices, one MVM or two of each, some waiting for some before."""
    shapes = draw(SHAPES)
    works: list[MatrixWork] = []
    for i in range(len(shapes)):
        earlier = [j for j in range(len(works)) if draw(st.integers(0, 2)) == 0]
        dependences = tuple(Dependence(j, draw(st.booleans())) for j in earlier)
        works.append(MatrixWork(i, draw(st.sampled_from([1, 2, 50])), dependences))
    return shapes, tuple(works)


@settings(max_examples=25)
@given(SHAPES, st.integers(2, 4))
def test_the_exact_solver_needs_as_few_cores_as_any_placement(
    shapes: list[tuple[int, int]], cores: int
) -> None:
    works = tuple(MatrixWork(i, 1, ()) for i in range(len(shapes)))
    task = task_of(shapes, works, cores, objective="cores", solver="exact", seconds=5.0)
    best = min((cores_of(spots) for spots in every_placement(task, cores)), default=None)
    found = solve(task)
    check_sound(task, found)
    if best is None:
        assert found.value > cores
    else:
        assert found.value == found.bound == best


@settings(max_examples=25)
@given(programs(), st.integers(2, 4))
def test_the_exact_solver_is_as_quick_between_samples_as_any_placement(
    program: tuple[list[tuple[int, int]], tuple[MatrixWork, ...]], cores: int
) -> None:
    task = task_of(*program, cores, objective="throughput", solver="exact", seconds=5.0)
    best = min((task.time_ps(spots) for spots in every_placement(task, cores)), default=None)
    if best is not None:
        found = solve(task)
        check_sound(task, found)
        assert found.value * 1000 == pytest.approx(best)
        assert found.bound == pytest.approx(found.value)


@settings(max_examples=25)
@given(programs(), st.integers(2, 4), st.sampled_from(["auto", "heuristic"]))
def test_no_placement_is_quicker_than_the_bound_nor_the_value_than_all(
    program: tuple[list[tuple[int, int]], tuple[MatrixWork, ...]], cores: int, solver: str
) -> None:
    task = task_of(*program, cores, objective="balanced", solver=solver)
    best = min((task.time_ps(spots) for spots in every_placement(task, cores)), default=None)
    if best is not None:
        found = solve(task)
        if cores_of(found.spots) <= cores:
            check_sound(task, found)
            assert found.bound * 1000 <= best + 1 <= found.value * 1000 + 2


@settings(max_examples=25)
@given(programs())
def test_with_a_core_for_each_nothing_is_quicker_and_no_core_is_wasted(
    program: tuple[list[tuple[int, int]], tuple[MatrixWork, ...]],
) -> None:
    shapes, _ = program
    task = task_of(*program, len(shapes), objective="balanced", solver="exact", seconds=5.0)
    found = solve(task)
    times = [(task.time_ps(s), cores_of(s)) for s in every_placement(task, len(shapes))]
    assert found.value * 1000 == pytest.approx(min(times)[0])
    assert cores_of(found.spots) <= len(shapes)


def test_the_same_question_has_the_same_answer() -> None:
    shapes = [(3, 4), (4, 3), (2, 5), (5, 2), (3, 3), (4, 4), (2, 2)]
    works = tuple(MatrixWork(i, 7, ()) for i in range(len(shapes)))
    for objective in ("cores", "throughput", "balanced", "energy"):
        for solver in ("auto", "exact", "heuristic"):
            task = task_of(shapes, works, 3, objective=objective, solver=solver)
            assert solve(task) == solve(task)


def test_the_solver_is_asked_only_where_something_is_to_prove() -> None:
    works = (MatrixWork(0, 1, ()), MatrixWork(1, 1, ()))
    tight = task_of([(3, 3), (3, 3)], works, 2, objective="cores")
    assert solve(tight).solver == "heuristic"  # one core: no bound is lower
    loose = [(4, 3), (3, 4), (3, 3), (2, 3), (3, 2), (3, 3)]
    task = task_of(loose, tuple(MatrixWork(i, 1, ()) for i in range(6)), 3, objective="cores")
    assert solve(task).solver in ("exact", "heuristic")
    assert solve(task).bound <= solve(task).value
