"""The search for a placement: fast first, exact where that leaves something to prove.

In: chains of pieces and an objective. Out: places along the snake with the value reached and a
bound. Method: `cores` packs as tightly as it can, and takes what is quickest of that. The times
first try that only MVMs share a core of which one is over before the other begins, so that nobody
waits, on the fewest cores; where the chips have too few for that, and for `throughput`, the busiest
core's least time is found by bisection. `energy` takes whichever number of cores costs least. The
fast solver packs with several orders of the pieces; the exact one (`hermesc.placement.cp_sat`)
starts from what the fast one found.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from hermesc.placement.clique import largest_clique
from hermesc.placement.cost_model import RESOURCES, CostModel, busiest_ps, load_bound_ps
from hermesc.placement.makespan import makespan_ps
from hermesc.placement.options import PlaceOptions
from hermesc.placement.over_chips import ChainName, Distribution, pack_over
from hermesc.placement.pack import (
    ORDERS,
    CascadePieces,
    Order,
    Piece,
    SharingRule,
    Spots,
    busiest_of,
    chips_of,
    cores_of,
    pack,
)
from hermesrt.chip.spec import ChipSpec
from hermesrt.pricing import idle_pj

if TYPE_CHECKING:
    from hermesc.placement.cp_sat import SearchLimit

_MANY = 400  # pieces from which one order is tried, and the time bisected coarsely
_EXACT_MOST = 24  # pieces that `auto` gives to the exact solver
_BISECTIONS = 12
_SWEEP = 20  # numbers of cores tried for the least energy
_QUIET, _TIGHT = SharingRule(quiet=True), SharingRule()


@dataclass(frozen=True, slots=True)
class Solution:
    """A placement.

    spots: where each piece sits, cores counted along the snake.
    solver: who found it.
    unit: of value and bound.
    value: what it reaches of the objective.
    bound: no placement goes below it.
    """

    spots: Spots
    solver: str
    unit: str
    value: float
    bound: float


@dataclass(frozen=True)
class Task:
    """What is to be placed.

    chains: the pieces of each cascade.
    names: matrix, copy and column range of each chain, by number.
    model: costs of the model's matrices.
    options: the aim, and what may be used.
    excluded: cores that stay empty.
    distribution: how chains are distributed over chips; None for wherever there is room.
    """

    chains: tuple[CascadePieces, ...]
    names: tuple[ChainName, ...]
    model: CostModel
    options: PlaceOptions
    excluded: frozenset[int]
    distribution: Distribution | None = None

    @property
    def chip(self) -> ChipSpec:
        """The chip."""
        return self.model.chip

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces."""
        return tuple(piece for chain in self.chains for piece in chain)

    @property
    def cores(self) -> int:
        """Cores that may be used."""
        return self.options.chips * self.chip.cores - len(self.excluded)

    @property
    def is_exact(self) -> bool:
        """Whether the exact solver is asked."""
        if self.excluded or self.distribution or self.options.solver == "heuristic":
            return False
        once = self.options.objective != "energy"  # which searches for many numbers of cores
        return self.options.solver == "exact" or (once and len(self.pieces) <= _EXACT_MOST)

    @property
    def counts(self) -> "SearchLimit":
        """How long the exact solver may search."""
        from hermesc.placement.cp_sat import SearchLimit

        return SearchLimit(self.options.seconds, self.options.seed)

    def packed(self, rule: SharingRule, order: Order) -> Spots:
        """Places for all chains, in that order of the pieces."""
        if self.distribution is None:
            return pack(self.chains, self.chip, rule, order, self.excluded)
        return pack_over(
            self.chains, self.names, self.distribution, self.chip, rule, order, self.excluded
        )

    def fits(self, spots: Spots, cores: int) -> bool:
        """Whether these places are on so many cores, all of them on the chips that there are."""
        last = max((spot.core for chain in spots for spot in chain), default=0)
        return cores_of(spots) <= cores and last < self.options.chips * self.chip.cores

    def time_ps(self, spots: Spots) -> int:
        """The objective's time on these places: of a sample, or between samples."""
        if self.options.objective == "throughput":
            return busiest_of(self.chains, spots)
        cores = {
            (matrix, copy, stage, column): spot.core
            for (matrix, copy, column), chain in zip(self.names, spots, strict=True)
            for stage, spot in enumerate(chain)
        }
        return makespan_ps(self.model, cores)

    def energy_pj(self, spots: Spots) -> float:
        """Energy of a sample on these places, dynamic and idle."""
        chips, time = chips_of(spots, self.chip.cores), self.time_ps(spots)
        return self.model.dynamic_pj() + idle_pj(self.chip, cores_of(spots), chips, time)

    def bound_ps(self, cores: int) -> int:
        """A time that no placement on so many cores goes below."""
        items = [item for piece in self.pieces for item in piece.items]
        alone = max((busiest_ps(piece.items) for piece in self.pieces), default=0)
        most = max(alone, load_bound_ps(items, max(cores, 1)))
        return most if self.options.objective == "throughput" else max(most, self._free_ps)

    @cached_property
    def _free_ps(self) -> int:
        return makespan_ps(self.model, {})


def solve(task: Task) -> Solution:
    """The best placement found; on more cores than there are where none fits."""
    match task.options.objective:
        case "cores":
            return _cores(task)
        case "energy":
            return _energy(task)
        case "accuracy":
            found, sums = _time(task), float(task.model.partial_sums())
            return replace(found, unit="partial sums", value=sums, bound=sums)
        case _:
            return _time(task)


def judge(task: Task, spots: Spots) -> Solution:
    """How good given places are, for the same objective."""
    cores, time = cores_of(spots), task.time_ps(spots)
    few = fewest_bound(task)
    match task.options.objective:
        case "cores":
            return Solution(spots, "file", "cores", float(cores), float(few))
        case "energy":
            bounds = {n: task.bound_ps(n) for n in range(few, max(few, task.cores) + 1)}
            energy = task.energy_pj(spots)
            return Solution(spots, "file", "nJ", energy / 1000, _energy_bound(task, bounds))
        case "accuracy":
            sums = float(task.model.partial_sums())
            return Solution(spots, "file", "partial sums", sums, sums)
        case _:
            return Solution(spots, "file", "ns", time / 1000, task.bound_ps(task.cores) / 1000)


def fewest_bound(task: Task, rule: SharingRule = _TIGHT) -> int:
    """Cores that any placement needs: for all cells, for blocks no two of which fit in one, for all
    work within the rule's limit, and for pieces each of which clashes with all the others."""
    rows, columns = task.chip.crossbar.rows, task.chip.crossbar.columns
    cells = ceil(sum(p.height * p.width for p in task.pieces) / task.chip.cells_per_core)
    large = sum(2 * p.height > rows and 2 * p.width > columns for p in task.pieces)
    bounds = [cells, large]
    for resource in range(len(RESOURCES)) if rule.limit_ps is not None else ():
        mine = [i for p in task.pieces for i in p.items if i.resource == resource]
        if mine and rule.limit_ps is not None:
            window = rule.limit_ps - min(i.head for i in mine) - min(i.tail for i in mine)
            bounds.append(ceil(sum(i.load for i in mine) / max(window, 1)))
    if rule != _TIGHT and len(task.pieces) <= _MANY:
        bounds.append(_apart(task, rule))
    return max(*bounds, 0)


def _apart(task: Task, rule: SharingRule) -> int:
    """Size of a set of pieces no two of which can share a core: the largest there is, or that of
    the busiest first where there are many."""
    rows, columns = task.chip.crossbar.rows, task.chip.crossbar.columns
    pieces = sorted(task.pieces, key=lambda p: -max((i.load for i in p.items), default=0))

    def apart(one: Piece, other: Piece) -> bool:
        beside = one.width + other.width <= columns or one.height + other.height <= rows
        return not beside or rule.clash(one, other)

    if len(pieces) <= _EXACT_MOST:
        return largest_clique(
            [sum(apart(p, q) << j for j, q in enumerate(pieces) if q is not p) for p in pieces]
        )
    chosen: list[Piece] = []
    for piece in pieces:
        if all(apart(piece, other) for other in chosen):
            chosen.append(piece)
    return len(chosen)


def _cores(task: Task) -> Solution:
    spots, bound, solver = _fewest(task, _TIGHT)
    cores = cores_of(spots)
    quicker = _on(task, cores)
    if task.fits(quicker, cores) and task.time_ps(quicker) < task.time_ps(spots):
        spots = quicker
    return Solution(spots, solver, "cores", float(cores), float(bound))


def _time(task: Task) -> Solution:
    """The least time, then the fewest cores that keep it."""
    spots, bound, solver = _least(task, task.cores)
    return Solution(spots, solver, "ns", task.time_ps(spots) / 1000, bound / 1000)


def _least(task: Task, cores: int) -> tuple[Spots, int, str]:
    """The least time on so many cores, a bound of it, and who found it."""
    bound = task.bound_ps(cores)
    if task.options.objective != "throughput":
        quiet, _, solver = _fewest(task, _QUIET)
        if task.fits(quiet, cores):
            return quiet, bound, solver
    spots, solver = _on(task, cores), "heuristic"
    if task.is_exact and task.time_ps(spots) > bound and task.fits(spots, cores):
        from hermesc.placement.cp_sat import least_time

        found = least_time(task.chains, task.chip, cores, spots, task.counts)
        if found.spots and task.time_ps(found.spots) < task.time_ps(spots):
            spots = found.spots
        bound, solver = max(bound, found.bound), "exact"
    within = SharingRule(busiest_of(task.chains, spots))
    fewer, _, second = _fewest(task, within)
    if task.fits(fewer, cores_of(spots) - 1) and task.time_ps(fewer) <= task.time_ps(spots):
        spots, solver = fewer, "exact" if "exact" in (solver, second) else solver
    return spots, bound, solver


def _energy(task: Task) -> Solution:
    """The number of cores at which dynamic and idle energy of one sample are least."""
    few = fewest_bound(task)
    most = max(few, min(task.cores, len(task.pieces)))
    bounds = {n: task.bound_ps(n) for n in range(few, most + 1)}
    tried: list[tuple[float, Spots, str]] = []
    for cores in _counts(few, most, _SWEEP if len(task.pieces) <= _MANY else _SWEEP // 4):
        spots, bounds[cores], solver = _least(task, cores)
        tried.append((task.energy_pj(spots), spots, solver))
    energy, spots, solver = min(tried, key=lambda t: (not task.fits(t[1], task.cores), t[0]))
    bound = min(_energy_bound(task, bounds), energy / 1000)
    return Solution(spots, solver, "nJ", energy / 1000, bound)


def _energy_bound(task: Task, bounds: dict[int, int]) -> float:
    """The least energy in nanojoules, from a bound of the time on each number of cores."""
    per_chip = task.chip.cores
    idle = min(idle_pj(task.chip, n, -(-n // per_chip), time) for n, time in bounds.items())
    return (task.model.dynamic_pj() + idle) / 1000


def _counts(few: int, most: int, tries: int) -> list[int]:
    """Numbers of cores to try: all of a small range, else so many of them."""
    step = max(1, (most - few) // tries)
    return sorted({*range(few, most + 1, step), most})


def _fewest(task: Task, rule: SharingRule) -> tuple[Spots, int, str]:
    """The fewest cores under a rule, a bound of them, and who found them."""
    spots, bound = _packed(task, rule), fewest_bound(task, rule)
    if not task.is_exact or cores_of(spots) <= bound or not spots:
        return spots, bound, "heuristic"
    from hermesc.placement.cp_sat import fewest_cores

    found = fewest_cores(task.chains, task.chip, spots, rule, task.counts)
    better = found.spots and cores_of(found.spots) < cores_of(spots)
    return found.spots if better else spots, max(bound, found.bound), "exact"


def _packed(task: Task, rule: SharingRule) -> Spots:
    """The fewest cores that some order of the pieces leads to."""
    orders = ORDERS[:1] if len(task.pieces) > _MANY else ORDERS
    tried = [task.packed(rule, order) for order in orders]
    return min(tried, key=lambda spots: (not task.fits(spots, task.cores), cores_of(spots)))


def _on(task: Task, cores: int) -> Spots:
    """The least time of the busiest of so many cores, by bisection; the tightest packing where they
    are too few for any."""
    low = task.bound_ps(cores)
    best = _packed(task, SharingRule(low))
    if task.fits(best, cores):
        return best
    best = _packed(task, _TIGHT)
    if not task.fits(best, cores):
        return best
    high = busiest_of(task.chains, best)
    for _ in range(_BISECTIONS if len(task.pieces) <= _MANY else _BISECTIONS // 3):
        middle = (low + high) // 2
        spots = _packed(task, SharingRule(middle))
        if task.fits(spots, cores):
            best, high = spots, min(middle, busiest_of(task.chains, spots))
        else:
            low = middle
    return best
