"""The largest clique against all sets."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from hermesc.placement.clique import largest_clique

THINGS = 7
PAIRS = list(combinations(range(THINGS), 2))


def test_nothing_has_none() -> None:
    assert largest_clique([]) == 0


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(PAIRS)))
def test_it_is_the_largest_of_all_sets(pairs: set[tuple[int, int]]) -> None:
    neighbours = [0] * THINGS
    for one, other in pairs:
        neighbours[one] |= 1 << other
        neighbours[other] |= 1 << one
    sets = (c for size in range(THINGS + 1) for c in combinations(range(THINGS), size))
    wanted = max(len(s) for s in sets if pairs.issuperset(combinations(s, 2)))
    assert largest_clique(neighbours) == wanted
