"""The largest set of things each two of which are neighbours, for a few dozen of them.

Method: Bron and Kerbosch's search with a pivot, sets as bits of a number; branches that cannot
beat the best are left out. Source: Bron 1973; Tomita 2006 (the pivot).
"""

from collections.abc import Iterator, Sequence


def largest_clique(neighbours: Sequence[int]) -> int:
    """How many there are in it; `neighbours` has a bit for each other one that is beside one."""
    best = 0

    def grow(size: int, candidates: int, done: int) -> None:
        nonlocal best
        best = max(best, size)
        if not candidates or size + candidates.bit_count() <= best:
            return
        pivot = max(
            _members(candidates | done), key=lambda m: (candidates & neighbours[m]).bit_count()
        )
        for one in _members(candidates & ~neighbours[pivot]):
            near = neighbours[one]
            grow(size + 1, candidates & near, done & near)
            candidates, done = candidates & ~(1 << one), done | 1 << one

    grow(0, (1 << len(neighbours)) - 1, 0)
    return best


def _members(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
