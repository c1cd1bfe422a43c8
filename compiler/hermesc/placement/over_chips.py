"""Cascades onto several chips: whole layers in a row, or shares of every layer's columns.

In: chains of pieces with the matrix, copy and column range of each, in the order of the program.
Out: places along the snake of chip after chip; the chip of each chain; what crosses between them.
Method: the pipeline fills chips in the order of the layers; one that does not fit in what is left
of a chip begins the next one, and one that no chip holds runs over several. Columns distributes the
column ranges of each copy evenly over the chips, in order, and what is left over to the emptiest.
Each chip is then packed by itself. Cost: that of packing. It does not look for a narrow place to
cut a pipeline at, and it cuts no column range in two.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from hermesc.placement.cost_model import CostModel
from hermesc.placement.pack import (
    CascadePieces,
    Cores,
    Order,
    SharingRule,
    Spot,
    Spots,
    cores_of,
    pack,
)
from hermesrt.chip.spec import ChipSpec
from hermesrt.interchip import (
    ChipInput,
    MatrixShare,
    columns_by_chip,
    crossing,
    vectors_by_chip,
)

ChainName = tuple[int, int, int]  # matrix, copy and column range, by number
_Places = dict[int, tuple[Spot, ...]]  # by chain
_NOWHERE = 4096  # a chip that there is not


@dataclass(frozen=True, slots=True)
class Distribution:
    """How chains are distributed over chips.

    kind: whole layers in a row, or shares of columns.
    chips: over how many `columns` distributes them; a pipeline takes what it needs.
    """

    kind: Literal["pipeline", "columns"]
    chips: int = 1


def pack_over(
    chains: Sequence[CascadePieces],
    names: Sequence[ChainName],
    distribution: Distribution,
    chip: ChipSpec,
    rule: SharingRule,
    order: Order,
    excluded: frozenset[int],
) -> Spots:
    """Places of the chains on their chips; beyond the last chip where one is too full."""
    if any(len(chain) > chip.cores for chain in chains):
        return pack(chains, chip, rule, order, excluded)  # none fits a chip, and none crosses chips
    found: _Places = {}
    if distribution.kind == "pipeline":
        for number, filled in enumerate(_fill_in_turn(chains, names, chip, rule, excluded)):
            mine = _tighter(filled, chains, chip, rule, order, _excluded_on(excluded, number, chip))
            found |= {i: _moved(spots, number * chip.cores) for i, spots in mine.items()}
        return tuple(found[i] for i in range(len(chains)))
    numbers = shares(chains, names, distribution.chips)
    for number in range(distribution.chips):
        members = [i for i, n in enumerate(numbers) if n == number]
        own = _excluded_on(excluded, number, chip)
        packed = pack([chains[i] for i in members], chip, rule, order, own)
        full = any(s.core >= chip.cores for spots in packed for s in spots)
        first = (_NOWHERE if full else number) * chip.cores
        found |= {i: _moved(spots, first) for i, spots in zip(members, packed, strict=True)}
    return tuple(found[i] for i in range(len(chains)))


def shares(
    chains: Sequence[CascadePieces], names: Sequence[ChainName], chips: int
) -> tuple[int, ...]:
    """The chip of each chain, the columns of every copy distributed over so many."""
    found = [0] * len(chains)
    cells = [0] * chips
    for _, members in groupby(range(len(chains)), key=lambda i: names[i][:2]):
        mine = list(members)
        each, left = divmod(len(mine), chips)
        more = set(sorted(range(chips), key=lambda c: (cells[c], c))[:left])
        numbers = [c for c in range(chips) for _ in range(each + (c in more))]
        for i, number in zip(mine, numbers, strict=True):
            found[i] = number
            cells[number] += sum(p.height * p.width for p in chains[i])
    return tuple(found)


def crossing_bytes(model: CostModel, names: Sequence[ChainName], numbers: Sequence[int]) -> int:
    """Bytes a sample that cross between chips, each chain on the chip of that number."""
    shares: list[list[MatrixShare]] = [[] for _ in model.cuts]
    for (matrix, copy, column), number in zip(names, numbers, strict=True):
        start, end = model.cuts[matrix].columns[column]
        shares[matrix].append(MatrixShare(number, copy, end - start))
    return sum(count for _, count in crossing(_chip_inputs(model, shares)))


def _chip_inputs(model: CostModel, shares: Sequence[Sequence[MatrixShare]]) -> Iterator[ChipInput]:
    """For each MVM, known by its number, what each chip takes."""
    columns = [columns_by_chip(held) for held in shares]
    for i, work in enumerate(model.works):
        first, last = (work.together[0], work.together[-1]) if work.together else (i, i)
        h = {last} if work.steps and i == first else set[int]()
        sources = {w.mvm for w in work.dependences} | h
        made = sum((columns[model.works[s].matrix] for s in sources), Counter[int]())
        cut, value = model.cuts[work.matrix], work.value or str(i)
        for number, count in vectors_by_chip(shares[work.matrix], work.vectors, cut.copies):
            values = count * cut.rows[-1][1]
            yield ChipInput(str(i), str(work.matrix), value, number, values, made)


def pipeline_chips(layers: Sequence[tuple[int, int]], cores: int) -> int:
    """Chips of so many cores that a pipeline takes at most: of (cascades, stages) each, every tile
    on a core of its own."""
    chips, left = 1, cores
    for cascades, stages in layers:
        if cascades * stages > left < cores:
            chips, left = chips + 1, cores
        while cascades * stages > left >= stages:
            cascades -= left // stages
            chips, left = chips + 1, cores
        left -= min(left, cascades * stages)
    return chips


def _fill_in_turn(
    chains: Sequence[CascadePieces],
    names: Sequence[ChainName],
    chip: ChipSpec,
    rule: SharingRule,
    excluded: frozenset[int],
) -> Iterator[_Places]:
    """The places on one chip after the other, cores counted from its first."""
    number, now = 0, _Filling.begun(chains, chip, rule, excluded, 0)
    for _, members in groupby(range(len(chains)), key=lambda i: names[i][0]):
        layer = list(members)
        if now.takes(layer):
            continue
        if now.places:
            yield now.places
            number += 1
            now = _Filling.begun(chains, chip, rule, excluded, number)
            if now.takes(layer):
                continue
        now = _Filling.begun(chains, chip, rule, excluded, number)
        for chain in layer:
            while not now.takes([chain]):
                yield now.places
                number += 1
                now = _Filling.begun(chains, chip, rule, excluded, number)
    yield now.places


@dataclass(slots=True)
class _Filling:
    """A chip that is being filled; what it did not take stays in its way, so it takes no more."""

    chains: Sequence[CascadePieces]
    cores: Cores
    places: _Places

    @classmethod
    def begun(
        cls,
        chains: Sequence[CascadePieces],
        chip: ChipSpec,
        rule: SharingRule,
        excluded: frozenset[int],
        number: int,
    ) -> "_Filling":
        """An empty chip of that number."""
        pieces = [piece for chain in chains for piece in chain]
        smallest = min(p.height for p in pieces), min(p.width for p in pieces)
        return cls(chains, Cores(chip, _excluded_on(excluded, number, chip), rule, smallest), {})

    def takes(self, members: Sequence[int]) -> bool:
        """Whether it has room for all of these."""
        places = {i: self.cores.add(self.chains[i]) for i in members}
        fits = all(s.core < self.cores.chip.cores for spots in places.values() for s in spots)
        if fits:
            self.places |= places
        return fits


def _tighter(
    places: _Places,
    chains: Sequence[CascadePieces],
    chip: ChipSpec,
    rule: SharingRule,
    order: Order,
    own: frozenset[int],
) -> _Places:
    """The same chip packed in that order, where this takes no more cores."""
    packed = pack([chains[i] for i in places], chip, rule, order, own)
    last = max((s.core for spots in packed for s in spots), default=0)
    better = last < chip.cores and cores_of(packed) <= cores_of(tuple(places.values()))
    return dict(zip(places, packed, strict=True)) if better else places


def _excluded_on(excluded: frozenset[int], number: int, chip: ChipSpec) -> frozenset[int]:
    """The cores of one chip that stay empty, counted from its first."""
    first = number * chip.cores
    return frozenset(c - first for c in excluded if first <= c < first + chip.cores)


def _moved(spots: tuple[Spot, ...], by: int) -> tuple[Spot, ...]:
    return tuple(replace(spot, core=spot.core + by) for spot in spots)
