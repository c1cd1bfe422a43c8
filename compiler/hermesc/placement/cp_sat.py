"""Pieces onto cores, exactly: a constraint model for OR-tools' CP-SAT.

Each piece has a core, a first row and a first column; the cores' arrays lie side by side in one
strip, in which no two rectangles may overlap. A core's work stays within the time limit for each
set of items that come late and have much after them (see `hermesc.placement.cost_model`). Minimised
is the number of cores, or the busiest core's time. One worker, a fixed seed and a limit in the
solver's own deterministic time, so the same question has the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from hermesc.placement.cost_model import RESOURCES, Item, busiest_ps
from hermesc.placement.pack import (
    CascadePieces,
    Piece,
    SharingRule,
    Spot,
    Spots,
    busiest_of,
    cores_of,
)
from hermesrt.chip.spec import ChipSpec

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar


@dataclass(frozen=True, slots=True)
class SearchLimit:
    """How long to search, and from where.

    seconds: in the solver's deterministic count.
    seed: of its search.
    """

    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """The best placement that was found.

    spots: where each piece sits.
    value: what it reaches, in cores or ps.
    bound: no placement goes below it, in cores or ps.
    """

    spots: Spots
    value: int
    bound: int


def fewest_cores(
    chains: Sequence[CascadePieces],
    chip: ChipSpec,
    hint: Spots,
    rule: SharingRule,
    effort: SearchLimit,
) -> Found:
    """The fewest cores on which all pieces fit, shared as the rule allows."""
    cores = 1 + max((spot.core for spots in hint for spot in spots), default=0)
    question = _Question(chains, chip, cores, hint)
    question.part(rule)
    if rule.limit_ps is not None:
        question.limit(rule.limit_ps)
    return question.answer(question.last + 1, 1, effort, cores_of)


def least_time(
    chains: Sequence[CascadePieces], chip: ChipSpec, cores: int, hint: Spots, effort: SearchLimit
) -> Found:
    """The least time of the busiest of so many cores."""
    most = busiest_of(chains, hint)
    question = _Question(chains, chip, cores, hint)
    least = max(busiest_ps(piece.items) for chain in chains for piece in chain)
    question.part(SharingRule())
    time = question.model.new_int_var(min(least, most), most, "time")
    question.limit(time, most)
    question.model.add_hint(time, most)
    return question.answer(time, least, effort, lambda spots: busiest_of(chains, spots))


class _Question:
    """The model's variables: `core`, `row` and `column` of each piece."""

    def __init__(
        self, chains: Sequence[CascadePieces], chip: ChipSpec, cores: int, hint: Spots
    ) -> None:
        from ortools.sat.python import cp_model

        self.model: CpModel = cp_model.CpModel()
        self._chains = chains
        self._cores = cores
        self._pieces: list[Piece] = [p for chain in chains for p in chain]
        self._spots: list[tuple[IntVar, IntVar, IntVar]] = []
        self._on: dict[tuple[int, int], IntVar] = {}
        self._lay(chip)
        self._keep_on_one_chip(chip)
        self.last = self.model.new_int_var(0, cores - 1, "last")
        self.model.add_max_equality(self.last, [core for core, _, _ in self._spots])
        self._hint(hint)

    def _lay(self, chip: ChipSpec) -> None:
        model, width = self.model, chip.crossbar.columns
        across, down = [], []
        for i, piece in enumerate(self._pieces):
            core = model.new_int_var(0, self._cores - 1, f"core{i}")
            row = model.new_int_var(0, chip.crossbar.rows - piece.height, f"row{i}")
            column = model.new_int_var(0, width - piece.width, f"column{i}")
            start = model.new_int_var(0, self._cores * width, f"start{i}")
            model.add(start == core * width + column)
            across.append(model.new_fixed_size_interval_var(start, piece.width, f"across{i}"))
            down.append(model.new_fixed_size_interval_var(row, piece.height, f"down{i}"))
            self._spots.append((core, row, column))
        model.add_no_overlap_2d(across, down)
        for number in range(self._cores):  # what is implied, said once more for a better bound
            cells = sum(
                p.height * p.width * self._is_on(i, number) for i, p in enumerate(self._pieces)
            )
            model.add(cells <= chip.cells_per_core)

    def _is_on(self, piece: int, core: int) -> "IntVar":
        if (piece, core) not in self._on:
            literal = self.model.new_bool_var(f"on{piece}_{core}")
            self.model.add(self._spots[piece][0] == core).only_enforce_if(literal)
            self.model.add(self._spots[piece][0] != core).only_enforce_if(~literal)
            self._on[piece, core] = literal
        return self._on[piece, core]

    def _keep_on_one_chip(self, chip: ChipSpec) -> None:
        if self._cores <= chip.cores:
            return
        first = 0
        for chain in self._chains:
            chips = []
            for piece in range(first, first + len(chain)):
                chips.append(self.model.new_int_var(0, self._cores // chip.cores, f"chip{piece}"))
                self.model.add_division_equality(chips[-1], self._spots[piece][0], chip.cores)
            for one in chips[1:]:
                self.model.add(one == chips[0])
            first += len(chain)

    def limit(self, time: "int | IntVar", most: int | None = None) -> None:
        """No core has more to do; `most` is the largest value that the time can have."""
        highest = time if isinstance(time, int) else most
        assert isinstance(highest, int)
        for resource in range(len(RESOURCES)):
            mine = [
                (i, item)
                for i, piece in enumerate(self._pieces)
                for item in piece.items
                if item.resource == resource
            ]
            for head, tail in _thresholds([item for _, item in mine]):
                late = [(i, t) for i, t in mine if t.head >= head and t.tail >= tail]
                lowest = 0 if isinstance(time, int) else None
                if lowest == 0 and head + tail + sum(t.load for _, t in late) <= highest:
                    continue  # holds whatever sits together
                for core in range(self._cores):
                    load = sum(t.load * self._is_on(i, core) for i, t in late)
                    self.model.add(load + head + tail <= time)

    def part(self, rule: SharingRule) -> None:
        """Pieces that clash are on different cores; those that are too long are limited as sums."""
        rule = SharingRule(quiet=rule.quiet)
        for (i, one), (j, other) in combinations(enumerate(self._pieces), 2):
            if rule.clash(one, other):
                self.model.add(self._spots[i][0] != self._spots[j][0])

    def _hint(self, hint: Spots) -> None:
        places = [spot for spots in hint for spot in spots]
        for (core, row, column), spot in zip(self._spots, places, strict=True):
            for variable, value in zip((core, row, column), (spot.core, spot.row, spot.column),
                                       strict=True):  # fmt: skip
                self.model.add_hint(variable, value)

    def answer(self, aim: Any, least: int, effort: SearchLimit, value: Any) -> Found:
        """Minimise; the hint is an answer already, so there always is one."""
        from ortools.sat.python import cp_model

        self.model.minimize(aim)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = effort.seed
        solver.parameters.max_deterministic_time = effort.seconds
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Found((), 0, least)
        flat = iter([Spot(*(solver.value(v) for v in spot)) for spot in self._spots])
        spots = tuple(tuple(next(flat) for _ in chain) for chain in self._chains)
        bound = round(solver.best_objective_bound)
        return Found(spots, value(spots), max(least, bound))


def _thresholds(items: Sequence[Item]) -> list[tuple[int, int]]:
    """Pairs of head and tail from which some item comes."""
    heads, tails = sorted({i.head for i in items}), sorted({i.tail for i in items})
    return [
        (head, tail)
        for head, tail in product(heads, tails)
        if any(i.head >= head and i.tail >= tail for i in items)
    ]
