"""Which core of the chip is which: the cores of a cascade next to each other.

In: places on cores counted along the snake through chip after chip. Out: the same with the chip's
own numbers. Method: where the cores of all cascades are neighbours along the snake they stay;
otherwise each chip's cores are strung together greedily, those with most cascades between them
first, and the strings laid along the snake. Cost: n log n in pieces.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from hermesc.placement.pack import Spots
from hermesrt.chip.fabric import linked, snake
from hermesrt.chip.spec import ChipSpec


def arrange(spots: Spots, chip: ChipSpec, excluded: frozenset[int] = frozenset()) -> Spots:
    """Places with the cores' own numbers, cascades over as few hops as the method finds; places of
    `excluded` stay empty."""
    way = snake(chip)
    used = {spot.core for chain in spots for spot in chain}
    order = {core: core // chip.cores * chip.cores + way[core % chip.cores] for core in used}
    between = _between(spots)
    if not all(linked(chip, order[a], order[b]) for a, b in between):
        order = {}
        for number in sorted({core // chip.cores for core in used}):
            mine = {c for c in used if c // chip.cores == number}
            pairs = {p: n for p, n in between.items() if mine.issuperset(p)}
            first = number * chip.cores
            places = (place for place in range(chip.cores) if first + place not in excluded)
            for place, core in zip(places, _string(mine, pairs), strict=False):
                order[core] = first + way[place]
    return tuple(tuple(replace(s, core=order[s.core]) for s in chain) for chain in spots)


def _between(spots: Spots) -> Counter[tuple[int, int]]:
    """How many cascades go from one core to another."""
    steps = ((a.core, b.core) for chain in spots for a, b in pairwise(chain))
    return Counter((min(s), max(s)) for s in steps if s[0] != s[1])


def _string(cores: set[int], between: Mapping[tuple[int, int], int]) -> list[int]:
    """The cores in a row, those that belong together side by side where it can be."""
    strings = {core: [core] for core in cores}
    for a, b in sorted(between, key=lambda pair: (-between[pair], pair)):
        left, right = strings[a], strings[b]
        if left is right or a not in (left[0], left[-1]) or b not in (right[0], right[-1]):
            continue
        whole = (left if left[-1] == a else left[::-1]) + (right if right[0] == b else right[::-1])
        for core in whole:
            strings[core] = whole
    whole_strings = {id(s): s for s in strings.values()}.values()
    return [core for s in sorted(whole_strings, key=min) for core in s]
